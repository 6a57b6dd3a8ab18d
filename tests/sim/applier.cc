#include "tests/sim/applier.h"

#include <algorithm>

#include "storage/command.h"

namespace tenaz::sim {

Applier::Applier(World& world, Checker& checker, Random& random, const Scenario& scenario, Disk& disk, ModelLog& log,
                 Fate& fate, std::size_t node, std::uint32_t life)
    : world_(world),
      checker_(checker),
      random_(random),
      scenario_(scenario),
      disk_(disk),
      log_(log),
      fate_(fate),
      node_(node),
      life_(life),
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
  if (corrupt_) return fate_.end("stops: its state is damaged");
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
}

const raft::SnapshotMeta& Applier::installed() {
  installing_ = false;
  state_ = disk_.state;
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
  if (flushing_.applied > disk_.state.applied && !installing_) {
    disk_.state = flushing_;
    if (fate_.ends_at(Step::flushed)) return;
    Event event{.number = disk_.state.applied.value, .life = life_, .kind = EventKind::durable_state};
    event.node = static_cast<std::uint8_t>(node_);
    world_.post(random_.between(raft::Duration{}, microseconds(100)), event);
  }
  schedule(EventKind::flush_begun, random_.between(milliseconds(1), scenario_.flush_interval));
}

}  // namespace tenaz::sim
