// A leader's part in leases: what it concludes from promises, and when it may answer reads without a round.
#include <gtest/gtest.h>

#include "raft/membership.h"
#include "tests/unit/raft/support/solo.h"

namespace tenaz::raft::test {
namespace {

using std::chrono::milliseconds;

constexpr Duration kPromise = milliseconds(250);

class LeaderLease : public ::testing::Test {
 protected:
  static Configuration configuration(std::uint64_t n) {
    Configuration on = voters(n);
    on.lease_reads = true;
    return on;
  }
  // Node 1 leads term 1 and has committed its no-op.
  void lead(Solo& solo) {
    solo.lead();
    lead_on(solo);
  }
  // The same, by two votes.
  void elect(Solo& solo, std::uint64_t one, std::uint64_t other) {
    solo.wake();
    solo.step(one, solo.grant(1, true));
    solo.persist(solo.step(other, solo.grant(1, true)));
    solo.step(one, solo.grant(1, false));
    solo.step(other, solo.grant(1, false));
    ASSERT_EQ(solo.core().role(), Role::leader);
    lead_on(solo);
  }
  void lead_on(Solo& solo) {
    for (const Member& member : solo.core().configuration().members)
      if (member.id != NodeId{1}) acknowledge(solo, member.id.value);
    ASSERT_TRUE(solo.core().status().read_ready);
  }
  void acknowledge(Solo& solo, std::uint64_t from) {
    AppendReply reply;
    reply.term = solo.core().term();
    reply.sequence = 1;
    reply.accepted = true;
    reply.match = reply.last_index = solo.core().last_index();
    solo.step(from, reply);
  }
  // The next round of heartbeats leaves. Returns its number.
  std::uint64_t beat(Solo& solo) {
    // Other deadlines may come first.
    for (int i = 0; i < 3; ++i)
      if (const auto beats = all<Heartbeat>(solo.wake().send_now); !beats.empty()) return beats[0].round;
    ADD_FAILURE() << "no heartbeat";
    return 0;
  }
  Output promise(Solo& solo, std::uint64_t from, std::uint64_t round, Duration length = kPromise) {
    return solo.step(from, HeartbeatReply{solo.core().term(), round, length});
  }
  // Whether a read is answered without a round.
  bool reads_at_once(Solo& solo) {
    const ReadId id{++reads_};
    EXPECT_FALSE(solo.core().read(solo.now, id));
    const Output out = solo.core().take_output();
    if (out.reads_confirmed.empty()) return false;
    EXPECT_EQ(out.reads_confirmed.size(), 1U);
    EXPECT_EQ(out.reads_confirmed[0].id, id);
    EXPECT_EQ(out.reads_confirmed[0].index, solo.core().commit());
    EXPECT_TRUE(out.reads_confirmed[0].by_lease);
    EXPECT_TRUE(out.send_now.empty()) << "nobody needs to be asked";
    return true;
  }

