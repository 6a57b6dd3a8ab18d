// What a core does while its own disk does not answer.
#include <gtest/gtest.h>

#include "tests/unit/raft/support/solo.h"

namespace tenaz::raft::test {
namespace {

using std::chrono::milliseconds;

AppendReply accepted(std::uint64_t term, std::uint64_t match) {
  AppendReply reply;
  reply.term = Term{term};
  reply.accepted = true;
  reply.match = Index{match};
  reply.last_index = Index{match};
  return reply;
}

// Elected in term 1 by nodes 2 and 3.
void lead_five(Solo& five) {
  five.wake();
  five.step(2, five.grant(1, true));
  const Output standing = five.step(3, five.grant(1, true));
  five.step(2, five.grant(1, false));
  five.step(3, five.grant(1, false));
  five.persist(five.persist(standing));
}

// Leads term 1; its no-op is durable everywhere, and an entry at 2 is not durable here.
class StalledLeader : public ::testing::Test {
 protected:
  explicit StalledLeader(std::uint64_t voting = 3) : solo(voters(voting)) {}

  void lead() {
    solo.persist(solo.lead());
    solo.step(2, accepted(1, 1));
    solo.step(3, accepted(1, 1));
    solo.core().propose(solo.now, make_payload("x"));
    solo.core().take_output();
  }
  Output stall() {
    solo.core().disk_stalled(solo.now, true);
    return solo.core().take_output();
  }
  Output pass(Duration time) {
    solo.now += time;
    solo.core().advance(solo.now);
    return solo.core().take_output();
  }

