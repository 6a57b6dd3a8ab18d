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
  return reply;
}

std::string refusal(const std::variant<Proposed, Refusal>& result) {
  if (!std::holds_alternative<Refusal>(result)) return "";
  return std::get<Refusal>(result) == Refusal::overloaded ? "overloaded" : "other";
}

TEST(Leader, OpensItsTermWithANoOp) {
  Solo solo(voters(3), {Term{4}, NodeId{}}, {entry(1, 2)});
  const Output out = solo.lead();
  const auto appends = all<AppendRequest>(out.send_now);
  ASSERT_EQ(appends.size(), 2U);
  EXPECT_EQ(appends[0].prev_index, Index{1});
  EXPECT_EQ(appends[0].entries.at(0).kind, EntryKind::noop);
  EXPECT_EQ(appends[0].entries.at(0).payload.get(), appends[1].entries.at(0).payload.get()) << "shared, not copied";
}

TEST(Leader, CommitsOldEntriesOnlyWithOneOfItsOwn) {
  Solo solo(voters(3), {Term{4}, NodeId{}}, {entry(1, 2)});
  solo.persist(solo.lead());
  solo.step(2, accepted(5, 1));
  EXPECT_EQ(solo.core().commit(), Index{0}) << "a majority holds entry 1, of term 2";
  EXPECT_FALSE(solo.core().status().read_ready);
  solo.step(2, accepted(5, 2));
  EXPECT_EQ(solo.core().commit(), Index{2});
}

TEST(Leader, CountsItselfOnlyWhenDurable) {
  Solo solo(voters(3));
  const Output noop = solo.lead();
  solo.step(2, accepted(1, 1));
  EXPECT_EQ(solo.core().commit(), Index{0});
  solo.step(3, accepted(1, 1));
  EXPECT_EQ(solo.core().commit(), Index{1}) << "the two others are a majority";
  EXPECT_TRUE(solo.core().take_output().committed.empty()) << "but apply waits for the own disk";
  EXPECT_EQ(solo.persist(noop).committed.size(), 1U);
}

TEST(Leader, BoundsWhatIsNotCommitted) {
  Solo solo(voters(3));
  solo.options.max_uncommitted_bytes = 200;
  solo.persist(solo.lead());
  EXPECT_EQ(refusal(solo.core().propose(solo.now, make_payload(std::string(1000, 'x')))), "") << "one may exceed it";
  EXPECT_EQ(refusal(solo.core().propose(solo.now, make_payload("x"))), "overloaded");
  solo.persist(solo.core().take_output());
  solo.step(2, accepted(1, 2));
  EXPECT_EQ(refusal(solo.core().propose(solo.now, make_payload("x"))), "");
  EXPECT_EQ(refusal(solo.core().propose(solo.now, make_payload("x"))), "");
  EXPECT_EQ(refusal(solo.core().propose(solo.now, make_payload(std::string(80, 'x')))), "overloaded");
}

TEST(Leader, FillsTheWindowAndNoMore) {
  Solo solo(voters(3));
  solo.options.max_inflight_appends = 2;
  solo.options.max_append_bytes = 64;
  solo.persist(solo.lead());
  solo.step(2, accepted(1, 1));
  for (int i = 0; i < 5; ++i) solo.core().propose(solo.now, make_payload(""));
  EXPECT_EQ(all<AppendRequest>(solo.core().take_output().send_now).size(), 2U) << "node 3 is still being probed";
  EXPECT_EQ(all<AppendRequest>(solo.step(2, accepted(1, 2)).send_now).size(), 1U);
}

TEST(Leader, ProposalsOfOneTurnShareAMessage) {
  Solo solo(voters(3));
  solo.persist(solo.lead());
  solo.step(2, accepted(1, 1));
  for (int i = 0; i < 5; ++i) solo.core().propose(solo.now, make_payload("x"));
  const Output out = solo.core().take_output();
  ASSERT_EQ(all<AppendRequest>(out.send_now).size(), 1U);
  EXPECT_EQ(all<AppendRequest>(out.send_now)[0].entries.size(), 5U);
  EXPECT_EQ(out.persist->entries.size(), 5U);
}

