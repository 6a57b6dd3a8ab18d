// A voter's part in leases: what it promises, and that it keeps it whatever comes.
#include <gtest/gtest.h>

#include "raft/membership.h"
#include "tests/unit/raft/support/solo.h"

namespace tenaz::raft::test {
namespace {

using std::chrono::milliseconds;

Configuration with_leases(std::uint64_t n) {
  Configuration configuration = voters(n);
  configuration.lease_reads = true;
  return configuration;
}

class Promise : public ::testing::Test {
 protected:
  // Node 1 of three follows node 2 in term 1, and has promised something just now.
  void follow() {
    const Output out = solo.step(2, Heartbeat{Term{1}, Index{}, 1});
    ASSERT_TRUE(out.persist && out.persist->hard_state);
    EXPECT_EQ(out.persist->hard_state->promise, solo.options.election_timeout_min);
    EXPECT_TRUE(all<HeartbeatReply>(out.send_now).empty()) << "it would not remember";
    const auto answers = all<HeartbeatReply>(out.send_when_durable);
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers[0].promise, solo.options.election_timeout_min);
    solo.persist(out);
  }
  VoteReply ask(std::uint64_t from, std::uint64_t term, bool pre_vote, bool transfer = false) {
    const Output out = solo.step(from, VoteRequest{Term{term}, Index{9}, Term{9}, pre_vote, transfer});
    for (const auto* messages : {&out.send_now, &out.send_when_durable})
      if (const auto replies = all<VoteReply>(*messages); !replies.empty()) return replies[0];
    ADD_FAILURE() << "no answer";
    return {};
  }