  Solo solo;
};

TEST_F(StalledLeader, HandsOverToAVoterThatHoldsMoreThanItself) {
  lead();
  solo.step(2, accepted(1, 2));
  EXPECT_TRUE(all<TimeoutNow>(stall().send_now).empty()) << "node 2 alone cannot commit";
  const auto told = solo.step(3, accepted(1, 2)).send_now;
  ASSERT_EQ(all<TimeoutNow>(told).size(), 1U);
  EXPECT_EQ(all<TimeoutNow>(told)[0].term, Term{1});
}

TEST_F(StalledLeader, StaysWhereTheOthersCannotCommitWithoutIt) {
  lead();
  stall();
  for (int i = 0; i < 30; ++i) {
    const Output out = pass(milliseconds(50));
    EXPECT_TRUE(all<TimeoutNow>(out.send_now).empty());
    for (const auto& beat : all<Heartbeat>(out.send_now)) {
      solo.step(2, HeartbeatReply{Term{1}, beat.round});
      solo.step(3, HeartbeatReply{Term{1}, beat.round});
    }
  }
  EXPECT_EQ(solo.core().role(), Role::leader) << "all disks are slow: nobody could do better";
}

TEST_F(StalledLeader, StaysWhileItHearsThatAllDisksHaveStalled) {
  lead();
  stall();
  for (int i = 0; i < 100; ++i) {
    for (const auto& beat : all<Heartbeat>(pass(milliseconds(50)).send_now)) {
      solo.step(2, HeartbeatReply{Term{1}, beat.round, {}, true});
      solo.step(3, HeartbeatReply{Term{1}, beat.round, {}, true});
    }
  }
  EXPECT_EQ(solo.core().role(), Role::leader) << "reads need no disk, and nobody could do better";
}

TEST_F(StalledLeader, StepsDownWhenNobodyTakesOver) {
  lead();
  solo.step(2, accepted(1, 2));
  solo.step(3, accepted(1, 2));
  EXPECT_EQ(all<TimeoutNow>(stall().send_now).size(), 1U);
  pass(solo.options.election_timeout_min - milliseconds(1));
  EXPECT_EQ(solo.core().role(), Role::leader);
  pass(milliseconds(1));
  EXPECT_EQ(solo.core().role(), Role::follower);
  EXPECT_EQ(solo.core().term(), Term{1}) << "the term is not over: nobody was elected";
}

// A transfer that somebody asked for must not hold it up for longer.
TEST_F(StalledLeader, ShortensATransferThatIsUnderWay) {
  solo.options.transfer_timeout = std::chrono::seconds(60);
  lead();
  ASSERT_TRUE(solo.core().transfer_leadership(solo.now, NodeId{3}));
  solo.step(2, accepted(1, 2));
  solo.step(3, accepted(1, 2));
  stall();
  pass(solo.options.election_timeout_min);
  EXPECT_EQ(solo.core().role(), Role::follower);
}

TEST_F(StalledLeader, GoesOnWhenTheDiskAnswersBeforeSomebodyTakesOver) {
  lead();
  solo.step(2, accepted(1, 2));
  solo.step(3, accepted(1, 2));
  stall();
  solo.core().disk_stalled(solo.now, false);
  pass(solo.options.election_timeout_min);
  EXPECT_EQ(solo.core().role(), Role::leader);
  EXPECT_TRUE(std::holds_alternative<Proposed>(solo.core().propose(solo.now, make_payload("y"))));
}

TEST_F(StalledLeader, OfFiveNeedsThreeOthers) {
  Solo five(voters(5));
  lead_five(five);
  for (const std::uint64_t id : {2U, 3U, 4U, 5U}) five.step(id, accepted(1, 1));
  five.core().propose(five.now, make_payload("x"));
  five.core().take_output();
  five.core().disk_stalled(five.now, true);
  five.step(2, accepted(1, 2));
  EXPECT_TRUE(all<TimeoutNow>(five.step(3, accepted(1, 2)).send_now).empty());
  EXPECT_EQ(all<TimeoutNow>(five.step(4, accepted(1, 2)).send_now).size(), 1U);
}

// Whoever was to take over turns out to have lost what it had acknowledged: it cannot lead, and another one is asked.
TEST_F(StalledLeader, AsksAnotherWhereTheFirstHasLostItsLog) {
  Solo five(voters(5));
  lead_five(five);
  for (const std::uint64_t id : {2U, 3U, 4U, 5U}) five.step(id, accepted(1, 1));
  five.core().propose(five.now, make_payload("x"));
  five.core().take_output();
  for (const std::uint64_t id : {2U, 3U, 4U, 5U}) five.step(id, accepted(1, 2));
  five.core().disk_stalled(five.now, true);
  const auto first = five.core().take_output().send_now;
  ASSERT_EQ(all<TimeoutNow>(first).size(), 1U);
  const NodeId target = all<TimeoutNow>(first)[0].target;

  AppendReply lost;
  lost.term = Term{1};
  lost.sequence = 1000;
  lost.prev_index = Index{2};
  lost.last_index = Index{1};
  Output after = five.step(target.value, lost);
  ASSERT_EQ(after.rolled_back, std::vector{target});
  const auto second = five.core().take_output().send_now;
  ASSERT_EQ(all<TimeoutNow>(second).size(), 1U);
  EXPECT_NE(all<TimeoutNow>(second)[0].target, target);
}

// Node 1 leads five, hears 2 and 3, and neither 4 nor 5: who could, with 2 and 3, commit without it.
class HearsTwoOfFour : public ::testing::Test {
 protected:
  HearsTwoOfFour() : solo(voters(5)) {
    lead_five(solo);
    solo.step(2, accepted(1, 1));
    solo.step(3, accepted(1, 1));
    solo.core().propose(solo.now, make_payload("x"));
    solo.core().take_output();
  }
  // Answers to heartbeats for so long; node 3 says that its disk has stalled, or that it has not.
  void answer_for(Duration time, bool third_stalled) {
    for (const Instant end = solo.now + time; solo.now < end;) {
      solo.now += std::min<Duration>(end - solo.now, milliseconds(50));
      solo.core().advance(solo.now);
      for (const auto& beat : all<Heartbeat>(solo.core().take_output().send_now)) {
        solo.step(2, HeartbeatReply{Term{1}, beat.round});
        solo.step(3, HeartbeatReply{Term{1}, beat.round, {}, third_stalled});
      }
    }
  }
  Solo solo;
};

TEST_F(HearsTwoOfFour, StepsDownWhenItsOwnDiskHasStalledForLong) {
  solo.core().disk_stalled(solo.now, true);
  answer_for(2 * solo.options.election_timeout_max - milliseconds(50), false);
  EXPECT_EQ(solo.core().role(), Role::leader) << "it may be a short one";
  answer_for(milliseconds(100), false);
  EXPECT_EQ(solo.core().role(), Role::follower);
}

TEST_F(HearsTwoOfFour, StepsDownWhenOneOfTheirDisksHasStalledForLong) {
  answer_for(2 * solo.options.election_timeout_max - milliseconds(50), true);
  EXPECT_EQ(solo.core().role(), Role::leader) << "it may be a short one";
  answer_for(milliseconds(100), true);
  EXPECT_EQ(solo.core().role(), Role::follower);
}

TEST_F(HearsTwoOfFour, LeadsOnWhileTheirDisksAnswerNowAndThen) {
  for (int i = 0; i < 5; ++i) {
    answer_for(2 * solo.options.election_timeout_max - milliseconds(100), true);
    answer_for(milliseconds(50), false);
  }
  EXPECT_EQ(solo.core().role(), Role::leader);
}

TEST_F(HearsTwoOfFour, LeadsOnWhileMoreBecomesDurableThere) {
  for (std::uint64_t i = 0; i < 5; ++i) {
    answer_for(2 * solo.options.election_timeout_max - milliseconds(50), true);
    solo.step(3, accepted(1, 2 + i));
    solo.core().propose(solo.now, make_payload("y"));
    solo.core().take_output();
  }
  EXPECT_EQ(solo.core().role(), Role::leader);
  answer_for(2 * solo.options.election_timeout_max - milliseconds(50), true);
  solo.step(3, accepted(1, 6));
  answer_for(milliseconds(100), true);
  EXPECT_EQ(solo.core().role(), Role::follower) << "what it confirms had been durable for long";
}

TEST(StalledFollower, DoesNotStandUntilTheDiskAnswers) {
  Solo solo(voters(3));
  solo.core().disk_stalled(solo.now, true);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(solo.wake().send_now.empty());
    EXPECT_EQ(solo.core().role(), Role::follower);
  }
  EXPECT_TRUE(solo.step(2, TimeoutNow{Term{0}, NodeId{1}}).empty());
  solo.core().disk_stalled(solo.now, false);
  EXPECT_EQ(all<VoteRequest>(solo.wake().send_now).size(), 2U);
}

// Whoever won pre-votes by it would wait for a vote that does not come.
TEST(StalledFollower, GrantsNoPreVote) {
  Solo solo(voters(3));
  const VoteRequest ask{Term{1}, Index{0}, Term{0}, true, false};
  solo.core().disk_stalled(solo.now, true);
  EXPECT_FALSE(all<VoteReply>(solo.step(2, ask).send_now).at(0).granted);
  solo.core().disk_stalled(solo.now, false);
  EXPECT_TRUE(all<VoteReply>(solo.step(2, ask).send_now).at(0).granted);
}

// It stays a member that hears its leader, and answers as far as that needs no disk.
TEST(StalledFollower, AnswersHeartbeatsAndSaysSo) {
  Solo solo(voters(3), {Term{1}, NodeId{}});
  solo.core().disk_stalled(solo.now, true);
  const auto stalled = all<HeartbeatReply>(solo.step(2, Heartbeat{Term{1}, Index{0}, 7}).send_now).at(0);
  EXPECT_EQ(stalled.round, 7U);
  EXPECT_TRUE(stalled.disk_stalled);
  solo.core().disk_stalled(solo.now, false);
  EXPECT_FALSE(all<HeartbeatReply>(solo.step(2, Heartbeat{Term{1}, Index{0}, 8}).send_now).at(0).disk_stalled);
}

}  // namespace
}  // namespace tenaz::raft::test
