#include <gtest/gtest.h>

#include "tests/unit/raft/support/solo.h"

namespace tenaz::raft::test {
namespace {

// Its own log is longer than what the append verifies: the rest may be another leader's.
TEST(Follower, CommitsNoFurtherThanTheAppendVerified) {
  Solo solo(voters(3), {Term{1}, NodeId{}}, {entry(1, 1), entry(2, 1), entry(3, 1)});
  solo.step(2, append(2, 1, 1, 3, {}));
  EXPECT_EQ(solo.core().commit(), Index{1});
  solo.step(2, append(2, 1, 1, 3, {entry(2, 1)}));
  EXPECT_EQ(solo.core().commit(), Index{2});
  EXPECT_EQ(solo.core().last_index(), Index{3}) << "nothing differs, nothing goes";
}

TEST(Follower, AConflictTakesTheWholeTail) {
  Solo solo(voters(3), {Term{1}, NodeId{}}, {entry(1, 1), entry(2, 1), entry(3, 1)});
  const Output out = solo.step(2, append(2, 1, 1, 0, {entry(2, 2)}));
  EXPECT_EQ(solo.core().last_index(), Index{2});
  ASSERT_EQ(out.persist->entries.size(), 1U);
  EXPECT_EQ(all<AppendReply>(out.send_when_durable).at(0).match, Index{2});
}

TEST(Follower, RepeatedAndLateAppendsTakeNothingAway) {
  Solo solo(voters(3), {Term{1}, NodeId{}});
  solo.persist(solo.step(2, append(1, 0, 0, 0, {entry(1, 1), entry(2, 1), entry(3, 1)})));
  const Output again = solo.step(2, append(1, 0, 0, 0, {entry(1, 1)}));
  EXPECT_FALSE(again.persist);
  EXPECT_EQ(solo.core().last_index(), Index{3});
  EXPECT_EQ(all<AppendReply>(again.send_now).at(0).match, Index{1}) << "durable already: answered at once";
}

TEST(Follower, WhatIsCompactedAgrees) {
  Solo solo(voters(3), {Term{1}, NodeId{}}, {entry(1, 1), entry(2, 1), entry(3, 1)});
  solo.disk().compact(Index{3}, {voters(3), Index{}});
  const Output out = solo.step(2, append(1, 1, 1, 0, {entry(2, 1), entry(3, 1), entry(4, 1)}));
  EXPECT_EQ(solo.core().last_index(), Index{4});
  EXPECT_EQ(all<AppendReply>(out.send_when_durable).at(0).match, Index{4});
  EXPECT_EQ(all<AppendReply>(solo.step(2, append(1, 1, 1, 0, {})).send_now).at(0).match, Index{3});
}

TEST(Follower, ARefusalNamesWhereTheLogsMayAgree) {
  Solo solo(voters(3), {Term{3}, NodeId{}}, {entry(1, 1), entry(2, 1), entry(3, 3), entry(4, 3)});
  const AppendReply reply = all<AppendReply>(solo.step(2, append(4, 4, 2, 0, {})).send_now).at(0);
  EXPECT_FALSE(reply.accepted);
  EXPECT_EQ(reply.conflict_index, Index{2});
  EXPECT_EQ(reply.conflict_term, Term{1});
  EXPECT_EQ(reply.last_index, Index{4});
}

TEST(Follower, AMessageThatIsNoneOfTheProtocolChangesNothing) {
  Solo solo(voters(3), {Term{3}, NodeId{}});
  for (const auto& entries : {std::vector{entry(2, 3)}, std::vector{entry(1, 9)}, std::vector{entry(1, 3), entry(3, 3)},
                              std::vector{entry(1, 3), entry(2, 2)}})
    EXPECT_TRUE(solo.step(2, append(3, 0, 0, 0, entries)).empty());
  EXPECT_EQ(solo.core().last_index(), Index{0});
}

TEST(Follower, AHeartbeatCommitsOnlyWhatIsHere) {
  Solo solo(voters(3), {Term{1}, NodeId{}}, {entry(1, 1), entry(2, 1)});
  solo.step(2, Heartbeat{Term{1}, Index{3}, 1});
  EXPECT_EQ(solo.core().commit(), Index{0}) << "the log is shorter than what was acknowledged: believe nothing";
  solo.step(2, Heartbeat{Term{1}, Index{2}, 2});
  EXPECT_EQ(solo.core().commit(), Index{2});
}

TEST(Follower, AnswersWaitForTheTermToBeDurable) {
  Solo solo(voters(3));
  const Output out = solo.step(2, Heartbeat{Term{1}, Index{}, 1});
  EXPECT_TRUE(out.send_now.empty());
  EXPECT_EQ(all<HeartbeatReply>(out.send_when_durable).size(), 1U);
  EXPECT_EQ(out.durable_after, out.persist->id);
  const Output next = solo.step(2, Heartbeat{Term{1}, Index{}, 2});
  EXPECT_EQ(next.durable_after, out.persist->id) << "still under way";
  solo.persist(out);
  EXPECT_EQ(all<HeartbeatReply>(solo.step(2, Heartbeat{Term{1}, Index{}, 3}).send_now).size(), 1U);
}

TEST(Follower, AcknowledgesEntriesOnceTheyAreDurable) {
  Solo solo(voters(3), {Term{1}, NodeId{}});
  const Output out = solo.step(2, append(1, 0, 0, 0, {entry(1, 1)}));
  EXPECT_TRUE(out.send_now.empty());
  ASSERT_EQ(all<AppendReply>(out.send_when_durable).size(), 1U);
  EXPECT_EQ(out.durable_after, out.persist->id);
  const Output repeated = solo.step(2, append(1, 0, 0, 0, {entry(1, 1)}));
  EXPECT_TRUE(repeated.send_now.empty()) << "a repeated append is no faster";
  EXPECT_EQ(repeated.durable_after, out.persist->id);
}

InstallSnapshot image(std::uint64_t term, std::uint64_t index, std::uint64_t index_term) {
  return {Term{term}, {Index{index}, Term{index_term}, voters(3), Index{}}, "image"};
}

TEST(Follower, AnOldSnapshotIsNotInstalled) {
  Solo solo(voters(3), {Term{1}, NodeId{}}, {entry(1, 1), entry(2, 1), entry(3, 1)});
  solo.disk().compact(Index{3}, {voters(3), Index{}});
  const Output out = solo.step(2, image(1, 2, 1));
  EXPECT_FALSE(out.install);
  EXPECT_EQ(all<AppendReply>(out.send_now).at(0).match, Index{3});
}

TEST(Follower, ASnapshotOfWhatTheLogHoldsTakesNothingAway) {
  Solo solo(voters(3), {Term{1}, NodeId{}}, {entry(1, 1), entry(2, 1), entry(3, 1)});
  const Output out = solo.step(2, image(1, 2, 1));
  EXPECT_FALSE(out.install);
  EXPECT_EQ(solo.core().last_index(), Index{3});
  EXPECT_EQ(solo.core().commit(), Index{2});
}

TEST(Follower, WhileASnapshotComesInItNeitherAppendsNorStands) {
  Solo solo(voters(3), {Term{1}, NodeId{}}, {entry(1, 1)});
  ASSERT_TRUE(solo.step(2, image(1, 9, 1)).install);
  EXPECT_FALSE(solo.step(2, image(1, 9, 1)).install) << "asked for once";
  EXPECT_TRUE(solo.step(2, append(1, 1, 1, 1, {entry(2, 1)})).empty());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(solo.wake().empty());
  const SnapshotMeta meta = image(1, 9, 1).meta;
  solo.disk().reset(meta);
  solo.core().snapshot_installed(solo.now, meta);
  EXPECT_EQ(all<AppendReply>(solo.core().take_output().send_now).at(0).match, Index{9});
  EXPECT_EQ(solo.core().status().first_index, Index{10});
  EXPECT_EQ(solo.core().applied_index(), Index{9});
  EXPECT_EQ(all<VoteRequest>(solo.wake().send_now).size(), 2U);
}

// The write of entries 1 to 3 is under way when a snapshot at 2 takes the place of the log. Its report says nothing of
// the entry 3 that comes then.
TEST(Follower, AWriteFromBeforeASnapshotVouchesForNothingBehindIt) {
  Solo solo(voters(3), {Term{1}, NodeId{}});
  const Output before = solo.step(2, append(1, 0, 0, 0, {entry(1, 1), entry(2, 1), entry(3, 1)}));
  ASSERT_TRUE(solo.step(3, image(2, 2, 2)).install);
  const SnapshotMeta meta = image(2, 2, 2).meta;
  solo.disk().reset(meta);
  solo.core().snapshot_installed(solo.now, meta);
  solo.core().take_output();
  const Output after = solo.step(3, append(2, 2, 2, 2, {entry(3, 2)}));
  solo.core().persisted(solo.now, before.persist->id);
  EXPECT_EQ(solo.core().status().durable_index, Index{2});
  solo.persist(after);
  EXPECT_EQ(solo.core().status().durable_index, Index{3});
}

TEST(FollowerDeathTest, ACommittedEntryIsNeverOverwritten) {
  Solo solo(voters(3), {Term{1}, NodeId{}});
  solo.step(2, append(1, 0, 0, 1, {entry(1, 1)}));
  EXPECT_DEATH(solo.step(3, append(2, 0, 0, 1, {entry(1, 2)})), "a committed entry would be overwritten");
}

}  // namespace
}  // namespace tenaz::raft::test
