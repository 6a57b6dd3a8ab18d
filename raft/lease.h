// Leases (thesis 6.4.1): a leader answers reads without a round while a quorum has promised to elect nobody else.
//
// A voter promises with its answer to a heartbeat: "for so long, by my clock, from when I got it, I vote for nobody
// else". The leader counts from when it sent that heartbeat, which is earlier, and takes a tenth off, since the two
// clocks may run at different rates:
//
//   leader   send round 7 ├──────── usable(promise) ────────┤ its lease ends
//   voter           gets it ├───────────── promise ─────────────┤ free to vote for another
//
// **The bound**: a clock (CLOCK_BOOTTIME) runs at most a tenth faster than another member's. Crystals differ by a
// hundredth of a percent, and the kernel slews for NTP by at most a twentieth of one. Where a virtual machine's clock
// can stand still while its host goes on, the bound does not hold, and leases must stay off.
//
// A promise is as long as the giver's own shortest election timeout, so it withholds votes no longer than trust in a
// leader that is heard does anyway. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "raft/types.h"

namespace tenaz::raft {

// What a leader may make of a promise by its own clock. 10/9 > 11/10, the drift bound: what is left over covers a
// clock's grain.
constexpr Duration usable(Duration promise) {
  return promise - promise / 10;
}

// No promise is taken for longer than an election timeout can be set to.
inline constexpr Duration kLongestPromise = std::chrono::minutes(10);

// When a leader's latest rounds of heartbeats started. An answer speaks of the round that it names: an old or repeated
// one never lengthens a lease.
class RoundTimes {
 public:
  // Rounds rise by one, from 1 in each term.
  void started(std::uint64_t round, Instant now) {
    latest_ = round;
    times_[round % kKept] = now;
  }
  // Nothing for a round that never was, or is too old to matter.
  std::optional<Instant> started_at(std::uint64_t round) const {
    if (round == 0 || round > latest_ || latest_ - round >= kKept) return std::nullopt;
    return times_[round % kKept];
  }
  // Another term.
  void clear() { latest_ = 0; }

 private:
  static constexpr std::uint64_t kKept = 256;

  std::uint64_t latest_ = 0;
  std::array<Instant, kKept> times_{};
};

}  // namespace tenaz::raft
