// Giving way while the own disk does not answer. Heartbeats need no disk, so without this a leader whose disk has
// stalled would lead on (hazards M30).
#include <algorithm>

#include "raft/core_impl.h"

namespace tenaz::raft {

void Core::Impl::disk_stalled(Instant now, bool stalled) {
  observe(now);
  disk_stalled_ = stalled;
  if (stalled) disk_stalled_at_ = now_;
  if (!stalled) leaving_ = false;
}

// A quorum of the others has on its disks what this node's does not take. Unless that is so, nobody could lead better:
// a vote needs a disk too.
bool Core::Impl::others_can_commit() const {
  return tracker_.committed(configuration(), Index{}) > log_.durable_index();
}

// The successor is the voter that holds most, so its disk works. It has as long as followers would take to miss this
// leader; then stepping down is the faster way.
void Core::Impl::leave_to_others() {
  if (leaving_ || !others_can_commit()) return;
  if (!transfer_target_) {
    const Progress* best = tracker_.best_successor(configuration(), now_, quorum_patience());
    if (!best) return;
    transfer_target_ = best->id();
    timeout_now_sent_ = Instant{};
    transfer_deadline_ = Instant::max();
  }
  transfer_deadline_ = std::min(transfer_deadline_, now_ + options_.election_timeout_min);
  leaving_ = true;
}

// Those whom a leader hears may be too few to commit, because their disks or its own have stalled, while others whom it
// does not hear could: it must not keep its followers from them by heartbeats. Where it is the disks of a majority,
// nobody can lead, and an election follows when they answer; so it waits for longer than where a quorum is silent, and
// for longer than the slowest write with which anybody could be elected. While it hears all, nobody could do better.
Instant Core::Impl::disks_due() const {
  if (now_ - tracker_.all_heard(configuration(), now_) < quorum_patience()) return Instant::max();
  const Instant able = tracker_.quorum_able(configuration(), disk_stalled_ ? disk_stalled_at_ : now_);
  return able + 2 * options_.election_timeout_max;
}

void Core::Impl::transfer_in_vain() {
  transfer_target_ = NodeId{};
  if (std::exchange(leaving_, false) && others_can_commit()) become_follower(hard_state_.term, NodeId{});
}

}  // namespace tenaz::raft
