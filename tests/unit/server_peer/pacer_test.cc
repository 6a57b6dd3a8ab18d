#include "server/pacer.h"

#include <gtest/gtest.h>

namespace tenaz::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Pacer, WithoutALimitNothingWaits) {
  Pacer pacer(0);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pacer.take(Pacer::Clock::time_point(), 1 << 30).count(), 0);
}

TEST(Pacer, LetsSoManyBytesASecondGo) {
  Pacer pacer(1000);
  auto now = Pacer::Clock::time_point(seconds(100));
  const auto began = now;
  std::uint64_t went = 0;
  for (int i = 0; i < 50; ++i) {
    now += pacer.take(now, 100);
    went += 100;
    const double time = std::chrono::duration<double>(now - began).count();
    EXPECT_LE(static_cast<double>(went - 100), time * 1000 + 51) << i;
  }
  EXPECT_GE(now - began, milliseconds(4800));
  EXPECT_LE(now - began, milliseconds(4901));
}

TEST(Pacer, IdleTimeIsNotSavedUp) {
  Pacer pacer(1000);
  auto now = Pacer::Clock::time_point(seconds(100));
  pacer.take(now, 100);
  now += seconds(3600);
  EXPECT_EQ(pacer.take(now, 500).count(), 0);
  EXPECT_GE(pacer.take(now, 1), milliseconds(449));
}

}  // namespace
}  // namespace tenaz::server
