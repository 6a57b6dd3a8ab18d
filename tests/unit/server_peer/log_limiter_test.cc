#include "server/peer/log_limiter.h"

#include <gtest/gtest.h>

namespace tenaz::server::peer::test {
namespace {

TEST(LogLimiter, OneLinePerTextAndWindow) {
  LogLimiter limiter;
  LogLimiter::Clock::time_point now{};
  EXPECT_EQ(limiter.admit(now, "a", "x"), 0U);
  EXPECT_FALSE(limiter.admit(now, "a", "x"));
  EXPECT_FALSE(limiter.admit(now, "a", "x"));
  EXPECT_EQ(limiter.admit(now, "a", "y"), 0U);
  EXPECT_EQ(limiter.admit(now, "b", "x"), 0U);
  now += LogLimiter::kWindow + std::chrono::seconds(1);
  EXPECT_EQ(limiter.admit(now, "a", "x"), 2U);  // and says how many were held back
}

TEST(LogLimiter, ManyTextsOfOneSourceAreBounded) {
  LogLimiter limiter;
  std::size_t admitted = 0;
  for (int i = 0; i < 1000; ++i) admitted += limiter.admit({}, "a", std::to_string(i)) ? 1U : 0U;
  EXPECT_EQ(admitted, LogLimiter::kMaxTexts);
}

TEST(LogLimiter, ManySourcesAreBounded) {
  LogLimiter limiter;
  std::size_t admitted = 0;
  for (int i = 0; i < 10'000; ++i) admitted += limiter.admit({}, std::to_string(i), std::to_string(i)) ? 1U : 0U;
  EXPECT_EQ(admitted, LogLimiter::kMaxSources + LogLimiter::kMaxTexts);
}

}  // namespace
}  // namespace tenaz::server::peer::test
