// The host loop: writes, forwards, transfers, stopping.
#include "tests/unit/server_replica/support.h"

namespace tenaz::server {
namespace {

TEST_F(ReplicaTest, ALoneNodeAnswersOnlyWhatIsDurableAndApplied) {
  start(1);
  persist_all();
  apply_all();
  ASSERT_EQ(replica->core().role(), raft::Role::leader);
  write(1);
  EXPECT_TRUE(state.waiting.empty()) << "applied before its own log was durable";
  EXPECT_FALSE(writes.contains(1));
  persist_all();
  EXPECT_FALSE(writes.contains(1)) << "answered before it was applied";
  apply_all();
  ASSERT_TRUE(writes.contains(1));
  EXPECT_FALSE(writes[1].failure);
}

TEST_F(ReplicaTest, WhatRestsOnAWriteLeavesWhenItIsDurable) {
  start(3);
  persist_all();
  transport.sent.clear();
  raft::AppendRequest request;
  request.term = Term(1);
  request.sequence = 1;
  request.entries.push_back({Term(1), Index(1), raft::EntryKind::noop, raft::make_payload("")});
  replica->on_message(now, NodeId{2}, raft::Message(request));
  replica->carry_out(now);
  ASSERT_FALSE(log.waiting.empty());
  EXPECT_TRUE(transport.take<raft::Message>().empty()) << "an acknowledgement of what a crash would take";
  persist_all();
  const auto sent = transport.take<raft::Message>();
  ASSERT_EQ(sent.size(), 1u);
  const auto* reply = std::get_if<raft::AppendReply>(&sent[0]);
  ASSERT_NE(reply, nullptr);
  EXPECT_TRUE(reply->accepted);
  EXPECT_EQ(reply->match, Index(1));
}

TEST_F(ReplicaTest, WritesThatQueueBehindASyncShareOneEntry) {
  start(1);
  persist_all();
  apply_all();
  const auto before = log.last_index();
  for (std::uint64_t sequence = 1; sequence <= 10; ++sequence) write(sequence);
  EXPECT_EQ(log.waiting.size(), 2u) << "two writes under way, the others collect";
  persist_all();
  apply_all();
  EXPECT_EQ(writes.size(), 10u);
  EXPECT_EQ(log.last_index().past(before), 3u);
}

TEST_F(ReplicaTest, AFollowerForwardsEachWriteOnceAndAnswersWhenItIsAppliedHere) {
  start(3);
  heartbeat(2, 1);
  write(1);
  write(2);
  const auto forwards = transport.take<ForwardWrites>();
  ASSERT_EQ(forwards.size(), 2u);
  EXPECT_EQ(forwards[0].term, Term{1});
  replica->on_unreachable(now, NodeId{2});
  pass(milliseconds(100));
  heartbeat(2, 1);
  EXPECT_TRUE(transport.take<ForwardWrites>().empty()) << "a copy may still commit";
  append(2, 1, 1, "");
  append(2, 1, 2, payload_of(1));
  ASSERT_TRUE(writes.contains(1));
  EXPECT_FALSE(writes[1].failure);
  EXPECT_FALSE(writes.contains(2));
}

TEST_F(ReplicaTest, WhatALaterTermHasOvertakenWasNotApplied) {
  start(3);
  heartbeat(2, 1);
  write(1);
  ASSERT_EQ(transport.take<ForwardWrites>().size(), 1u);
  heartbeat(3, 2);
  EXPECT_FALSE(writes.contains(1)) << "the old leader's entry may yet be what the new one commits";
  append(3, 2, 1, "");
  ASSERT_TRUE(writes.contains(1));
  EXPECT_EQ(writes[1].failure, Failure::no_leader);
  EXPECT_TRUE(writes[1].not_applied);
}

TEST_F(ReplicaTest, ARefusedForwardWaitsForTheNextTermsLeader) {
  start(3);
  heartbeat(2, 1);
  write(1);
  ASSERT_EQ(transport.take<ForwardWrites>().size(), 1u);
  ForwardRefused refused{Term{1}, 99, {1}, WriteRefusal::not_leader};
  replica->on_message(now, NodeId{2}, refused);
  replica->carry_out(now);
  EXPECT_TRUE(transport.take<ForwardWrites>().empty()) << "refused in this very term";
  heartbeat(3, 2);
  const auto again = transport.take<ForwardWrites>();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].term, Term{2});
  replica->on_message(now, NodeId{2}, refused);  // a late copy speaks of another attempt
  replica->carry_out(now);
  EXPECT_TRUE(transport.take<ForwardWrites>().empty());
}

