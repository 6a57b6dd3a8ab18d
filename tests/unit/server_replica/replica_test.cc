// The host loop against hand-driven ports: nothing is durable, applied or delivered until the test says so.
#include "server/replica.h"

#include <gtest/gtest.h>

#include <map>

#include "raft/membership.h"

namespace tenaz::server {
namespace {

using raft::Index;
using raft::NodeId;
using raft::Term;
using std::chrono::milliseconds;

struct FakeLog final : LogPort, raft::LogReader {
  std::vector<raft::Entry> entries_;
  std::deque<raft::Persist> waiting;

  const raft::LogReader& reader() const override { return *this; }
  void write(raft::Persist write) override { waiting.push_back(std::move(write)); }
  void compact(Index index, raft::Configuration, Index) override { compacted = index; }
  void distrust(NodeId peer) override { distrusted.push_back(peer); }
  std::vector<NodeId> distrusted;
  // Nothing is kept back.
  Index compaction_target(Index limit) const override { return limit; }
  Index compacted;
  std::uint64_t bytes() const override { return 0; }

  // The log begins behind `index` from now on.
  void forget(Index index) { base = index; }
  Index base;

  Index first_index() const override { return base.next(); }
  Index last_index() const override { return Index{entries_.size()}; }
  std::optional<Term> term(Index i) const override {
    if (!i) return Term{0};
    if (i > last_index()) return std::nullopt;
    return entries_[i.value - 1].term;
  }
  std::vector<raft::Entry> entries(Index from, Index to, std::size_t) const override {
    if (from <= base) return {};
    return {entries_.begin() + static_cast<std::ptrdiff_t>(from.value - 1),
            entries_.begin() + static_cast<std::ptrdiff_t>(to.value)};
  }
  raft::WriteId make_durable() {
    auto write = std::move(waiting.front());
    waiting.pop_front();
    for (auto& entry : write.entries) {
      entries_.resize(entry.index.value - 1);
      entries_.push_back(entry);
    }
    return write.id;
  }
};

struct FakeState final : StatePort {
  std::deque<raft::Entry> waiting;
  void apply(std::vector<raft::Entry> entries) override {
    waiting.insert(waiting.end(), entries.begin(), entries.end());
  }
};

struct FakeTransport final : TransportPort {
  std::vector<std::pair<NodeId, PeerMessage>> sent;
  bool connected = true;
  bool send(NodeId to, PeerMessage message) override {
    if (connected) sent.emplace_back(to, std::move(message));
    return connected;
  }
  template <class T>
  std::vector<T> take() {
    std::vector<T> out;
    std::erase_if(sent, [&](auto& item) {
      auto* message = std::get_if<T>(&item.second);
      if (message) out.push_back(std::move(*message));
      return message != nullptr;
    });
    return out;
  }
};

struct FakeSnapshots final : SnapshotPort {
  void make_image(NodeId peer) override { images_wanted.push_back(peer); }
  std::vector<NodeId> images_wanted;
  void install(const raft::Output::Install& install) override { installs.push_back(install); }
  void hurry() override { ++hurried; }
  std::vector<raft::Output::Install> installs;
  int hurried = 0;
};

struct CountingProbe final : Probe {
  int read_indexes = 0;
  void read_index_finished(raft::Duration) override { ++read_indexes; }
};

class ReplicaTest : public ::testing::Test {
 protected:
  void start(std::uint64_t nodes) {
    std::vector<raft::Member> members;
    for (std::uint64_t id = 1; id <= nodes; ++id) members.push_back({NodeId(id), "", "", "", ""});
    ReplicaStart start;
    start.self = NodeId{1};
    start.boot = 99;
    start.hard_state = hard_state;
    start.applied = applied;
    start.configuration = raft::founding_configuration(std::move(members));
    start.now = now;
    start.random = [](std::uint64_t bound) { return bound / 2; };
    start.wall_time_ms = [] { return std::uint64_t{0}; };
    replica = std::make_unique<Replica>(options, start, Replica::Ports{log, state, transport, snapshots, probe});
    pass(milliseconds(0));
  }

  std::string command(std::uint64_t sequence, bool put = true) {
    storage::pb::Command out;
    out.set_apply_version(storage::kApplyVersion);
    out.mutable_origin()->set_node(1);
    out.mutable_origin()->set_boot(99);
    out.mutable_origin()->set_sequence(sequence);
    if (put)
      out.mutable_put()->set_key("k");
    else
      out.mutable_delete_()->set_key("k");
    return out.SerializeAsString();
  }

  void write(std::uint64_t sequence, bool put = true) {
    replica->write(now, sequence, command(sequence, put), put, now + milliseconds(1000),
                   [this, sequence](const WriteResult& result) {
                     EXPECT_FALSE(writes.contains(sequence)) << "answered twice";
                     writes[sequence] = result;
                   });
    replica->carry_out(now);
  }

