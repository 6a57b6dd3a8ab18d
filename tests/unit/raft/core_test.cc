#include "raft/core.h"

#include <gtest/gtest.h>

#include "raft/membership.h"
#include "tests/unit/raft/support/solo.h"

namespace tenaz::raft::test {
namespace {

TEST(Core, KnowsItsTerm) {
  Solo solo(voters(3), {Term{5}, NodeId{2}});
  EXPECT_EQ(solo.core().term(), Term{5});
  EXPECT_EQ(solo.core().status().voted_for, NodeId{2});
  EXPECT_EQ(term_of(Message{TimeoutNow{Term{7}, NodeId{1}}}), Term{7});
}

// The sender may lead again, in the very term that the answer carries: its rounds and sequences must not be echoed.
TEST(Core, AnAnswerToAnOldTermConfirmsNothing) {
  Solo solo(voters(3), {Term{5}, NodeId{}});
  const Output beat = solo.step(2, Heartbeat{Term{4}, Index{}, 36});
  ASSERT_EQ(all<HeartbeatReply>(beat.send_now).size(), 1U);
  EXPECT_EQ(all<HeartbeatReply>(beat.send_now)[0].term, Term{5});
  EXPECT_EQ(all<HeartbeatReply>(beat.send_now)[0].round, 0U);
  AppendRequest old = append(4, 0, 0, 0, {});
  old.sequence = 12;
  const Output refused = solo.step(2, old);
  ASSERT_EQ(all<AppendReply>(refused.send_now).size(), 1U);
  EXPECT_FALSE(all<AppendReply>(refused.send_now)[0].accepted);
  EXPECT_EQ(all<AppendReply>(refused.send_now)[0].sequence, 0U);
}

TEST(Core, WhatWaitedForTheDiskIsForgottenWithItsTerm) {
  Solo solo(voters(3), {Term{1}, NodeId{}});
  solo.core().step(solo.now, NodeId{2}, append(1, 0, 0, 0, {entry(1, 1)}));
  solo.core().step(solo.now, NodeId{3}, append(2, 0, 0, 0, {entry(1, 2)}));
  const Output out = solo.core().take_output();
  ASSERT_EQ(out.send_when_durable.size(), 1U) << "nothing is acknowledged to the leader of term 1";
  EXPECT_EQ(out.send_when_durable[0].to, NodeId{3});
  EXPECT_EQ(out.durable_after, out.persist->id);
}

TEST(Core, HandsOutAtMostTwoBatches) {
  Solo solo(voters(3), {Term{1}, NodeId{}});
  solo.options.max_apply_bytes = 1;
  const Output out = solo.step(2, append(1, 0, 0, 4, {entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1)}));
  EXPECT_TRUE(out.committed.empty()) << "not before it is durable here";
  EXPECT_EQ(solo.persist(out).committed.size(), 1U);
  EXPECT_EQ(solo.core().take_output().committed.size(), 1U);
  EXPECT_TRUE(solo.core().take_output().committed.empty());
  solo.core().applied(solo.now, Index{1});
  EXPECT_EQ(solo.core().take_output().committed.at(0).index, Index{3});
}

TEST(Core, ConfigurationsTakeEffectWhenAppendedAndGoWhenTruncated) {
  Solo solo(voters(3), {Term{1}, NodeId{}});
  Entry change = entry(1, 1, encode(voters(5)));
  change.kind = EntryKind::configuration;
  solo.step(2, append(1, 0, 0, 0, {change}));
  EXPECT_EQ(solo.core().configuration(), voters(5));
  EXPECT_EQ(solo.core().configuration_at(Index{1}), (std::pair{voters(5), Index{1}}));
  EXPECT_EQ(solo.core().configuration_at(Index{0}), (std::pair{voters(3), Index{0}}));
  solo.step(3, append(2, 0, 0, 0, {entry(1, 2)}));
  EXPECT_EQ(solo.core().configuration(), voters(3));
}

TEST(CoreDeathTest, TwoLeadersInATermStopTheProcess) {
  Solo solo(voters(3), {Term{1}, NodeId{}});
  solo.step(2, Heartbeat{Term{1}, Index{}, 1});
  EXPECT_DEATH(solo.step(3, Heartbeat{Term{1}, Index{}, 1}), "two leaders in one term");
}

}  // namespace
}  // namespace tenaz::raft::test
