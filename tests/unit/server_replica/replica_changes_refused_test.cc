// The host loop: changes of the membership that clients of this node wait for.
#include "tests/unit/server_replica/support.h"

namespace tenaz::server {
namespace {

using raft::ChangeRefusal;

class ChangeRefusals : public ReplicaTest {
 protected:
  void ask(raft::MembershipChange change, milliseconds timeout = std::chrono::seconds(30)) {
    replica->change_membership(now, std::move(change), now + timeout, [this](const ChangeResult& result) {
      EXPECT_FALSE(answered) << "answered twice";
      answered = result;
    });
    replica->carry_out(now);
  }
  ChangeRefusal refusal() const {
    return answered && std::holds_alternative<ChangeRefusal>(answered->fault) ? std::get<ChangeRefusal>(answered->fault)
                                                                              : ChangeRefusal::not_leader;
  }
  std::optional<ChangeResult> answered;
};

TEST_F(ChangeRefusals, ALeaderNamesWhoDoesNotAnswer) {
  lead_of_three();
  ask(raft::RemoveMember{NodeId{2}});
  EXPECT_FALSE(answered) << "a leader that is new may yet hear of node 3";
  pass(milliseconds(100));
  EXPECT_FALSE(answered);
  for (int i = 0; i < 20 && !answered; ++i) {
    acknowledge(2);
    pass(milliseconds(100));
  }
  ASSERT_TRUE(answered);
  EXPECT_EQ(refusal(), ChangeRefusal::would_lose_quorum);
  EXPECT_TRUE(answered->not_applied);
  EXPECT_EQ(answered->detail, "the voters would be 1, 3: of these 1 answer, and 2 are needed; no answer from 3");
  EXPECT_EQ(answered->configuration.voters.size(), 3u);
}

TEST_F(ChangeRefusals, ALeaderThatHearsOfThemInTimeGoesOn) {
  lead_of_three();
  ask(raft::RemoveMember{NodeId{2}});
  EXPECT_FALSE(answered);
  acknowledge(3);
  for (int i = 0; i < 20 && !answered; ++i) {
    pass(milliseconds(50));
    acknowledge(2);
    acknowledge(3);
  }
  ASSERT_TRUE(answered);
  EXPECT_TRUE(answered->done()) << answered->detail;
  EXPECT_EQ(answered->configuration.retired, std::vector<NodeId>{NodeId{2}});
  EXPECT_EQ(answered->configuration_index, Index{3}) << "2 is joint";
}

TEST_F(ChangeRefusals, TheRefusalComesBeforeTheDeadlineDoes) {
  lead_of_three();
  ask(raft::RemoveMember{NodeId{2}}, milliseconds(50));
  ASSERT_TRUE(answered);
  EXPECT_EQ(refusal(), ChangeRefusal::would_lose_quorum);
}

TEST_F(ChangeRefusals, AFollowerPassesTheLeadersReasonOn) {
  start(3);
  heartbeat(2, 1);
  ask(raft::PromoteMember{NodeId{3}});
  const auto asked = transport.take<ChangeRequest>();
  ASSERT_EQ(asked.size(), 1u);
  replica->on_message(now, NodeId{2},
                      ChangeReply{asked[0].boot, asked[0].id, ChangeRefusal::not_caught_up, "it lacks this and that"});
  replica->carry_out(now);
  ASSERT_TRUE(answered);
  EXPECT_EQ(refusal(), ChangeRefusal::not_caught_up);
  EXPECT_EQ(answered->detail, "it lacks this and that");
}

TEST_F(ChangeRefusals, ALeaderTellsAFollowerWhy) {
  lead_of_three();
  replica->on_message(now, NodeId{2}, ChangeRequest{7, 8, raft::RemoveMember{NodeId{2}}});
  replica->carry_out(now);
  const auto replies = transport.take<ChangeReply>();
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(std::get<ChangeRefusal>(replies[0].result), ChangeRefusal::would_lose_quorum);
  EXPECT_TRUE(replies[0].detail.ends_with("no answer from 3")) << replies[0].detail;
}

TEST_F(ChangeRefusals, WhatWasAskedIsNotAskedAgain) {
  start(3);
  heartbeat(2, 1);
  ask(raft::RemoveMember{NodeId{3}}, milliseconds(500));
  EXPECT_EQ(transport.take<ChangeRequest>().size(), 1u);
  for (int i = 0; i < 5; ++i) {
    heartbeat(2, 1);
    pass(milliseconds(100));
  }
  EXPECT_EQ(transport.take<ChangeRequest>().size(), 0u);
  ASSERT_TRUE(answered);
  EXPECT_EQ(std::get<Failure>(answered->fault), Failure::timeout);
  EXPECT_FALSE(answered->not_applied) << "the leader may have appended it";
}

TEST_F(ChangeRefusals, WhoAskedANodeToRemoveItselfIsAnswered) {
  start(3);
  heartbeat(2, 1);
  ask(raft::RemoveMember{NodeId{1}});
  ASSERT_EQ(transport.take<ChangeRequest>().size(), 1u);
  replica->on_removed();
  ASSERT_TRUE(answered);
  EXPECT_TRUE(answered->done());
  EXPECT_EQ(answered->configuration.voters, (std::vector{NodeId{2}, NodeId{3}}));
  EXPECT_EQ(answered->configuration.retired, std::vector{NodeId{1}});
  EXPECT_EQ(answered->configuration.members.size(), 2u);
}

// Such a one was added, and has yet to get the entry that says so.
TEST_F(ChangeRefusals, WhoDoesNotKnowOfItsAdditionKnowsOfItsRemoval) {
  start(3, 2);
  heartbeat(2, 1);
  ask(raft::RemoveMember{NodeId{1}});
  ASSERT_EQ(transport.take<ChangeRequest>().size(), 1u);
  replica->on_removed();
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->configuration.retired, std::vector{NodeId{1}});
}

TEST_F(ChangeRefusals, OtherChangesAreLeftOpenByARemoval) {
  start(3);
  heartbeat(2, 1);
  ask(raft::RemoveMember{NodeId{3}});
  replica->on_removed();
  EXPECT_FALSE(answered);
  replica->stop(now);
  ASSERT_TRUE(answered);
  EXPECT_EQ(std::get<Failure>(answered->fault), Failure::stopping);
}

}  // namespace
}  // namespace tenaz::server