  void heartbeat(std::uint64_t leader, std::uint64_t term, std::uint64_t commit = 0) {
    replica->on_message(now, NodeId(leader), raft::Message(raft::Heartbeat{Term(term), Index(commit), 1}));
    replica->carry_out(now);
    persist_all();
  }

  // An append of one entry of `term` at `index`, committed as it arrives.
  void append(std::uint64_t leader, std::uint64_t term, std::uint64_t index, const std::string& payload) {
    raft::AppendRequest request;
    request.term = Term(term);
    request.prev_index = Index(index - 1);
    request.prev_term = log.term(Index(index - 1)).value();
    request.commit = Index(index);
    request.sequence = index;
    request.entries.push_back({Term(term), Index(index),
                               payload.empty() ? raft::EntryKind::noop : raft::EntryKind::commands,
                               raft::make_payload(payload)});
    replica->on_message(now, NodeId(leader), raft::Message(request));
    replica->carry_out(now);
    persist_all();
    apply_all();
  }

  void persist_all() {
    while (!log.waiting.empty()) {
      replica->on_persisted(now, log.make_durable());
      replica->carry_out(now);
    }
  }

  // Applies what was committed, answering every command in it as done.
  void apply_all() {
    while (!state.waiting.empty()) {
      storage::ApplyOutcome outcome;
      for (const auto& entry : state.waiting) {
        outcome.index = entry.index;
        outcome.term = entry.term;
        if (entry.kind != raft::EntryKind::commands) continue;
        const auto batch = storage::parse_payload(*entry.payload);
        ASSERT_TRUE(batch);
        for (const auto& parsed : batch->commands()) {
          outcome.revision = storage::Revision(++revision);
          if (parsed.origin().node() == 1)
            outcome.replies.push_back({{NodeId{1}, parsed.origin().boot(), parsed.origin().sequence()}, {}});
        }
      }
      state.waiting.clear();
      replica->on_applied(now, outcome);
      replica->carry_out(now);
    }
  }

  void pass(milliseconds time) {
    now += time;
    replica->tick(now);
    replica->carry_out(now);
  }

  std::string payload_of(std::uint64_t sequence) {
    storage::PayloadBuilder builder;
    builder.add(command(sequence));
    return *builder.finish(0);
  }

  // Node 1 leads term 1 of three, its no-op at index 1 committed by node 2; node 3 has said nothing yet.
  void lead_of_three() {
    start(3);
    pass(std::chrono::seconds(10));
    raft::VoteReply vote;
    vote.term = Term{1};
    vote.campaign_term = Term{1};
    vote.granted = vote.pre_vote = true;
    replica->on_message(now, NodeId{2}, raft::Message(vote));
    replica->carry_out(now);
    persist_all();
    vote.pre_vote = false;
    replica->on_message(now, NodeId{2}, raft::Message(vote));
    replica->carry_out(now);
    ASSERT_EQ(replica->core().role(), raft::Role::leader);
    acknowledge(2);
    apply_all();
  }
  // `peer` has everything.
  void acknowledge(std::uint64_t peer) {
    persist_all();
    raft::AppendReply reply;
    reply.term = replica->core().term();
    reply.accepted = true;
    reply.match = reply.last_index = replica->core().last_index();
    replica->on_message(now, NodeId(peer), raft::Message(reply));
    replica->carry_out(now);
  }
  void answer_heartbeats(std::uint64_t peer) {
    replica->on_message(now, NodeId(peer), raft::Message(raft::HeartbeatReply{replica->core().term(), 0}));
    replica->carry_out(now);
    pass(milliseconds(60));
    replica->on_message(now, NodeId(peer), raft::Message(raft::HeartbeatReply{replica->core().term(), 0}));
    replica->carry_out(now);
  }

