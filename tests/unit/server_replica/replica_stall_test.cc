// The host loop and a log writer that gets nowhere.
#include "tests/unit/server_replica/support.h"

namespace tenaz::server {
namespace {

class StallTest : public ReplicaTest {
 protected:
  // Writes 1: appended here and acknowledged by both others, with nothing durable here.
  void stalled_leader() {
    lead_of_three();
    acknowledge(3);
    transport.sent.clear();
    write(1);
    for (const std::uint64_t peer : {2U, 3U}) say_durable(peer);
  }
  void say_durable(std::uint64_t peer) {
    raft::AppendReply reply;
    reply.term = replica->core().term();
    reply.accepted = true;
    reply.match = reply.last_index = replica->core().last_index();
    replica->on_message(now, NodeId(peer), raft::Message(reply));
    replica->carry_out(now);
  }
  std::size_t timeout_nows() {
    std::size_t count = 0;
    for (const auto& message : transport.take<raft::Message>())
      count += std::holds_alternative<raft::TimeoutNow>(message);
    return count;
  }
  void pass_awake(raft::Duration time) {
    const raft::Instant until = now + time;
    while (now < until) {
      now = std::min(until, std::max(now + milliseconds(1), replica->deadline()));
      replica->tick(now);
      replica->carry_out(now);
    }
  }
};

TEST_F(StallTest, ALeaderHandsOverWhenItsDiskDoesNotAnswer) {
  stalled_leader();
  pass_awake(options.raft.disk_stall_timeout - milliseconds(1));
  EXPECT_EQ(timeout_nows(), 0u);
  EXPECT_FALSE(replica->status(now).disk_stalled);
  pass_awake(milliseconds(1));
  EXPECT_EQ(timeout_nows(), 1u);
  EXPECT_TRUE(replica->status(now).disk_stalled);
  EXPECT_EQ(probe.stalls, std::vector<bool>{true});
}

TEST_F(StallTest, AndSaysWhyItSteppedDown) {
  stalled_leader();
  pass_awake(milliseconds(300));
  raft::VoteRequest vote;
  vote.term = Term{2};
  vote.last_index = Index{2};
  vote.last_term = Term{1};
  vote.transfer = true;
  replica->on_message(now, NodeId{2}, raft::Message(vote));
  replica->carry_out(now);
  EXPECT_EQ(replica->core().role(), raft::Role::follower);
  EXPECT_EQ(probe.stepdowns, std::vector<std::string>{"disk_stalled"});
}

TEST_F(StallTest, ItLeadsOnOnceTheDiskAnswers) {
  stalled_leader();
  pass_awake(milliseconds(300));
  persist_all();
  EXPECT_FALSE(replica->status(now).disk_stalled);
  EXPECT_EQ(probe.stalls, (std::vector<bool>{true, false}));
  apply_all();
  EXPECT_TRUE(writes.contains(1) && !writes[1].failure);
}

TEST_F(StallTest, AProcessThatWasStoppedDoesNotBlameTheDisk) {
  stalled_leader();
  now += std::chrono::seconds(20);
  replica->tick(now);
  EXPECT_FALSE(replica->status(now).disk_stalled);
  persist_all();
  EXPECT_EQ(probe.stalls, std::vector<bool>{});
}

// For a second clients merely wait; then what cannot have happened is refused, and what may have waits on.
TEST_F(StallTest, ClientsAreSentElsewhere) {
  patience = milliseconds(9000);
  stalled_leader();
  write(2);
  write(3);
  write(4);
  std::optional<Failure> read;
  int reads = 0;
  replica->read_index(now, now + std::chrono::seconds(9), [&](const ReadResult& result) {
    ++reads;
    read = result.failure;
  });
  replica->carry_out(now);
  for (const std::uint64_t peer : {2U, 3U}) {
    for (const auto& message : transport.take<raft::Message>())
      if (const auto* beat = std::get_if<raft::Heartbeat>(&message))
        for (const std::uint64_t each : {2U, 3U})
          replica->on_message(now, NodeId(each), raft::Message(raft::HeartbeatReply{Term{1}, beat->round}));
    say_durable(peer);
  }
  pass_awake(milliseconds(900));
  EXPECT_TRUE(writes.empty());
  EXPECT_EQ(reads, 0);
  pass_awake(milliseconds(100));
  EXPECT_EQ(reads, 1);
  EXPECT_EQ(read, Failure::disk_stalled);
  write(5);
  ASSERT_TRUE(writes.contains(5));
  EXPECT_EQ(writes[5].failure, Failure::disk_stalled);
  EXPECT_TRUE(writes[5].not_applied);
  EXPECT_FALSE(writes.contains(1)) << "is in the log";
  ASSERT_TRUE(writes.contains(4));
  EXPECT_EQ(writes[4].failure, Failure::disk_stalled);
  EXPECT_TRUE(writes[4].not_applied);
  persist_all();
  write(6);
  EXPECT_FALSE(writes.contains(6)) << "the disk answers again";
}

// What this node has applied it may read, whatever its disk does.
TEST_F(StallTest, AReadThatNeedsNothingOfTheDiskIsServed) {
  start(3);
  heartbeat(2, 1);
  append(2, 1, 1, "");
  raft::AppendRequest request;
  request.term = Term{1};
  request.prev_index = Index{1};
  request.prev_term = Term{1};
  request.commit = Index{1};
  request.entries.push_back({Term{1}, Index{2}, raft::EntryKind::noop, raft::make_payload("")});
  replica->on_message(now, NodeId{2}, raft::Message(request));
  replica->carry_out(now);
  for (int i = 0; i < 30; ++i) {
    replica->on_message(now, NodeId{2}, raft::Message(raft::Heartbeat{Term{1}, Index{1}, 1}));
    pass_awake(milliseconds(50));
  }
  ASSERT_TRUE(replica->status(now).disk_stalled);
  const auto ask = [&](Index index) {
    std::optional<ReadResult> got;
    replica->read_index(now, now + std::chrono::seconds(1), [&got](const ReadResult& result) { got = result; });
    replica->carry_out(now);
    const auto questions = transport.take<ReadIndexRequest>();
    EXPECT_EQ(questions.size(), 1u);
    replica->on_message(now, NodeId{2}, ReadIndexReply{99, questions.at(0).id, true, index});
    EXPECT_TRUE(got);
    return got.value_or(ReadResult{}).failure;
  };
  EXPECT_EQ(ask(Index{1}), std::nullopt);
  EXPECT_EQ(ask(Index{2}), Failure::disk_stalled);
}

}  // namespace
}  // namespace tenaz::server
