#include "config/units.h"

#include <gtest/gtest.h>

namespace tenaz::config {
namespace {

using namespace std::chrono_literals;

TEST(Units, DurationsAreReadInEveryUnit) {
  EXPECT_EQ(parse_duration("7ns"), 7ns);
  EXPECT_EQ(parse_duration("7us"), 7us);
  EXPECT_EQ(parse_duration("50ms"), 50ms);
  EXPECT_EQ(parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_duration("0.1s"), 100ms);
  EXPECT_EQ(parse_duration("2m"), 2min);
  EXPECT_EQ(parse_duration("8760h"), 8760h);
  EXPECT_EQ(parse_duration("0s"), 0s);
}

TEST(Units, SizesAreReadInEveryUnit) {
  EXPECT_EQ(parse_size("0B"), 0U);
  EXPECT_EQ(parse_size("12B"), 12U);
  EXPECT_EQ(parse_size("64KiB"), 64U << 10);
  EXPECT_EQ(parse_size("1.5MiB"), 3U << 19);
  EXPECT_EQ(parse_size("3GiB"), 3ULL << 30);
  EXPECT_EQ(parse_size("1024TiB"), 1ULL << 50);
}

TEST(Units, AnythingElseIsRefused) {
  for (const char* text : {"", "50", "ms", "-1s", "-0s", "+1s", "50 ms", " 50ms", "50ms ", "50MS", "1e3s", "0x10s",
                           "nans", "infs", "1..5s", "8761h", "99999999999999999999h", "1m30s", "50d"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
  for (const char* text : {"", "64", "MiB", "-1B", "64MB", "64M", "64mib", "1025TiB", "1 MiB", "nanB", "1e3KiB"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Units, WhatIsWrittenReadsBackTheSame) {
  for (const auto value : {0ns, 1ns, 999ns, 50'000'000ns, 1'500'000'000ns, 60'000'000'000ns, 5'400'000'000'000ns}) {
    EXPECT_EQ(parse_duration(format_duration(value)), value) << format_duration(value);
  }
  for (const std::uint64_t bytes : {0ULL, 1ULL, 1023ULL, 1024ULL, 1ULL << 20, 3ULL << 29, (1ULL << 40) + 1}) {
    EXPECT_EQ(parse_size(format_size(bytes)), bytes) << format_size(bytes);
  }
  EXPECT_EQ(format_duration(1500ms), "1500ms");
  EXPECT_EQ(format_duration(120s), "2m");
  EXPECT_EQ(format_size(65536), "64KiB");
}

}  // namespace
}  // namespace tenaz::config
