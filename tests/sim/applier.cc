#include "tests/sim/applier.h"

#include <algorithm>

#include "storage/command.h"
#include "tests/sim/stored_node.h"

namespace tenaz::sim {
namespace {

bool same_result(const storage::CommandResult& a, const storage::CommandResult& b) {
  return a.code == b.code && a.revision == b.revision && a.create_revision == b.create_revision &&
         a.mod_revision == b.mod_revision && a.version == b.version && a.deleted == b.deleted;
}

}  // namespace

Applier::Applier(World& world, Checker& checker, Random& random, const Scenario& scenario, Disk& disk, ModelLog& log,
                 Fate& fate, std::size_t node, std::uint32_t life, StoredNode* stored)
    : world_(world),
      checker_(checker),
      random_(random),
      scenario_(scenario),
      disk_(disk),
      log_(log),
      fate_(fate),
      node_(node),
      life_(life),
      stored_(stored),
      state_(disk.state) {
  schedule(EventKind::flush_begun, random_.between(raft::Duration{}, scenario_.flush_interval));
}

void Applier::schedule(EventKind kind, raft::Duration after) {
  Event event{.life = life_, .kind = kind};
  event.node = static_cast<std::uint8_t>(node_);
  world_.post(after, event);
}

void Applier::push(Item item) {
  queue_.push_back(std::move(item));
  if (busy_ || installing_) return;
  busy_ = true;
  raft::Duration delay = random_.between(microseconds(5), microseconds(2000));
  if (slower_by_ > raft::Duration{}) delay += random_.between(raft::Duration{}, slower_by_);
  schedule(EventKind::apply_step, delay);
}

void Applier::apply(std::vector<raft::Entry> entries) {
  if (fate_.ended()) return;
  for (const raft::Entry& entry : entries) checker_.applies(node_, entry);
  push(std::move(entries));
}

void Applier::install(const raft::SnapshotMeta& meta, KvState state) {
  push(Install{meta, std::move(state)});
}

void Applier::step() {
  busy_ = false;
  if (corrupt_ && !stored_) return fate_.end("stops: its state is damaged");
  storage::ApplyOutcome outcome;
  while (!queue_.empty() && !installing_) {
    if (auto* install = std::get_if<Install>(&queue_.front())) {
      if (install->meta.index <= state_.applied)
        world_.fail(node_name(node_) + ": installs a snapshot at " + std::to_string(install->meta.index.value) +
                    " over a state at " + std::to_string(state_.applied.value));
      installing_ = true;
      installing_meta_ = install->meta;
      log_.reset(install->meta, std::move(install->state));
    } else {
      apply_now(std::get<std::vector<raft::Entry>>(queue_.front()), outcome);
    }
    queue_.pop_front();
  }
  if (!outcome.index || fate_.ends_at(Step::applied)) return;
  Event event{.life = life_, .slot = outcomes_.put(std::move(outcome)), .kind = EventKind::applied};
  event.node = static_cast<std::uint8_t>(node_);
  last_report_ = std::max(last_report_, world_.now() + random_.between(raft::Duration{}, microseconds(100)));
  world_.post_at(last_report_, event);
}

void Applier::apply_now(const std::vector<raft::Entry>& entries, storage::ApplyOutcome& outcome) {
  const std::size_t replies_before = outcome.replies.size();
  for (const raft::Entry& entry : entries) {
    if (entry.index != state_.applied.next())
      return world_.fail(node_name(node_) + ": is given entry " + std::to_string(entry.index.value) + " behind " +
                         std::to_string(state_.applied.value));
    state_.applied = entry.index;
    state_.term = entry.term;
    if (entry.kind == raft::EntryKind::commands) {
      const auto batch = storage::parse_payload(*entry.payload);
      if (!batch) return world_.fail(node_name(node_) + ": " + batch.error().message);
      std::size_t position = 0;
      for (const auto& command : batch->commands()) {
        const storage::CommandResult result = state_.apply(command);
        checker_.applied_command(node_, entry.index, position++, command, result);
        if (command.origin().node() == node_id(node_).value)
          outcome.replies.push_back({{node_id(node_), command.origin().boot(), command.origin().sequence()}, result});
      }
    }
    checker_.applied_state(node_, state_);
  }
  outcome.index = state_.applied;
  outcome.term = state_.term;
  outcome.revision = state_.revision;
  if (stored_) apply_stored(entries, replies_before, outcome);
}

const raft::SnapshotMeta& Applier::installed() {
  installing_ = false;
  state_ = disk_.state;
  if (stored_) {
    stored_->switch_state();
    corrupt_ = false;
    compare();
  }
  checker_.applied_state(node_, state_);
  if (!queue_.empty()) {
    busy_ = true;
    schedule(EventKind::apply_step, random_.between(microseconds(5), microseconds(200)));
  }
  return installing_meta_;
}

void Applier::begin_flush() {
  flushing_ = state_;
  if (fate_.ends_at(Step::flush_begun)) return;
  schedule(EventKind::flush_done, random_.between(milliseconds(1), milliseconds(50)));
}

void Applier::end_flush() {
  if (!installing_) {
    if (stored_) {
      if (const auto flushed = stored_->state().flush(); !flushed) return storage_failed(flushed.error());
      see_durable();
    } else if (flushing_.applied > disk_.state.applied) {
      disk_.state = flushing_;
      report_durable();
    }
    if (fate_.ended()) return;
  }
  schedule(EventKind::flush_begun, random_.between(milliseconds(1), scenario_.flush_interval));
}

void Applier::report_durable() {
  if (fate_.ends_at(Step::flushed)) return;
  Event event{.number = disk_.state.applied.value, .life = life_, .kind = EventKind::durable_state};
  event.node = static_cast<std::uint8_t>(node_);
  world_.post(random_.between(raft::Duration{}, microseconds(100)), event);
}

void Applier::see_durable() {
  const raft::Index durable = stored_->state().durable_index();
  if (installing_ || durable <= disk_.state.applied) return;
  const auto found = disk_.later.find(durable);
  if (found == disk_.later.end())
    return world_.fail(node_name(node_) + ": the state is durable at " + std::to_string(durable.value) +
                       ", which nobody has applied");
  disk_.state = std::move(found->second);
  disk_.later.erase(disk_.later.begin(), std::next(found));
  report_durable();
}

void Applier::storage_failed(const storage::Error& error) {
  if (corrupt_) return fate_.end("stops: its state is damaged: " + error.message);
  world_.fail(node_name(node_) + ": " + error.message);
}

void Applier::compare() {
  if (!stored_ || !stored_->is_open() || installing_ || fate_.ended()) return;
  std::string differs = difference(state_, stored_->state());
  if (differs.empty() && state_.compact_revision < state_.revision)
    differs = difference(state_, stored_->state(),
                         state_.compact_revision + random_.below(state_.revision.past(state_.compact_revision) + 1));
  // A block that cannot be read says so; content that is another one is never right.
  if (differs.starts_with("at revision")) return storage_failed({storage::ErrorCode::corruption, differs});
  if (!differs.empty()) world_.fail(node_name(node_) + ": the state differs from the model: " + differs);
}

void Applier::apply_stored(const std::vector<raft::Entry>& entries, std::size_t replies_before,
                           const storage::ApplyOutcome& outcome) {
  stored_->platform().keep_up();
  const auto stored = stored_->state().apply(entries, node_id(node_));
  if (!stored) return storage_failed(stored.error());
  bool same = stored->revision == state_.revision && stored->index == state_.applied && stored->term == state_.term &&
              stored->replies.size() == outcome.replies.size() - replies_before;
  for (std::size_t i = 0; same && i < stored->replies.size(); ++i)
    same = same_result(stored->replies[i].result, outcome.replies[replies_before + i].result);
  if (!same) return world_.fail(node_name(node_) + ": applying comes to something else than by the model");
  disk_.later.insert_or_assign(state_.applied, state_);
  compare();
  see_durable();
}

}  // namespace tenaz::sim
