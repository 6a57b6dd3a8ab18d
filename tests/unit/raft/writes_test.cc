#include "raft/writes.h"

#include <gtest/gtest.h>

namespace tenaz::raft {
namespace {

TEST(Writes, AReportVouchesForAllBeforeIt) {
  Writes writes;
  writes.issue(Index{3}, HardState{Term{1}, NodeId{2}});
  writes.issue(Index{5}, std::nullopt);
  EXPECT_EQ(writes.covering(Index{3}), WriteId{1});
  EXPECT_EQ(writes.covering(Index{4}), WriteId{2});
  EXPECT_EQ(writes.covering(Index{6}), WriteId{});
  EXPECT_EQ(writes.covering_hard_state(), WriteId{1});
  const Writes::Durable durable = writes.persisted(WriteId{2});
  EXPECT_EQ(durable.last, Index{5});
  EXPECT_EQ(durable.hard_state, (HardState{Term{1}, NodeId{2}}));
  EXPECT_EQ(writes.covering_hard_state(), WriteId{});
  EXPECT_EQ(writes.persisted(WriteId{1}).last, Index{}) << "an old report says nothing";
}

// Entry 5 of term 2 is on its way to the disk when it is replaced by entry 5 of term 4.
TEST(Writes, ALateReportDoesNotCountForWhatReplacedItsEntry) {
  Writes writes;
  writes.issue(Index{5}, std::nullopt);
  writes.truncate(Index{5});
  EXPECT_EQ(writes.issue(Index{5}, std::nullopt), WriteId{2});
  EXPECT_EQ(writes.covering(Index{5}), WriteId{2});
  EXPECT_EQ(writes.persisted(WriteId{1}).last, Index{4});
  EXPECT_EQ(writes.persisted(WriteId{2}).last, Index{5});
}

TEST(WritesDeathTest, AnIdThatWasNeverIssuedStopsTheProcess) {
  Writes writes;
  EXPECT_DEATH(writes.persisted(WriteId{1}), "never asked for");
}

}  // namespace
}  // namespace tenaz::raft
