// A node's own clock: it began somewhere, and runs a little faster or slower than the true time of the simulation (and
// for a while perhaps much more so). Never back: it stands for CLOCK_BOOTTIME.
#pragma once

#include <algorithm>
#include <cstdint>

#include "raft/types.h"

namespace tenaz::sim {

class Clock {
 public:
  Clock() = default;
  // Shows `local` at the true time `now`.
  Clock(raft::Instant now, raft::Instant local) : true_base_(now), local_base_(local) {}

  // From `now` on it gains (or loses) this many microseconds per second; above -1,000,000.
  void set_rate(raft::Instant now, std::int64_t ppm) {
    local_base_ = local(now);
    true_base_ = now;
    rate_ = kMillion + ppm;
  }

  // What it shows at a true time that is not before the last change.
  raft::Instant local(raft::Instant now) const {
    const std::int64_t passed = (now - true_base_).count();
    return local_base_ + raft::Duration(passed / kMillion * rate_ + passed % kMillion * rate_ / kMillion);
  }
  // The first true time at which it shows `local` or later.
  raft::Instant when(raft::Instant local) const {
    if (local == raft::Instant::max()) return local;
    const std::int64_t shown = std::max<std::int64_t>((local - local_base_).count(), 0);
    return true_base_ + raft::Duration(shown / rate_ * kMillion + (shown % rate_ * kMillion + rate_ - 1) / rate_ + 1);
  }

 private:
  static constexpr std::int64_t kMillion = 1'000'000;

  raft::Instant true_base_{};
  raft::Instant local_base_{};
  std::int64_t rate_ = kMillion;  // of its microseconds in a true second
};

}  // namespace tenaz::sim
