#include "raft/describe.h"

#include <gtest/gtest.h>

#include "tests/unit/raft/support/solo.h"

namespace tenaz::raft::test {
namespace {

TEST(Describe, EveryMessageHasItsLine) {
  EXPECT_EQ(describe(Message{VoteRequest{Term{2}, Index{5}, Term{1}, true, false}}), "PreVoteRequest t2 last=5@t1");
  EXPECT_EQ(describe(Message{VoteRequest{Term{2}, Index{5}, Term{1}, false, true}}),
            "VoteRequest t2 last=5@t1 transfer");
  EXPECT_EQ(describe(Message{VoteReply{Term{2}, Term{2}, false, true, {}}}), "VoteReply t2 for=t2 granted");
  EXPECT_EQ(describe(Message{append(3, 4, 2, 1, {entry(5, 3, "abc")})}),
            "Append t3 #1 prev=4@t2 commit=1 [5@t3 commands(3)]");
  EXPECT_EQ(describe(Message{Heartbeat{Term{1}, Index{2}, 3}}), "Heartbeat t1 round=3 commit=2");
  EXPECT_EQ(describe(Message{InstallSnapshotFailed{Term{1}, Index{2}}}), "InstallSnapshotFailed t1 at=2");
  EXPECT_EQ(describe(Message{TimeoutNow{Term{1}, NodeId{2}}}), "TimeoutNow t1 target=2");
}

TEST(Describe, ConfigurationsShowWhoCounts) {
  Configuration c = voters(3);
  EXPECT_EQ(describe(c), "voters={1 2 3}");
  c.outgoing = {NodeId{1}};
  c.learners = {NodeId{9}};
  EXPECT_EQ(describe(c), "voters={1 2 3} outgoing={1} learners={9}");
}

TEST(Describe, AnEmptyOutputIsEmpty) {
  EXPECT_EQ(describe(Output{}), "");
}

}  // namespace
}  // namespace tenaz::raft::test
