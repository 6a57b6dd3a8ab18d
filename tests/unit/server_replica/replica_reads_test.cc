// The host loop: reads, and what waits for the state to get somewhere.
#include <algorithm>

#include "tests/unit/server_replica/support.h"

namespace tenaz::server {
namespace {

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

// While the lease lasts the leader asks nobody, neither for its own clients nor for another node that asks for them.
TEST_F(ReplicaTest, ALeaseAnswersReadsHereAndQuestionsOfOthersAtOnce) {
  lease_reads = true;
  lead_of_three();
  EXPECT_FALSE(replica->status(now).lease_held);
  pass(milliseconds(50));
  const auto messages = transport.take<raft::Message>();
  const auto beat = std::find_if(messages.rbegin(), messages.rend(),
                                 [](const auto& m) { return std::holds_alternative<raft::Heartbeat>(m); });
  ASSERT_NE(beat, messages.rend());
  const raft::Instant sent = now;
  now += milliseconds(20);
  replica->on_message(
      now, NodeId{2},
      raft::Message(raft::HeartbeatReply{Term{1}, std::get<raft::Heartbeat>(*beat).round, milliseconds(250)}));
  replica->carry_out(now);
  EXPECT_TRUE(replica->status(now).lease_held);
  transport.sent.clear();

  int answered = 0;
  for (int i = 0; i < 3; ++i)
    replica->read_index(now, now + milliseconds(500), [&](const ReadResult& result) { answered += !result.failure; });
  replica->carry_out(now);
  EXPECT_EQ(answered, 3);
  replica->on_message(now, NodeId{3}, ReadIndexRequest{7, 70});
  replica->carry_out(now);
  const auto replies = transport.take<ReadIndexReply>();
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_TRUE(replies[0].confirmed);
  EXPECT_EQ(replies[0].index, replica->core().commit());
  EXPECT_EQ(probe.by_leases, 4u);
  EXPECT_TRUE(transport.sent.empty());

  // The process was stopped, and finds more reads when it goes on: the time is looked at anew.
  now = sent + milliseconds(225);
  EXPECT_FALSE(replica->status(now).lease_held);
  replica->read_index(now, now + milliseconds(500), [&](const ReadResult& result) { answered += !result.failure; });
  replica->on_message(now, NodeId{3}, ReadIndexRequest{7, 71});
  replica->carry_out(now);
  EXPECT_EQ(answered, 3);
  EXPECT_TRUE(transport.take<ReadIndexReply>().empty());
  EXPECT_EQ(probe.by_leases, 4u);
}

}  // namespace
}  // namespace tenaz::server