  raft::HardState hard_state;
  Index applied;
  raft::Instant now{std::chrono::seconds(100)};
  FakeLog log;
  FakeState state;
  FakeTransport transport;
  FakeSnapshots snapshots;
  CountingProbe probe;
  ReplicaOptions options;
  std::unique_ptr<Replica> replica;
  std::map<std::uint64_t, WriteResult> writes;
  std::uint64_t revision = 0;
};

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

TEST_F(ReplicaTest, WaitingForARevisionEndsInATimeoutWhoeverLeads) {
  start(3);
  std::optional<Failure> revision, linearizable;
  replica->wait_revision(now, storage::Revision{7}, now + milliseconds(100),
                         [&](const ReadResult& result) { revision = result.failure; });
  replica->read_index(now, now + milliseconds(100), [&](const ReadResult& result) { linearizable = result.failure; });
  pass(milliseconds(200));
  EXPECT_EQ(revision, Failure::timeout);
  EXPECT_EQ(linearizable, Failure::no_leader);
}

TEST_F(ReplicaTest, OnlyConfirmationsOfLeadershipAreMeasured) {
  start(1);
  persist_all();
  apply_all();
  replica->wait_revision(now, storage::Revision{1}, now + milliseconds(500),
                         [](const ReadResult& result) { EXPECT_FALSE(result.failure); });
  write(1);
  persist_all();
  apply_all();
  EXPECT_EQ(replica->waiting(), 0u);
  EXPECT_EQ(probe.read_indexes, 0);
  replica->read_index(now, now + milliseconds(500), [](const ReadResult&) {});
  replica->carry_out(now);
  EXPECT_EQ(probe.read_indexes, 1);
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

TEST_F(ReplicaTest, ManyReadsShareOneQuestionToTheLeader) {
  start(3);
  heartbeat(2, 1);
  int answered = 0;
  for (int i = 0; i < 5; ++i)
    replica->read_index(now, now + milliseconds(500), [&](const ReadResult& result) {
      EXPECT_FALSE(result.failure);
      ++answered;
    });
  replica->carry_out(now);
  auto questions = transport.take<ReadIndexRequest>();
  ASSERT_EQ(questions.size(), 1u);
  replica->on_message(now, NodeId{2}, ReadIndexReply{99, questions[0].id + 1000, true, Index{0}});
  EXPECT_EQ(answered, 0) << "the answer to another question";
  replica->on_message(now, NodeId{2}, ReadIndexReply{99, questions[0].id, true, Index{1}});
  replica->carry_out(now);
  EXPECT_EQ(answered, 0) << "index 1 is not applied here";
  append(2, 1, 1, "");
  EXPECT_EQ(answered, 5);
}

TEST_F(ReplicaTest, AnUnansweredQuestionIsAskedAgainUnderAnotherId) {
  start(3);
  heartbeat(2, 1);
  replica->read_index(now, now + milliseconds(900), [](const ReadResult&) {});
  replica->carry_out(now);
  const auto first = transport.take<ReadIndexRequest>();
  ASSERT_EQ(first.size(), 1u);
  for (int i = 0; i < 5; ++i) {
    heartbeat(2, 1);
    pass(milliseconds(50));
  }
  const auto second = transport.take<ReadIndexRequest>();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_NE(first[0].id, second[0].id);
}

TEST_F(ReplicaTest, ALateAnswerToAnEarlierAskingServesTheReadsThatWait) {
  start(3);
  heartbeat(2, 1);
  int first = 0, second = 0;
  replica->read_index(now, now + milliseconds(2000), [&](const ReadResult& result) { first += !result.failure; });
  replica->carry_out(now);
  const auto asked = transport.take<ReadIndexRequest>();
  ASSERT_EQ(asked.size(), 1u);
  for (int i = 0; i < 5; ++i) {
    heartbeat(2, 1);
    pass(milliseconds(50));
  }
  replica->read_index(now, now + milliseconds(2000), [&](const ReadResult& result) { second += !result.failure; });
  replica->carry_out(now);
  ASSERT_EQ(transport.take<ReadIndexRequest>().size(), 1u) << "asked again, and nothing of the new read yet";
  replica->on_message(now, NodeId{2}, ReadIndexReply{99, asked[0].id, true, Index{0}});
  replica->carry_out(now);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 0) << "that answer may be older than the second read";
  const auto next = transport.take<ReadIndexRequest>();
  ASSERT_EQ(next.size(), 1u);
  replica->on_message(now, NodeId{2}, ReadIndexReply{99, next[0].id, true, Index{0}});
  replica->carry_out(now);
  EXPECT_EQ(second, 1);
}

TEST_F(ReplicaTest, AQuestionThatNobodyWaitsForIsDropped) {
  start(3);
  heartbeat(2, 1);
  replica->read_index(now, now + milliseconds(100), [](const ReadResult&) {});
  replica->carry_out(now);
  EXPECT_EQ(transport.take<ReadIndexRequest>().size(), 1u);
  for (int i = 0; i < 20; ++i) {
    heartbeat(2, 1);
    pass(milliseconds(50));
  }
  EXPECT_TRUE(transport.take<ReadIndexRequest>().empty());
}

TEST_F(ReplicaTest, WaitsThatExpiredLeaveNothingBehind) {
  start(3);
  heartbeat(2, 1);
  for (std::uint64_t i = 0; i < 10; ++i) {
    int answers = 0;
    replica->wait_revision(now, storage::Revision(1'000'000 + i), now + milliseconds(20),
                           [&](const ReadResult&) { ++answers; });
    pass(milliseconds(40));
    EXPECT_EQ(answers, 1);
    EXPECT_EQ(replica->reads_held_back(), 0u);
  }
}

TEST_F(ReplicaTest, WhatAnImageThatIsBeingMadeLeavesOutStaysInTheLog) {
  lead_of_three();
  write(1);
  acknowledge(2);
  apply_all();
  const Index held = replica->core().applied_index();
  ASSERT_EQ(held, Index{2});
  replica->on_durable_state(now, held);
  ASSERT_EQ(log.compacted, held) << "node 3 has not been heard of: nothing waits for it";
  log.forget(held);
  replica->on_log_compacted(now, held);
  answer_heartbeats(3);
  ASSERT_EQ(snapshots.images_wanted, std::vector<NodeId>{NodeId{3}});
  write(2);
  acknowledge(2);
  apply_all();
  replica->on_durable_state(now, replica->core().applied_index());
  EXPECT_EQ(log.compacted, held) << "the image may stand at 2, and then node 3 needs entry 3";
  replica->on_image(now, NodeId{3}, {}, {}, "");
  replica->on_durable_state(now, replica->core().applied_index());
  EXPECT_EQ(log.compacted, Index{3}) << "no image was made: nobody needs it";
}

TEST_F(ReplicaTest, AFollowerThatIsBehindDoesNotHoldTheLogOnADiskWithoutRoom) {
  lead_of_three();
  acknowledge(3);
  write(1);
  acknowledge(2);
  apply_all();
  replica->on_durable_state(now, Index{2});
  EXPECT_EQ(log.compacted, Index{1}) << "node 3 is there, and needs entry 2";
  replica->on_log_compacted(now, Index{1});
  replica->on_disk_low(now, true);
  replica->on_durable_state(now, Index{2});
  EXPECT_EQ(log.compacted, Index{2});
}

TEST_F(ReplicaTest, APeerThatLostWhatItAcknowledgedIsDistrustedForGood) {
  lead_of_three();
  write(1);
  acknowledge(3);
  raft::AppendReply refusal;
  refusal.term = replica->core().term();
  refusal.sequence = 1000;
  refusal.last_index = Index{1};
  replica->on_message(now, NodeId{3}, raft::Message(refusal));
  replica->carry_out(now);
  EXPECT_EQ(log.distrusted, std::vector<NodeId>{NodeId{3}});
}

TEST_F(ReplicaTest, ALogOfEarlierRunsIsCompactedThoughThisRunWroteNothingOut) {
  log.entries_ = {{Term{1}, Index{1}, raft::EntryKind::noop, raft::make_payload("")},
                  {Term{1}, Index{2}, raft::EntryKind::noop, raft::make_payload("")}};
  hard_state = {Term{1}, NodeId{1}};
  applied = Index{2};
  start(3);
  pass(milliseconds(10'000));
  EXPECT_EQ(log.compacted, Index{2});
}

TEST_F(ReplicaTest, AnInstallIsHurriedWhenItsSourceIsGoneOrLeadsNoLonger) {
  start(3);
  heartbeat(2, 1);
  raft::InstallSnapshot offer;
  offer.term = Term{1};
  offer.meta = {Index{10}, Term{1}, replica->core().configuration(), Index{0}};
  offer.snapshot_id = "image";
  replica->on_message(now, NodeId{2}, raft::Message(offer));
  replica->carry_out(now);
  ASSERT_EQ(snapshots.installs.size(), 1u);
  EXPECT_EQ(snapshots.hurried, 0);
  replica->on_unreachable(now, NodeId{3});
  EXPECT_EQ(snapshots.hurried, 0) << "not its source";
  replica->on_unreachable(now, NodeId{2});
  EXPECT_EQ(snapshots.hurried, 1);
  heartbeat(3, 2);
  EXPECT_EQ(snapshots.hurried, 2);
  replica->on_install_failed(now);
  replica->on_unreachable(now, NodeId{2});
  EXPECT_EQ(snapshots.hurried, 2) << "there is no install any more";
}

TEST_F(ReplicaTest, WithoutRoomPutsAreRefusedAndDeletesAreNot) {
  start(1);
  persist_all();
  apply_all();
  replica->on_disk_low(now, true);
  write(1, true);
  ASSERT_TRUE(writes.contains(1));
  EXPECT_EQ(writes[1].failure, Failure::disk_full);
  EXPECT_TRUE(writes[1].not_applied);
  write(2, false);
  persist_all();
  apply_all();
  ASSERT_TRUE(writes.contains(2));
  EXPECT_FALSE(writes[2].failure);
  replica->on_disk_low(now, false);
  write(3, true);
  persist_all();
  apply_all();
  ASSERT_TRUE(writes.contains(3));
  EXPECT_FALSE(writes[3].failure);
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

}  // namespace
}  // namespace tenaz::server