  Solo solo{configuration(3)};
  std::uint64_t reads_ = 0;
};

TEST_F(LeaderLease, AnswersReadsUntilANinthTenthOfThePromiseSinceTheRoundWasSent) {
  lead(solo);
  EXPECT_FALSE(reads_at_once(solo)) << "nobody has promised anything";
  const std::uint64_t round = beat(solo);
  const Instant sent = solo.now;
  solo.now += milliseconds(100);  // on its way there and back
  promise(solo, 2, round);
  EXPECT_EQ(solo.core().status().lease, sent + milliseconds(225));
  EXPECT_TRUE(reads_at_once(solo));
  solo.now = sent + milliseconds(225) - Duration{1};
  EXPECT_TRUE(reads_at_once(solo));
  solo.now = sent + milliseconds(225);
  EXPECT_FALSE(reads_at_once(solo)) << "whoever was paused until now comes too late";
}

TEST_F(LeaderLease, OldAndRepeatedAnswersNeverLengthenIt) {
  lead(solo);
  const std::uint64_t round = beat(solo);
  const Instant sent = solo.now;
  promise(solo, 2, round);
  solo.now += milliseconds(40);
  beat(solo);
  solo.now += milliseconds(150);
  promise(solo, 2, round);
  promise(solo, 3, round);
  promise(solo, 2, 0);
  promise(solo, 2, round + 5);  // that never was
  EXPECT_EQ(solo.core().status().lease, sent + milliseconds(225));
  solo.now = sent + milliseconds(226);
  EXPECT_FALSE(reads_at_once(solo));
}

TEST_F(LeaderLease, TheShortestPromiseOfTheBestQuorumCounts) {
  Solo five(configuration(5));
  elect(five, 2, 3);
  const std::uint64_t round = beat(five);
  const Instant sent = five.now;
  promise(five, 2, round, milliseconds(500));
  EXPECT_FALSE(reads_at_once(five)) << "two of five";
  promise(five, 3, round, milliseconds(100));
  EXPECT_EQ(five.core().status().lease, sent + milliseconds(90));
  promise(five, 4, round, milliseconds(200));
  EXPECT_EQ(five.core().status().lease, sent + milliseconds(180));
  // No promise can make it longer than any election timeout.
  promise(five, 2, round, Duration::max());
  promise(five, 3, round, Duration::max());
  EXPECT_EQ(five.core().status().lease, sent + std::chrono::minutes(9));
}

TEST_F(LeaderLease, NeedsAnEntryCommittedInItsTerm) {
  solo.lead();
  promise(solo, 2, beat(solo));
  EXPECT_FALSE(reads_at_once(solo));
  acknowledge(solo, 2);
  acknowledge(solo, 3);
  EXPECT_TRUE(reads_at_once(solo));
}

TEST_F(LeaderLease, IsUsedOnlyWhileTheSettingIsOn) {
  Solo plain(voters(3));
  lead(plain);
  promise(plain, 2, beat(plain));
  EXPECT_FALSE(plain.core().status().lease);
  EXPECT_FALSE(reads_at_once(plain));

  lead(solo);
  promise(solo, 2, beat(solo));
  ASSERT_TRUE(reads_at_once(solo));
  ASSERT_TRUE(std::holds_alternative<Proposed>(solo.core().change_membership(solo.now, SetLeaseReads{false})));
  EXPECT_FALSE(solo.core().status().lease);
  const ReadId id{1000};
  solo.core().read(solo.now, id);
  const Output out = solo.core().take_output();
  EXPECT_TRUE(out.reads_confirmed.empty()) << "in force from when it is appended";
  EXPECT_FALSE(all<Heartbeat>(out.send_now).empty());
}

TEST_F(LeaderLease, APromiseOfALearnerOrOfADiskThatWentBackDoesNotCount) {
  Configuration members = configuration(4);
  members.voters.pop_back();
  members.learners = {NodeId{4}};
  Solo leader(members);
  lead(leader);
  const std::uint64_t round = beat(leader);
  promise(leader, 4, round);
  EXPECT_FALSE(reads_at_once(leader));

  lead(solo);
  AppendReply shorter;
  shorter.term = Term{1};
  shorter.sequence = 1'000;
  shorter.prev_index = Index{1};
  const std::uint64_t later = beat(solo);
  promise(solo, 2, later);
  ASSERT_TRUE(reads_at_once(solo));
  const Output out = solo.step(2, shorter);
  ASSERT_EQ(out.rolled_back.size(), 1U);
  EXPECT_FALSE(reads_at_once(solo));
}

TEST_F(LeaderLease, AJointConfigurationNeedsBothHalves) {
  // Node 4 is about to take the place of node 3: the joint configuration is appended, and not committed.
  Configuration learning = configuration(4);
  learning.voters = {NodeId{1}, NodeId{2}, NodeId{3}};
  learning.learners = {NodeId{4}};
  learning.members.back().promote = true;
  learning.members.back().replaces = NodeId{3};
  Solo leader(learning);
  lead(leader);
  for (int i = 0; i < 20 && !leader.core().configuration().joint(); ++i) {
    const std::uint64_t round = beat(leader);
    leader.step(4, HeartbeatReply{leader.core().term(), round, {}});
  }
  ASSERT_TRUE(leader.core().configuration().joint());
  ASSERT_EQ(leader.core().configuration().outgoing, learning.voters);
  const std::uint64_t round = beat(leader);
  promise(leader, 4, round);
  EXPECT_FALSE(reads_at_once(leader)) << "the new half alone";
  promise(leader, 3, round);
  EXPECT_TRUE(reads_at_once(leader));
}

TEST_F(LeaderLease, IsGivenUpForTheTermBeforeTimeoutNowLeaves) {
  lead(solo);
  promise(solo, 2, beat(solo));
  ASSERT_TRUE(solo.core().transfer_leadership(solo.now, NodeId{3}));
  EXPECT_TRUE(solo.core().status().lease > solo.now);
  // 3 holds everything: it is told to stand with the next output.
  const Output out = solo.core().take_output();
  ASSERT_EQ(all<TimeoutNow>(out.send_now).size(), 1U);
  EXPECT_FALSE(reads_at_once(solo));
  // Nothing comes of it. It may arrive at any later time all the same, and make 3 a candidate that voters do not
  // refuse.
  const Instant given_up = solo.now + solo.options.transfer_timeout;
  while (solo.now < given_up + milliseconds(500)) {
    const std::uint64_t round = beat(solo);
    promise(solo, 2, round);
    promise(solo, 3, round);
    EXPECT_FALSE(reads_at_once(solo));
  }
  ASSERT_EQ(solo.core().status().transfer_target, NodeId{});
  ASSERT_EQ(solo.core().role(), Role::leader);
}

TEST_F(LeaderLease, EndsWithTheLeadership) {
  lead(solo);
  promise(solo, 2, beat(solo));
  ASSERT_TRUE(reads_at_once(solo));
  solo.step(3, HeartbeatReply{Term{5}, 0});
  EXPECT_TRUE(solo.core().read(solo.now, ReadId{77}).has_value());
  EXPECT_FALSE(solo.core().status().lease);
}

TEST_F(LeaderLease, AnotherTermBeginsWithoutOne) {
  lead(solo);
  const std::uint64_t round = beat(solo);
  promise(solo, 2, round);
  solo.step(3, HeartbeatReply{Term{5}, 0});
  solo.persist(solo.core().take_output());
  lead(solo);
  EXPECT_FALSE(reads_at_once(solo));
  // An answer of the term before, to a round of the same number.
  solo.step(2, HeartbeatReply{Term{1}, round, kPromise});
  EXPECT_FALSE(reads_at_once(solo));
}

TEST_F(LeaderLease, ANodeAloneHoldsItAlways) {
  Solo alone(configuration(1));
  for (Output out = alone.wake(); out.persist;) out = alone.persist(out);
  ASSERT_TRUE(alone.core().status().read_ready);
  alone.now += std::chrono::hours(1);
  EXPECT_TRUE(reads_at_once(alone));
}

}  // namespace
}  // namespace tenaz::raft::test
