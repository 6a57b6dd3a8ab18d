#include "tests/sim/disk.h"

#include <algorithm>

#include "tests/sim/fingerprint.h"
#include "tests/sim/stored_node.h"

namespace tenaz::sim {

std::optional<raft::Term> Disk::term(raft::Index index) const {
  if (index == base) return base_term;
  if (index < base || index > last_index()) return std::nullopt;
  return at(index).term;
}

std::vector<raft::Entry> Disk::entries(raft::Index from, raft::Index to, std::size_t max_bytes) const {
  std::vector<raft::Entry> out;
  if (from <= base) return out;
  std::size_t bytes = 0;
  for (raft::Index index = from; index <= to; index = index.next()) {
    const raft::Entry& entry = at(index);
    if (index == broken) broken_found = true;
    bytes += entry.cost();
    if (!out.empty() && bytes > max_bytes) break;
    out.push_back(entry);
  }
  return out;
}

void Disk::store(const raft::Persist& write) {
  if (write.hard_state) hard_state = *write.hard_state;
  if (write.entries.empty()) return;
  log.resize(write.entries.front().index.past(base) - 1);
  log.insert(log.end(), write.entries.begin(), write.entries.end());
}

void Disk::cut(raft::Index index, const raft::Configuration& configuration_there, raft::Index its_index) {
  base_term = *term(index);
  log.erase(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(index.past(base)));
  base = index;
  configuration = configuration_there;
  configuration_index = its_index;
}

void Disk::replace(const raft::SnapshotMeta& meta, const KvState& with) {
  base = meta.index;
  base_term = meta.term;
  configuration = meta.configuration;
  configuration_index = meta.configuration_index;
  log.clear();
  state = with;
  later.clear();
}

const raft::LogReader& ModelLog::reader() const {
  if (stored_) return stored_->log();
  return disk_;
}

std::uint64_t ModelLog::bytes() const {
  return stored_ ? stored_->log().bytes() : disk_.log.size() * 100;
}

void ModelLog::write(raft::Persist write) {
  if (write.id != last_id_.next()) world_.fail(node_name(node_) + ": write ids do not rise by one");
  last_id_ = write.id;
  world_.remember(fingerprint_of(write) ^ node_);
  checker_.writes(node_, write);
  push(std::move(write));
}

void ModelLog::compact(raft::Index index, raft::Configuration configuration, raft::Index configuration_index) {
  push(Compact{index, std::move(configuration), configuration_index});
}

void ModelLog::reset(const raft::SnapshotMeta& meta, KvState state) {
  push(Reset{meta, std::move(state)});
}

raft::Index ModelLog::compaction_target(raft::Index limit) const {
  if (stored_) return stored_->log().compaction_target(limit, scenario_.log_retain * 100);
  const std::uint64_t last = disk_.last_index().value;
  return std::min(limit, raft::Index(last - std::min(last, scenario_.log_retain)));
}

void ModelLog::push(Item item) {
  if (fate_.ends_at(Step::write_queued)) return;
  queue_.push_back(std::move(item));
  if (under_way_ == 0) begin_sync();
}

void ModelLog::begin_sync() {
  const DiskFaults& disk = scenario_.disk;
  under_way_ = queue_.size();
  raft::Duration delay = disk.slow_in_thousand != 0 && random_.chance(disk.slow_in_thousand)
                             ? random_.between(disk.sync_min, disk.slow_max)
                             : random_.between(disk.sync_min, disk.sync_max);
  if (slower_by_ > raft::Duration{}) delay += random_.between(raft::Duration{}, slower_by_);
  Event event{.life = life_, .kind = EventKind::log_synced};
  event.node = static_cast<std::uint8_t>(node_);
  world_.post_at(std::max(world_.now(), stalled_until_) + delay, event);
}

void ModelLog::recover() {
  stalled_until_ = world_.now();
  slower_by_ = {};
  sync_fails_ = false;
}

void ModelLog::synced() {
  if (stalled_until_ > world_.now()) {
    Event event{.life = life_, .kind = EventKind::log_synced};
    event.node = static_cast<std::uint8_t>(node_);
    world_.post_at(stalled_until_, event);
    return;
  }
  if (fate_.ends_at(Step::sync_begun)) return;
  if (sync_fails_ && !stored_) return fate_.end("stops: fsync failed");
  const bool one_report = random_.chance(500);
  for (; under_way_ > 0; --under_way_) {
    if (stored_) {
      if (stored_ahead_ == 0 && !store_ahead()) return;
      --stored_ahead_;
    }
    make_durable(queue_.front());
    if (fate_.ends_at(Step::synced)) return queue_.pop_front();
    const bool group_goes_on = one_report && under_way_ > 1 && std::holds_alternative<raft::Persist>(queue_[1]);
    report(queue_.front(), !group_goes_on);
    queue_.pop_front();
  }
  if (!queue_.empty()) begin_sync();
}

void ModelLog::crash() {
  if (random_.chance(scenario_.disk.keep_unsynced_in_thousand))
    for (std::uint64_t kept = random_.below(queue_.size() + 1); kept > 0; --kept) {
      make_durable(queue_.front());
      queue_.pop_front();
    }
  queue_.clear();
}

std::size_t ModelLog::next_group() const {
  std::size_t count = 0;
  while (count < std::max<std::size_t>(under_way_, 1) && count < queue_.size() &&
         std::holds_alternative<raft::Persist>(queue_[count]))
    ++count;
  return std::max<std::size_t>(count, 1);
}

bool ModelLog::store_ahead() {
  stored_->platform().keep_up();
  if (sync_fails_) stored_->tree().fail_next_sync();
  attempted_ = true;
  const std::size_t group = next_group();
  storage::Result<void> done;
  if (const auto* compact = std::get_if<Compact>(&queue_.front())) {
    done = stored_->log().compact(compact->index, compact->configuration, compact->configuration_index);
  } else if (const auto* reset = std::get_if<Reset>(&queue_.front())) {
    done = stored_->log().reset(reset->meta, stored_->received_directory());
  } else {
    std::vector<raft::Persist> writes;
    for (std::size_t i = 0; i < group; ++i) writes.push_back(std::get<raft::Persist>(queue_[i]));
    done = stored_->log().write(writes);
  }
  stored_->tree().recover();
  if (!done) {
    if (!sync_fails_) world_.fail(node_name(node_) + ": " + done.error().message);
    fate_.end("stops: fsync failed");
    return false;
  }
  attempted_ = false;
  stored_ahead_ = group;
  return true;
}

std::vector<Disk> ModelLog::may_be_found() {
  for (; stored_ahead_ > 0; --stored_ahead_) {
    make_durable(queue_.front());
    queue_.pop_front();
  }
  std::vector<Disk> found{disk_};
  if (queue_.empty()) return found;
  Disk after = disk_;
  for (std::size_t i = 0, group = next_group(); i < group; ++i) {
    if (const auto* write = std::get_if<raft::Persist>(&queue_[i]))
      after.store(*write);
    else if (const auto* compact = std::get_if<Compact>(&queue_[i]))
      after.cut(compact->index, compact->configuration, compact->configuration_index);
    else
      after.replace(std::get<Reset>(queue_[i]).meta, std::get<Reset>(queue_[i]).state);
  }
  found.push_back(std::move(after));
  return found;
}

// The report takes its time to get from the writer's thread to the replica's.
void ModelLog::report(const Item& item, bool last_of_group) {
  Event event{.life = life_};
  event.node = static_cast<std::uint8_t>(node_);
  if (const auto* write = std::get_if<raft::Persist>(&item)) {
    if (!last_of_group) return;
    event.kind = EventKind::persisted;
    event.number = write->id.value;
  } else if (const auto* compact = std::get_if<Compact>(&item)) {
    event.kind = EventKind::log_compacted;
    event.number = compact->index.value;
  } else {
    // The applier waits for it: see ModelState::installed.
    event.kind = EventKind::installed;
    event.number = std::get<Reset>(item).meta.index.value;
  }
  last_report_ = std::max(last_report_, world_.now() + random_.between(raft::Duration{}, microseconds(100)));
  world_.post_at(last_report_, event);
}

void ModelLog::make_durable(const Item& item) {
  if (const auto* write = std::get_if<raft::Persist>(&item)) return store(*write);
  if (const auto* compact = std::get_if<Compact>(&item)) {
    if (compact->index > disk_.state.applied)
      world_.fail(node_name(node_) + ": the log is cut past what the state holds durably");
    if (compact->index > disk_.last_index()) return world_.fail(node_name(node_) + ": the log is cut past its end");
    if (compact->index <= disk_.base) return;
    disk_.cut(compact->index, compact->configuration, compact->configuration_index);
    (void)fate_.ends_at(Step::log_cut);
    return;
  }
  const auto& reset = std::get<Reset>(item);
  if (disk_.last_index() > reset.meta.index && disk_.term(reset.meta.index) == reset.meta.term)
    world_.fail(node_name(node_) + ": a snapshot at " + std::to_string(reset.meta.index.value) +
                " takes away entries behind it that belong to the same log");
  disk_.replace(reset.meta, reset.state);
  (void)fate_.ends_at(Step::image_in_force);
}

void ModelLog::store(const raft::Persist& write) {
  if (write.hard_state) checker_.hard_state_written(node_, disk_.hard_state, *write.hard_state);
  if (!write.entries.empty()) {
    const raft::Index first = write.entries.front().index;
    if (first <= disk_.base || first > disk_.last_index().next())
      return world_.fail(node_name(node_) + ": entries are written at " + std::to_string(first.value) +
                         " outside the log (" + std::to_string(disk_.base.value) + ", " +
                         std::to_string(disk_.last_index().value) + "]");
    raft::Index expected = first;
    raft::Term before = *disk_.term(first.previous());
    for (const raft::Entry& entry : write.entries) {
      if (entry.index != expected) return world_.fail(node_name(node_) + ": entries have a gap");
      checker_.entry_written(node_, entry, before);
      before = entry.term;
      expected = expected.next();
    }
  }
  disk_.store(write);
}

}  // namespace tenaz::sim
