#include "server/open_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "storage/options.h"

namespace tenaz::server {
namespace {

TEST(OpenFiles, PlentyLeavesTheWishAsItIs) {
  EXPECT_EQ(connections_within(1 << 20, 10'000, 3), 10'000u);
  EXPECT_EQ(connections_within(1 << 20, 5, 3), 5u);
}

TEST(OpenFiles, WhatTheDatabasesNeedIsNeverGivenToClients) {
  for (const std::uint64_t limit : {256u, 512u, 1024u, 4096u, 20'000u}) {
    const std::size_t connections = connections_within(limit, 1'000'000, 5);
    EXPECT_GE(connections, 16u) << limit;
    EXPECT_LE(connections + 3 * static_cast<std::size_t>(storage::open_tables(limit)) + 64, limit);
  }
}

TEST(OpenFiles, TooFewAreRefused) {
  EXPECT_EQ(connections_within(128, 10'000, 3), 0u);
  EXPECT_EQ(connections_within(0, 10'000, 3), 0u);
}

TEST(OpenFiles, TheSoftLimitIsRaisedToTheHardOne) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 128;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(raise_open_files(), before.rlim_max);
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
}

}  // namespace
}  // namespace tenaz::server