  Solo solo{with_leases(3)};
};

TEST_F(Promise, OnlyWhileTheSettingIsOn) {
  Solo plain(voters(3));
  const Output out = plain.step(2, Heartbeat{Term{1}, Index{}, 1});
  EXPECT_EQ(out.persist->hard_state->promise, Duration::zero());
  EXPECT_EQ(all<HeartbeatReply>(out.send_when_durable).at(0).promise, Duration::zero());
  follow();
  // It costs a write once, not every time.
  const Output again = solo.step(2, Heartbeat{Term{1}, Index{}, 2});
  EXPECT_FALSE(again.persist);
  EXPECT_EQ(all<HeartbeatReply>(again.send_now).at(0).promise, solo.options.election_timeout_min);
}

TEST_F(Promise, IsKeptThoughNoLeaderIsKnownAnyMore) {
  follow();
  solo.now += milliseconds(100);
  // An answer to nobody, of a later term: trust in the leader is gone, the promise is not.
  solo.step(3, HeartbeatReply{Term{7}, 0});
  ASSERT_EQ(solo.core().leader(), NodeId{});
  for (const bool pre_vote : {true, false}) {
    const VoteReply reply = ask(3, 8, pre_vote);
    EXPECT_FALSE(reply.granted);
    EXPECT_EQ(reply.trust_remaining, milliseconds(150)) << "when to ask again";
    EXPECT_EQ(solo.core().term(), Term{7}) << "nor is the term let in";
  }
  solo.now += milliseconds(149);
  EXPECT_FALSE(ask(3, 8, false).granted);
  solo.now += milliseconds(1);
  EXPECT_TRUE(ask(3, 8, true).granted);
  EXPECT_TRUE(ask(3, 8, false).granted);
}

TEST_F(Promise, BindsOnlyAgainstOthers) {
  follow();
  solo.step(3, HeartbeatReply{Term{7}, 0});
  EXPECT_TRUE(ask(2, 8, true).granted) << "the very leader that it was given to";
}

TEST_F(Promise, KeepsItsGiverFromStanding) {
  follow();
  const Instant promised = solo.now + milliseconds(250);
  // A vote of its own came to nothing long ago, and the voter says that it may soon be asked again.
  VoteReply late;
  late.term = Term{7};
  late.campaign_term = Term{1};
  late.trust_remaining = milliseconds(10);
  solo.step(3, late);
  ASSERT_LT(solo.core().deadline(), promised);
  Output out = solo.wake();
  EXPECT_LT(solo.now, promised);
  EXPECT_TRUE(all<VoteRequest>(out.send_now).empty());
  EXPECT_GE(solo.core().deadline(), promised);
  out = solo.wake();
  EXPECT_FALSE(all<VoteRequest>(out.send_now).empty()) << "but afterwards it stands";
}

TEST_F(Promise, GivesWayToATransfer) {
  follow();
  EXPECT_TRUE(ask(3, 2, false, true).granted);
  Solo target{with_leases(3)};
  target.persist(target.step(2, Heartbeat{Term{1}, Index{}, 1}));
  target.step(2, TimeoutNow{Term{1}, NodeId{1}});
  EXPECT_EQ(target.core().role(), Role::candidate);
}

TEST_F(Promise, IsKeptWhenTheSettingIsTurnedOff) {
  follow();
  Entry off{Term{1}, Index{1}, EntryKind::configuration, make_payload(encode(voters(3)))};
  Output out = solo.step(2, append(1, 0, 0, 0, {off}));
  solo.persist(out);
  EXPECT_EQ(all<HeartbeatReply>(solo.step(2, Heartbeat{Term{1}, Index{}, 2}).send_now).at(0).promise, Duration::zero());
  solo.step(3, HeartbeatReply{Term{7}, 0});
  EXPECT_FALSE(ask(3, 8, false).granted);
  solo.now += milliseconds(250);
  // Only then is it forgotten.
  out = solo.step(2, Heartbeat{Term{7}, Index{}, 3});
  ASSERT_TRUE(out.persist && out.persist->hard_state);
  EXPECT_EQ(out.persist->hard_state->promise, Duration::zero());
}

TEST(PromiseAfterARestart, IsWaitedOutAsLongAsItCanHaveBeen) {
  for (const bool on : {true, false}) {
    Solo solo(on ? with_leases(3) : voters(3), HardState{Term{4}, NodeId{}, milliseconds(400)});
    const Instant started = solo.now;
    solo.core();
    const VoteRequest request{Term{9}, Index{9}, Term{9}, false, false};
    solo.now = started + milliseconds(399);
    for (std::uint64_t candidate : {2U, 3U}) {
      const Output out = solo.step(candidate, request);
      EXPECT_FALSE(all<VoteReply>(out.send_now).at(0).granted) << "to whom, it has forgotten";
    }
    solo.now = started + milliseconds(400);
    EXPECT_TRUE(all<VoteReply>(solo.step(3, request).send_when_durable).at(0).granted);
  }
}

TEST(PromiseAfterARestart, ANodeAloneWaitsToo) {
  Solo solo(with_leases(1), HardState{Term{4}, NodeId{}, milliseconds(400)});
  const Instant started = solo.now;
  solo.core();
  Output out = solo.wake();
  EXPECT_FALSE(out.persist) << "it does not stand";
  out = solo.wake();
  EXPECT_GE(solo.now, started + milliseconds(400));
  solo.persist(out);
  EXPECT_EQ(solo.core().role(), Role::leader);
}

// Options may have become smaller: the next restart has to wait less, once nothing longer can be owed.
TEST(PromiseAfterARestart, WhatIsRememberedShrinksOnceTheLongerOnesAreOver) {
  Solo solo(with_leases(3), HardState{Term{4}, NodeId{}, milliseconds(400)});
  const Instant started = solo.now;
  Output out = solo.step(2, Heartbeat{Term{4}, Index{}, 1});
  EXPECT_FALSE(out.persist);
  EXPECT_EQ(all<HeartbeatReply>(out.send_now).at(0).promise, milliseconds(250));
  solo.now = started + milliseconds(399);
  EXPECT_FALSE(solo.step(2, Heartbeat{Term{4}, Index{}, 2}).persist);
  solo.now = started + milliseconds(400);
  out = solo.step(2, Heartbeat{Term{4}, Index{}, 3});
  ASSERT_TRUE(out.persist);
  EXPECT_EQ(out.persist->hard_state->promise, milliseconds(250));
}

}  // namespace
}  // namespace tenaz::raft::test
