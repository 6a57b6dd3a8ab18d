// Compaction of history without being asked: the leader proposes what [history] no longer keeps. And on a disk without
// room.

#include <algorithm>

#include "server/replica.h"

namespace tenaz::server {

namespace {

std::uint64_t to_ms(std::chrono::nanoseconds time) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

}  // namespace

// What the history clock says is brought up to now by this node's own clock, which does not jump: nobody's wall clock
// is asked. Seen late, the clock is taken for younger than it is, and more is kept.
storage::Revision Replica::older_than(raft::Instant now, std::chrono::nanoseconds age) const {
  const std::uint64_t clock = history_clock_ + to_ms(now - history_clock_seen_);
  return clock < to_ms(age) ? storage::Revision() : ports_.state.revision_at(clock - to_ms(age));
}

// Up to a tenth more than is asked for is kept, so that there is something to gain whenever the files are rewritten.
void Replica::compact_history(raft::Instant now) {
  const HistoryOptions& keep = options_.history;
  const bool by_age = keep.keep_age.count() > 0, by_count = keep.keep_revisions > 0;
  if (!by_age && !by_count) return;
  const StatePort::History history = ports_.state.history();
  if (history.clock_ms != history_clock_) {
    history_clock_ = history.clock_ms;
    history_clock_seen_ = now;
  }
  if (!leads() || stopping_ || now < next_history_) return;

  // What either of the two keeps is kept.
  storage::Revision target = revision_;
  bool due = true;
  if (by_age) {
    target = std::min(target, older_than(now, keep.keep_age));
    due = older_than(now, keep.keep_age + keep.keep_age / 10) > history.compact_revision;
  }
  if (by_count) {
    const std::uint64_t held = revision_.past(history.compact_revision);
    const std::uint64_t kept = std::min(revision_.value, keep.keep_revisions);
    target = std::min(target, storage::Revision(revision_.value - kept));
    due = due && held > keep.keep_revisions + keep.keep_revisions / 10;
  }
  if (!due || target <= history.compact_revision) return;
  next_history_ = now + keep.compact_interval;
  ports_.probe.history_compacting(target, revision_);
  propose_compaction(now, target);
}

void Replica::propose_compaction(raft::Instant now, storage::Revision revision) {
  storage::pb::Command command;
  command.set_apply_version(storage::kApplyVersion);
  command.mutable_origin()->set_node(self_.value);
  command.mutable_origin()->set_boot(boot_);  // sequence 0: nobody waits for it
  command.mutable_compact()->set_revision(revision.value);
  queue_.push_back({self_, {}, boot_, 0, false, command.SerializeAsString()});
  propose_queue(now);
}

// On a disk without room the history of overwritten and deleted keys is given up first: the leader proposes to compact
// up to the present, once for every revision at which it finds itself without room.
void Replica::reclaim_space(raft::Instant now) {
  if (!leads() || puts_have_room() || reclaimed_at_ == revision_ || stopping_) return;
  reclaimed_at_ = revision_;
  propose_compaction(now, revision_);
}

}  // namespace tenaz::server
