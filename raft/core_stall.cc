// Giving way while the own disk does not answer. Heartbeats need no disk, so without this a leader whose disk has
// stalled would lead on (hazards M30).
#include <algorithm>

#include "raft/core_impl.h"

namespace tenaz::raft {

void Core::Impl::disk_stalled(Instant now, bool stalled) {
  observe(now);
  disk_stalled_ = stalled;
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

void Core::Impl::transfer_in_vain() {
  transfer_target_ = NodeId{};
  if (std::exchange(leaving_, false) && others_can_commit()) become_follower(hard_state_.term, NodeId{});
}

}  // namespace tenaz::raft
