#include <gtest/gtest.h>

#include "raft/membership.h"
#include "tests/unit/raft/support/solo.h"

namespace tenaz::raft::test {
namespace {

using std::chrono::milliseconds;

VoteRequest ask(std::uint64_t term, std::uint64_t last, std::uint64_t last_term, bool pre_vote = false) {
  return {Term{term}, Index{last}, Term{last_term}, pre_vote, false};
}

TEST(Election, TheOwnVoteCountsOnceItIsDurable) {
  Solo solo(voters(3));
  solo.wake();
  const Output standing = solo.step(2, solo.grant(1, true));
  ASSERT_TRUE(standing.persist && standing.persist->hard_state);
  EXPECT_EQ(*standing.persist->hard_state, (HardState{Term{1}, NodeId{1}}));
  EXPECT_TRUE(all<VoteRequest>(standing.send_now).empty());
  EXPECT_EQ(all<VoteRequest>(standing.send_when_durable).size(), 2U);
  EXPECT_EQ(standing.durable_after, standing.persist->id);
  solo.step(2, solo.grant(1, false));
  EXPECT_EQ(solo.core().role(), Role::candidate);
  solo.persist(standing);
  EXPECT_EQ(solo.core().role(), Role::leader);
}

TEST(Election, AReplyCountsOnlyForItsOwnCampaign) {
  Solo solo(voters(3));
  solo.wake();
  solo.persist(solo.step(2, solo.grant(1, true)));
  solo.wake();  // no answers: asks again
  EXPECT_EQ(solo.core().role(), Role::pre_candidate);
  solo.step(2, solo.grant(1, false));
  EXPECT_EQ(solo.core().role(), Role::pre_candidate) << "a vote is no pre-vote";
  solo.persist(solo.step(2, solo.grant(2, true)));
  ASSERT_EQ(solo.core().term(), Term{2});
  solo.step(3, solo.grant(2, true));
  EXPECT_EQ(solo.core().role(), Role::candidate) << "a pre-vote is no vote";
  solo.step(3, solo.grant(1, false));
  EXPECT_EQ(solo.core().role(), Role::candidate) << "a vote of term 1 does not count in term 2";
  VoteReply refused{Term{2}, Term{2}, false, false, {}};
  solo.step(2, refused);
  solo.step(2, solo.grant(2, false));
  EXPECT_EQ(solo.core().role(), Role::candidate) << "the first word of a voter counts";
  solo.step(3, solo.grant(2, false));
  EXPECT_EQ(solo.core().role(), Role::leader);
}

TEST(Election, AVoterCountsOnce) {
  Solo solo(voters(5));
  solo.wake();
  solo.step(2, solo.grant(1, true));
  solo.step(2, solo.grant(1, true));
  EXPECT_EQ(solo.core().role(), Role::pre_candidate);
  solo.persist(solo.step(3, solo.grant(1, true)));
  solo.step(4, solo.grant(1, false));
  solo.step(4, solo.grant(1, false));
  EXPECT_EQ(solo.core().role(), Role::candidate);
  solo.step(5, solo.grant(1, false));
  EXPECT_EQ(solo.core().role(), Role::leader);
}

// Who asks in a term that is past may be the only one whose log can win: it must learn of the later term.
TEST(Election, WhoAsksInAnOldTermIsToldOfTheLaterOne) {
  for (const bool pre_vote : {true, false}) {
    Solo later(voters(3), {Term{5}, NodeId{}});
    const auto told = all<VoteReply>(later.step(2, ask(3, 9, 2, pre_vote)).send_now);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_FALSE(told[0].granted);
    EXPECT_EQ(told[0].term, Term{5});

    Solo earlier(voters(3), {Term{2}, NodeId{}});
    earlier.wake();
    if (!pre_vote) earlier.persist(earlier.step(3, earlier.grant(3, true)));
    earlier.step(2, told[0]);
    EXPECT_EQ(earlier.core().term(), Term{5});
    earlier.wake();
    EXPECT_EQ(earlier.core().role(), Role::pre_candidate) << "and stands in it";
  }
}

TEST(Election, VotesByTermAndLogAlone) {
  Solo stranger(Configuration{voters(3).voters, {}, {}, voters(3).members}, {Term{2}, NodeId{}},
                {entry(1, 1), entry(2, 2)});
  EXPECT_FALSE(all<VoteReply>(stranger.step(2, ask(3, 5, 1)).send_now).at(0).granted) << "an older last term";
  EXPECT_FALSE(all<VoteReply>(stranger.step(2, ask(3, 1, 2)).send_now).at(0).granted) << "a shorter log";
  EXPECT_EQ(stranger.core().term(), Term{3}) << "the term is entered all the same";
  const Output granted = stranger.step(9, ask(3, 2, 2));
  ASSERT_EQ(all<VoteReply>(granted.send_when_durable).size(), 1U) << "the candidate need not be a member that it knows";
  EXPECT_TRUE(all<VoteReply>(granted.send_when_durable)[0].granted);
  EXPECT_EQ(granted.durable_after, granted.persist->id);
  EXPECT_FALSE(all<VoteReply>(stranger.step(2, ask(3, 2, 2)).send_now).at(0).granted) << "one vote per term";
}

TEST(Election, WithholdsVotesWhileItHearsALeader) {
  Solo solo(voters(3));
  solo.step(2, Heartbeat{Term{1}, Index{}, 1});
  solo.now += milliseconds(100);
  const VoteReply reply = all<VoteReply>(solo.step(3, ask(9, 9, 8)).send_now).at(0);
  EXPECT_FALSE(reply.granted);
  EXPECT_EQ(reply.trust_remaining, milliseconds(150));
  EXPECT_EQ(solo.core().term(), Term{1}) << "and does not enter the term";
  VoteRequest transfer = ask(9, 9, 8);
  transfer.transfer = true;
  EXPECT_EQ(all<VoteReply>(solo.step(3, transfer).send_when_durable).at(0).granted, true);
}

TEST(Election, ARefusalSaysWhenToAskAgain) {
  Solo solo(voters(3));
  solo.wake();
  const VoteReply refused{Term{0}, Term{1}, true, false, milliseconds(40)};
  solo.step(2, refused);
  EXPECT_LT(solo.core().deadline(), solo.now + milliseconds(42));
  EXPECT_GT(solo.core().deadline(), solo.now + milliseconds(40));
}

TEST(Election, NeitherLearnersNorStrangersStand) {
  Configuration c = voters(3);
  std::erase(c.voters, NodeId{1});
  c.learners = {NodeId{1}};
  Solo learner(c);
  EXPECT_EQ(learner.core().role(), Role::learner);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(learner.wake().empty());
  EXPECT_TRUE(learner.step(2, TimeoutNow{Term{1}, NodeId{1}}).send_when_durable.empty());
  const Output vote = learner.step(2, ask(4, 0, 0));
  EXPECT_TRUE(all<VoteReply>(vote.send_when_durable).at(0).granted) << "its vote is not its own to withhold";
}

TEST(Election, DoesNotStandWithACommittedConfigurationThatIsNotApplied) {
  Solo solo(voters(3), {Term{1}, NodeId{}});
  Entry change = entry(1, 1, encode(voters(3)));
  change.kind = EntryKind::configuration;
  const Output out = solo.step(2, append(1, 0, 0, 1, {change}));
  ASSERT_EQ(solo.persist(out).committed.size(), 1U);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(solo.wake().empty());
  solo.core().applied(solo.now, Index{1});
  EXPECT_EQ(all<VoteRequest>(solo.wake().send_now).size(), 2U);
}

TEST(Election, AJointConfigurationNeedsBothHalves) {
  Configuration joint = voters(5);
  joint.voters = {NodeId{1}, NodeId{2}, NodeId{3}};
  joint.outgoing = {NodeId{1}, NodeId{4}, NodeId{5}};
  Solo solo(joint);
  EXPECT_EQ(all<VoteRequest>(solo.wake().send_now).size(), 4U);
  solo.step(2, solo.grant(1, true));
  solo.step(3, solo.grant(1, true));
  EXPECT_EQ(solo.core().role(), Role::pre_candidate);
  solo.step(5, solo.grant(1, true));
  EXPECT_EQ(solo.core().role(), Role::candidate);
}

TEST(Election, FailedCampaignsBackOffWithinTheMaximum) {
  Solo solo(voters(3));
  std::uint64_t widest = 0;
  Start start;
  start.self = NodeId{1};
  start.configuration = voters(3);
  start.random = [&widest](std::uint64_t bound) {
    widest = bound;
    return bound - 1;
  };
  Core core(solo.options, start, solo.disk());
  Instant before = core.deadline();
  for (int i = 0; i < 8; ++i) {
    core.advance(before);
    EXPECT_LE(core.deadline() - before, solo.options.election_timeout_max);
    EXPECT_GE(core.deadline() - before, solo.options.election_timeout_min);
    before = core.deadline();
  }
  EXPECT_EQ(Duration{static_cast<std::int64_t>(widest)},
            solo.options.election_timeout_max - solo.options.election_timeout_min + Duration{1});
}

TEST(Election, TimeoutNowIsForItsTargetAlone) {
  Solo solo(voters(3));
  EXPECT_FALSE(solo.step(2, TimeoutNow{Term{1}, NodeId{3}}).persist->hard_state->vote) << "only the term is learned";
  const Output out = solo.step(2, TimeoutNow{Term{1}, NodeId{1}});
  ASSERT_EQ(all<VoteRequest>(out.send_when_durable).size(), 2U);
  EXPECT_TRUE(all<VoteRequest>(out.send_when_durable)[0].transfer);
  EXPECT_EQ(solo.core().term(), Term{2});
  EXPECT_TRUE(solo.step(2, TimeoutNow{Term{1}, NodeId{1}}).empty()) << "a late copy";
}

}  // namespace
}  // namespace tenaz::raft::test