TEST_F(ReplicaTest, ADeadlineTellsAQueuedWriteFromAPlacedOne) {
  start(3);
  write(1);  // no leader yet: it only queues
  pass(milliseconds(1100));
  ASSERT_TRUE(writes.contains(1));
  EXPECT_EQ(writes[1].failure, Failure::no_leader);
  EXPECT_TRUE(writes[1].not_applied);
  heartbeat(2, 9);
  write(2);
  for (int i = 0; i < 12; ++i) {
    heartbeat(2, 9);
    pass(milliseconds(100));
  }
  ASSERT_TRUE(writes.contains(2));
  EXPECT_EQ(writes[2].failure, Failure::timeout);
  EXPECT_FALSE(writes[2].not_applied) << "it left for the leader";
}

TEST_F(ReplicaTest, ALeaderRefusesForwardsOfAnotherTermAndOfNoOrigin) {
  start(1);
  persist_all();
  apply_all();
  ForwardWrites late{Term{77}, {}};
  storage::pb::Command foreign;
  foreign.set_apply_version(storage::kApplyVersion);
  foreign.mutable_origin()->set_node(2);
  foreign.mutable_origin()->set_boot(5);
  foreign.mutable_origin()->set_sequence(6);
  foreign.mutable_put()->set_key("x");
  late.commands.push_back(foreign.SerializeAsString());
  replica->on_message(now, NodeId{2}, late);
  replica->carry_out(now);
  const auto refused = transport.take<ForwardRefused>();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].boot, 5u);
  EXPECT_EQ(refused[0].sequences, std::vector<std::uint64_t>{6});
  EXPECT_TRUE(log.waiting.empty());
}

TEST_F(ReplicaTest, BeyondWhatMayBeUncommittedWritesAreRefusedAndThoseOfOthersToo) {
  options.raft.max_uncommitted_bytes = 1;  // one batch at a time
  start(1);
  persist_all();
  apply_all();
  write(1);
  write(2);
  ASSERT_TRUE(writes.contains(2));
  EXPECT_EQ(writes[2].failure, Failure::overloaded);
  EXPECT_TRUE(writes[2].not_applied);
  EXPECT_FALSE(writes.contains(1));
  write(3);
  EXPECT_FALSE(writes.contains(3)) << "asked again only after a while";

  storage::pb::Command foreign;
  foreign.set_apply_version(storage::kApplyVersion);
  foreign.mutable_origin()->set_node(2);
  foreign.mutable_origin()->set_boot(5);
  foreign.mutable_origin()->set_sequence(6);
  foreign.mutable_put()->set_key("x");
  replica->on_message(now, NodeId{2}, ForwardWrites{replica->core().term(), {foreign.SerializeAsString()}});
  pass(milliseconds(10));
  EXPECT_EQ(writes[3].failure, Failure::overloaded);
  const auto refused = transport.take<ForwardRefused>();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].reason, WriteRefusal::overloaded);
  EXPECT_EQ(refused[0].sequences, std::vector<std::uint64_t>{6});

  persist_all();
  apply_all();
  EXPECT_FALSE(writes[1].failure);
  write(4);
  persist_all();
  apply_all();
  ASSERT_TRUE(writes.contains(4)) << "committed meanwhile: there is room again";
  EXPECT_FALSE(writes[4].failure);
}

TEST_F(ReplicaTest, WhileItDrainsWhatWaitsIsStillDoneAndNothingNewIsTaken) {
  start(1);
  persist_all();
  apply_all();
  write(1);
  replica->drain();
  write(2);
  EXPECT_EQ(writes[2].failure, Failure::stopping);
  EXPECT_TRUE(writes[2].not_applied);
  std::optional<Failure> read;
  replica->read_index(now, now + milliseconds(500), [&](const ReadResult& result) { read = result.failure; });
  EXPECT_EQ(read, Failure::stopping);
  EXPECT_EQ(replica->waiting(), 1u);
  persist_all();
  apply_all();
  EXPECT_FALSE(writes[1].failure);
  EXPECT_EQ(replica->waiting(), 0u);
}

TEST_F(ReplicaTest, ATransferThatCannotBeginIsRefused) {
  start(3);
  std::vector<TransferOutcome> outcomes;
  const auto transfer = [&] {
    replica->transfer_leadership(now, NodeId{3}, now + milliseconds(500),
                                 [&](TransferOutcome outcome) { outcomes.push_back(outcome); });
    replica->carry_out(now);
  };
  transfer();  // no leader is known
  heartbeat(2, 1);
  transport.connected = false;
  transfer();
  EXPECT_EQ(outcomes, (std::vector{TransferOutcome::refused, TransferOutcome::refused}));
  transport.connected = true;
  transfer();
  heartbeat(2, 1);
  EXPECT_EQ(outcomes.size(), 2u);
  pass(milliseconds(600));
  ASSERT_EQ(outcomes.size(), 3u);
  EXPECT_EQ(outcomes[2], TransferOutcome::failed);
}