TEST(Leader, TellsTheCommitIndexOnceToEach) {
  Solo solo(voters(3));
  solo.persist(solo.lead());
  solo.core().step(solo.now, NodeId{2}, accepted(1, 1));
  solo.core().step(solo.now, NodeId{3}, accepted(1, 1));
  const auto told = all<AppendRequest>(solo.core().take_output().send_now);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].commit, Index{1});
  EXPECT_TRUE(told[0].entries.empty());
  EXPECT_TRUE(solo.core().take_output().empty());
}

TEST(Leader, AnAnswerBeyondItsLogIsIgnored) {
  Solo solo(voters(3));
  solo.persist(solo.lead());
  solo.step(2, accepted(1, 99));
  EXPECT_EQ(solo.core().commit(), Index{0});
}

TEST(Leader, ARoundOfAnotherTermConfirmsNothing) {
  Solo solo(voters(3));
  solo.persist(solo.lead());
  solo.step(2, accepted(1, 1));
  EXPECT_FALSE(solo.core().read(solo.now, ReadId{1}));
  const auto beats = all<Heartbeat>(solo.core().take_output().send_now);
  ASSERT_EQ(beats.size(), 2U);
  EXPECT_TRUE(solo.step(2, HeartbeatReply{Term{0}, beats[0].round}).reads_confirmed.empty());
  EXPECT_TRUE(solo.step(2, HeartbeatReply{Term{1}, 99}).reads_confirmed.empty()) << "a round that never was";
  EXPECT_EQ(solo.step(2, HeartbeatReply{Term{1}, beats[0].round}).reads_confirmed.size(), 1U);
}

TEST(Leader, AloneItNeedsNoTimer) {
  Solo solo(voters(1));
  const Output vote = solo.wake();
  solo.persist(solo.persist(vote));
  EXPECT_EQ(solo.core().commit(), Index{1});
  EXPECT_EQ(solo.core().deadline(), Instant::max());
}

TEST(Leader, AnImageIsMadeOnlyForSomebodyWhoIsThere) {
  Solo solo(voters(3), {Term{1}, NodeId{}}, {entry(1, 1), entry(2, 1), entry(3, 1)});
  solo.disk().compact(Index{3}, {voters(3), Index{}});
  solo.persist(solo.lead());
  AppendReply behind;
  behind.term = Term{2};
  behind.sequence = 1;
  behind.prev_index = Index{3};
  EXPECT_EQ(solo.step(3, behind).snapshots_wanted, std::vector{NodeId{3}});
  EXPECT_TRUE(solo.core().take_output().empty()) << "asked for once";
  const SnapshotMeta meta{Index{3}, Term{1}, voters(3), Index{}};
  solo.core().snapshot_ready(solo.now, NodeId{2}, meta, "unasked");
  EXPECT_TRUE(solo.core().take_output().empty());
  solo.core().snapshot_ready(solo.now, NodeId{3}, meta, "image");
  EXPECT_EQ(all<InstallSnapshot>(solo.core().take_output().send_now).at(0).snapshot_id, "image");
  // Nothing comes of it: announced again, but not at every heartbeat.
  solo.now += milliseconds(400);
  EXPECT_TRUE(all<InstallSnapshot>(solo.step(3, HeartbeatReply{Term{2}, 0}).send_now).empty());
  solo.now += solo.options.election_timeout_max;
  EXPECT_EQ(all<InstallSnapshot>(solo.step(3, HeartbeatReply{Term{2}, 0}).send_now).size(), 1U);
  solo.step(3, accepted(2, 3));
  EXPECT_EQ(solo.core().status().peers.at(1).mode, PeerStatus::Mode::replicate);
}

TEST(Leader, HandsOverToTheBestWhenNoneIsNamed) {
  Solo solo(voters(3));
  solo.persist(solo.lead());
  EXPECT_FALSE(solo.core().transfer_leadership(solo.now, NodeId{})) << "nobody has been heard yet";
  solo.step(3, accepted(1, 1));
  EXPECT_TRUE(solo.core().transfer_leadership(solo.now, NodeId{}));
  const Output out = solo.core().take_output();
  ASSERT_EQ(all<TimeoutNow>(out.send_now).size(), 1U);
  EXPECT_EQ(all<TimeoutNow>(out.send_now)[0].target, NodeId{3});
  EXPECT_FALSE(solo.core().transfer_leadership(solo.now, NodeId{2})) << "one at a time";
}

}  // namespace
}  // namespace tenaz::raft::test
