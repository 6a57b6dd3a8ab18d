#include "raft/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenaz::raft {
namespace {

using testing::HasSubstr;

TEST(Options, DefaultsAreFine) {
  EXPECT_THAT(Options{}.check(), testing::IsEmpty());
}

TEST(Options, AllFaultsAreNamedAtOnce) {
  Options options;
  options.heartbeat_interval = {};
  options.election_timeout_max = options.election_timeout_min;
  options.max_inflight_appends = 0;
  EXPECT_THAT(options.check(), testing::UnorderedElementsAre(HasSubstr("raft.heartbeat_interval"),
                                                             HasSubstr("raft.election_timeout_max"),
                                                             HasSubstr("raft.max_inflight_appends")));
}

}  // namespace
}  // namespace tenaz::raft