TEST_F(ReplicaTest, ATransferThatTheLeaderRefusesIsRefusedAtOnce) {
  start(3);
  heartbeat(2, 1);
  std::vector<std::pair<int, TransferOutcome>> outcomes;
  for (const int n : {1, 2}) {
    replica->transfer_leadership(now, NodeId{3}, now + milliseconds(500),
                                 [&, n](TransferOutcome outcome) { outcomes.emplace_back(n, outcome); });
  }
  replica->carry_out(now);
  const auto asked = transport.take<TransferRequest>();
  ASSERT_EQ(asked.size(), 2u);
  const auto refuse = [&](std::uint64_t boot, std::uint64_t id) {
    replica->on_message(now, NodeId{2}, TransferRefused{boot, id});
    replica->carry_out(now);
  };
  refuse(asked[1].boot + 1, asked[1].id);  // meant for an earlier run of this node
  EXPECT_TRUE(outcomes.empty());
  refuse(asked[1].boot, asked[1].id);
  refuse(asked[1].boot, asked[1].id);
  EXPECT_EQ(outcomes, (std::vector<std::pair<int, TransferOutcome>>{{2, TransferOutcome::refused}}));
  heartbeat(3, 2);  // the first one was begun
  EXPECT_EQ(outcomes.back(), (std::pair<int, TransferOutcome>{1, TransferOutcome::done}));
}

TEST_F(ReplicaTest, WhoCannotHandOverSaysSo) {
  start(3);
  heartbeat(2, 1);
  replica->on_message(now, NodeId{3}, TransferRequest{NodeId{2}, 7, 8});  // it does not lead
  auto answers = transport.take<TransferRefused>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].boot, 7u);
  EXPECT_EQ(answers[0].id, 8u);
}

TEST_F(ReplicaTest, ALeaderAnswersARequestThatItCannotBegin) {
  lead_of_three();
  replica->on_message(now, NodeId{3}, TransferRequest{NodeId{9}, 7, 8});  // nobody
  replica->carry_out(now);
  EXPECT_EQ(transport.take<TransferRefused>().size(), 1u);
  replica->on_message(now, NodeId{3}, TransferRequest{NodeId{2}, 7, 9});
  replica->carry_out(now);
  EXPECT_TRUE(transport.take<TransferRefused>().empty());
  replica->on_message(now, NodeId{3}, TransferRequest{NodeId{3}, 7, 10});  // the other one is under way
  replica->carry_out(now);
  EXPECT_EQ(transport.take<TransferRefused>().size(), 1u);
}

TEST_F(ReplicaTest, StopAnswersEverythingThatWaits) {
  start(3);
  write(1);  // queued
  heartbeat(2, 1);
  write(2);  // placed
  int reads = 0;
  replica->read_index(now, now + milliseconds(500), [&](const ReadResult& result) {
    EXPECT_EQ(result.failure, Failure::stopping);
    ++reads;
  });
  replica->stop(now);
  EXPECT_EQ(reads, 1);
  EXPECT_EQ(writes.size(), 2u);
  EXPECT_EQ(writes[2].failure, Failure::stopping);
  EXPECT_FALSE(writes[2].not_applied);
  write(3);
  EXPECT_EQ(writes[3].failure, Failure::stopping);
  EXPECT_TRUE(writes[3].not_applied);
  EXPECT_EQ(replica->waiting(), 0u);
}

// What is shown of a node must be so at every moment: each change once, and never an old leader in a new term.
TEST_F(ReplicaTest, TheProbeHearsOfEveryTermAndLeader) {
  start(3);
  raft::VoteRequest request;
  request.term = Term{5};
  replica->on_message(now, NodeId{2}, raft::Message(request));
  replica->carry_out(now);
  heartbeat(2, 6);
  heartbeat(2, 6);
  heartbeat(2, 8);
  heartbeat(3, 9);
  using Standing = std::tuple<raft::Role, Term, NodeId>;
  const auto follower = raft::Role::follower;
  EXPECT_EQ(probe.standings, (std::vector<Standing>{{follower, Term{5}, NodeId{}},
                                                    {follower, Term{6}, NodeId{2}},
                                                    {follower, Term{8}, NodeId{2}},
                                                    {follower, Term{9}, NodeId{3}}}));
}

}  // namespace
}  // namespace tenaz::server
