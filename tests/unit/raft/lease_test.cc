#include "raft/lease.h"

#include <gtest/gtest.h>

namespace tenaz::raft {
namespace {

using std::chrono::milliseconds;

// The leader's clock is the slow one: what it makes of a promise has passed before the promise has, by the voter's.
TEST(Lease, EndsBeforeThePromiseWithinTheDriftBound) {
  for (const Duration promise :
       {Duration{1000}, Duration{milliseconds(5)}, Duration{milliseconds(250)}, Duration{std::chrono::minutes(10)}})
    EXPECT_LT(usable(promise).count() * 11, promise.count() * 10) << promise.count();
}

TEST(RoundTimes, KeepsTheLatestRoundsApart) {
  RoundTimes times;
  EXPECT_FALSE(times.started_at(0));
  EXPECT_FALSE(times.started_at(1));
  const auto at = [](std::uint64_t round) { return Instant{std::chrono::seconds(round)}; };
  for (std::uint64_t round = 1; round <= 1000; ++round) {
    times.started(round, at(round));
    EXPECT_EQ(times.started_at(round), at(round));
    EXPECT_FALSE(times.started_at(round + 1)) << "it has not started";
    for (std::uint64_t old = 0; old < round; old += 1 + round / 50) {
      const auto started = times.started_at(old);
      EXPECT_TRUE(!started || (*started == at(old) && old > 0)) << old << " of " << round;
      if (old + 100 > round && old > 0) {
        EXPECT_TRUE(started) << old << " of " << round;
      }
    }
  }
  times.clear();
  EXPECT_FALSE(times.started_at(1000));
  EXPECT_FALSE(times.started_at(1));
}

}  // namespace
}  // namespace tenaz::raft
