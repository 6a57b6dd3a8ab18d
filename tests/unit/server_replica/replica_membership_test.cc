// Changes of the membership that clients wait for, on hand-driven ports.
#include "tests/unit/server_replica/support.h"

namespace tenaz::server {
namespace {

using raft::ChangeFault;
using raft::ChangeRefusal;

class ReplicaMembership : public ReplicaTest {
 protected:
  void ask(const raft::MembershipChange& change) {
    replica->change_membership(now, change, now + milliseconds(1000), [this](const ChangeResult& result) {
      EXPECT_FALSE(answer) << "answered twice";
      answer = result;
    });
    replica->carry_out(now);
  }
  static raft::AddMember add(std::uint64_t id) {
    return {{NodeId{id}, "n", "p" + std::to_string(id), "", "", false, {}}};
  }
  void follow(std::uint64_t leader) {
    start(3);
    heartbeat(leader, 1);
  }
  void reply(std::uint64_t from, std::uint64_t id,
             const std::variant<raft::Proposed, ChangeRefusal, ChangeFault>& what) {
    replica->on_message(now, NodeId{from}, ChangeReply{99, id, what});
    replica->carry_out(now);
  }
  // The leader's entry that adds node 4, committed as it arrives.
  void append_addition(std::uint64_t leader, std::uint64_t term, std::uint64_t index) {
    const auto next = raft::changed(replica->core().configuration(), add(4));
    raft::AppendRequest request;
    request.term = Term(term);
    request.prev_index = Index(index - 1);
    request.prev_term = log.term(Index(index - 1)).value();
    request.commit = Index(index);
    request.sequence = index;
    request.entries.push_back({Term(term), Index(index), raft::EntryKind::configuration,
                               raft::make_payload(raft::encode(std::get<raft::Configuration>(next)))});
    replica->on_message(now, NodeId(leader), raft::Message(request));
    replica->carry_out(now);
    persist_all();
    apply_all();
  }
  // An append of a no-op that is durable here, and not committed.
  void append_uncommitted(std::uint64_t leader, std::uint64_t term, std::uint64_t index) {
    raft::AppendRequest request{Term(term), Index(index - 1), log.term(Index(index - 1)).value(), {}, index, {}};
    request.entries.push_back({Term(term), Index(index), raft::EntryKind::noop, raft::empty_payload()});
    replica->on_message(now, NodeId(leader), raft::Message(request));
    replica->carry_out(now);
    persist_all();
  }

  std::optional<ChangeResult> answer;
};

TEST_F(ReplicaMembership, TheLeaderAnswersOnceItIsCommitted) {
  lead_of_three();
  ask(add(4));
  EXPECT_FALSE(answer);
  persist_all();
  EXPECT_FALSE(answer) << "its own disk is no majority";
  acknowledge(2);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->done());
  EXPECT_TRUE(raft::find_member(answer->configuration, NodeId{4}));
}

TEST_F(ReplicaMembership, ARemovalIsDoneOnceTheJointStepsAre) {
  lead_of_three();
  acknowledge(3);
  ask(raft::RemoveMember{NodeId{3}});
  acknowledge(2);
  EXPECT_FALSE(answer) << "joint, so far";
  acknowledge(2);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->done());
  EXPECT_EQ(answer->configuration.retired, std::vector{NodeId{3}});
}

TEST_F(ReplicaMembership, TheLeaderRefusesAtOnce) {
  lead_of_three();
  ask(raft::RemoveMember{NodeId{9}});
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->not_applied);
  EXPECT_EQ(std::get<ChangeFault>(answer->fault), ChangeFault::unknown_member);
  answer.reset();
  ask(add(4));
  EXPECT_FALSE(answer);
  bool second = false;
  replica->change_membership(now, add(5), now + milliseconds(1000), [&](const ChangeResult& result) {
    EXPECT_EQ(std::get<ChangeRefusal>(result.fault), ChangeRefusal::in_progress);
    second = true;
  });
  EXPECT_TRUE(second);
}

TEST_F(ReplicaMembership, AFollowerAsksTheLeaderOnceAndWaitsForItsOwnLog) {
  follow(2);
  append(2, 1, 1, "");
  ask(add(4));
  const auto asked = transport.take<ChangeRequest>();
  ASSERT_EQ(asked.size(), 1U);
  reply(2, asked[0].id, raft::Proposed{Term{1}, Index{2}});
  EXPECT_FALSE(answer);
  append_addition(2, 1, 2);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->done());
  EXPECT_TRUE(transport.take<ChangeRequest>().empty());
}

TEST_F(ReplicaMembership, TheOwnLogAnswersWhereTheLeadersAnswerIsLost) {
  follow(2);
  append(2, 1, 1, "");
  ask(add(4));
  append_addition(2, 1, 2);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->done());
}

// A node that joins later would take the first disk that shows up under an old member's id for the one that has voted.
TEST_F(ReplicaMembership, TheDisksOfTheFoundersAreRecordedWithTheFirstChange) {
  storage_ids = [](NodeId node) { return node == NodeId{3} ? std::string() : std::string(16, 'a'); };
  lead_of_three();
  ask(add(4));
  const auto& members = replica->core().configuration().members;
  EXPECT_EQ(members[0].storage_id, std::string(16, 'a'));
  EXPECT_EQ(members[1].storage_id, std::string(16, 'a'));
  EXPECT_EQ(members[2].storage_id, "") << "not met yet";
}

TEST_F(ReplicaMembership, WhatALeaderRefusesIsPassedOn) {
  follow(2);
  ask(add(4));
  const auto asked = transport.take<ChangeRequest>();
  ASSERT_EQ(asked.size(), 1U);
  reply(2, asked[0].id + 7, ChangeFault::id_retired);
  EXPECT_FALSE(answer) << "an answer to another question";
  reply(2, asked[0].id, ChangeFault::id_retired);
  ASSERT_TRUE(answer);
  EXPECT_EQ(std::get<ChangeFault>(answer->fault), ChangeFault::id_retired);
}

// Asked again only where nothing was appended: whoever was asked does not lead, or is not ready.
TEST_F(ReplicaMembership, AnotherLeaderIsAskedWhereTheFirstDoesNotLead) {
  follow(2);
  ask(add(4));
  const auto first = transport.take<ChangeRequest>();
  ASSERT_EQ(first.size(), 1U);
  reply(2, first[0].id, ChangeRefusal::not_leader);
  heartbeat(3, 2);
  pass(milliseconds(30));
  const auto second = transport.take<ChangeRequest>();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_NE(second[0].id, first[0].id);
  EXPECT_FALSE(answer);
}

TEST_F(ReplicaMembership, WithoutAnAnswerNobodyKnows) {
  follow(2);
  ask(add(4));
  heartbeat(3, 2);
  pass(milliseconds(500));
  heartbeat(3, 2);
  EXPECT_EQ(transport.take<ChangeRequest>().size(), 1U) << "what was sent may have been appended";
  pass(milliseconds(600));
  ASSERT_TRUE(answer);
  EXPECT_EQ(std::get<Failure>(answer->fault), Failure::timeout);
  EXPECT_FALSE(answer->not_applied);
}

TEST_F(ReplicaMembership, WithoutALeaderNothingHappens) {
  start(3);
  ask(add(4));
  pass(milliseconds(1001));
  ASSERT_TRUE(answer);
  EXPECT_EQ(std::get<Failure>(answer->fault), Failure::no_leader);
  EXPECT_TRUE(answer->not_applied);
}

TEST_F(ReplicaMembership, AnotherEntryInItsPlaceMeansThatItNeverWas) {
  follow(2);
  append(2, 1, 1, "");
  ask(add(4));
  const auto asked = transport.take<ChangeRequest>();
  reply(2, asked.at(0).id, raft::Proposed{Term{1}, Index{2}});
  append(3, 2, 2, "");
  ASSERT_TRUE(answer);
  EXPECT_EQ(std::get<Failure>(answer->fault), Failure::leader_changed);
  EXPECT_TRUE(answer->not_applied);
}

// What the disk holds there is an entry of an earlier leader, until the write that replaces it is done.
TEST_F(ReplicaMembership, WhatTheDiskStillHoldsInItsPlaceSaysNothing) {
  follow(2);
  append(2, 1, 1, "");
  append_uncommitted(2, 1, 2);
  append_uncommitted(2, 1, 3);
  heartbeat(3, 2);
  ask(raft::RemoveMember{NodeId{2}});
  const auto asked = transport.take<ChangeRequest>();
  ASSERT_EQ(asked.size(), 1U);
  reply(3, asked[0].id, raft::Proposed{Term{2}, Index{3}});

  const auto joint =
      std::get<raft::Configuration>(raft::changed(replica->core().configuration(), raft::RemoveMember{NodeId{2}}));
  raft::AppendRequest request{Term{2}, Index{1}, Term{1}, Index{3}, 1, {}};
  request.entries.push_back({Term{2}, Index{2}, raft::EntryKind::noop, raft::empty_payload()});
  request.entries.push_back(
      {Term{2}, Index{3}, raft::EntryKind::configuration, raft::make_payload(raft::encode(joint))});
  replica->on_message(now, NodeId{3}, raft::Message(request));
  replica->carry_out(now);
  ASSERT_EQ(replica->core().commit(), Index{3});
  ASSERT_EQ(log.term(Index{3}), Term{1});
  EXPECT_FALSE(answer) << "it is committed, and goes on";

  persist_all();
  apply_all();
  EXPECT_FALSE(answer) << "joint, so far";
  raft::AppendRequest last{Term{2}, Index{3}, Term{2}, Index{4}, 2, {}};
  last.entries.push_back(
      {Term{2}, Index{4}, raft::EntryKind::configuration, raft::make_payload(raft::encode(raft::left_joint(joint)))});
  replica->on_message(now, NodeId{3}, raft::Message(last));
  replica->carry_out(now);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->done());
}

TEST_F(ReplicaMembership, ALeaderAnswersOthers) {
  lead_of_three();
  replica->on_message(now, NodeId{2}, ChangeRequest{5, 6, add(4)});
  replica->carry_out(now);
  const auto replies = transport.take<ChangeReply>();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].boot, 5U);
  EXPECT_EQ(replies[0].id, 6U);
  EXPECT_EQ(std::get<raft::Proposed>(replies[0].result).index, Index{2});
}

TEST_F(ReplicaMembership, StoppingAnswersWhatWaits) {
  follow(2);
  ask(add(4));
  replica->stop(now);
  ASSERT_TRUE(answer);
  EXPECT_EQ(std::get<Failure>(answer->fault), Failure::stopping);
  EXPECT_FALSE(answer->not_applied) << "the leader was asked";
  answer.reset();
  ask(add(5));
  EXPECT_TRUE(answer->not_applied);
}

// A host that stops gives what waits a moment to be done.
TEST_F(ReplicaMembership, WhatWaitsIsCountedWhileThisNodeDrains) {
  lead_of_three();
  EXPECT_EQ(replica->waiting(), 0U);
  ask(add(4));
  replica->drain();
  EXPECT_EQ(replica->waiting(), 1U);
  acknowledge(2);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->done());
  EXPECT_EQ(replica->waiting(), 0U);
}

// Messages to those who are gone are not sent; who is to come is spoken with at once.
TEST_F(ReplicaMembership, TheTransportFollowsTheConfiguration) {
  lead_of_three();
  ask(add(4));
  EXPECT_EQ(transport.members.size(), 4U) << "in force when it is appended";
  acknowledge(2);
  acknowledge(3);
  answer.reset();
  ask(raft::PromoteMember{NodeId{2}});
  EXPECT_EQ(std::get<ChangeFault>(answer->fault), ChangeFault::not_a_learner);
  answer.reset();
  ask(raft::RemoveMember{NodeId{3}});
  acknowledge(2);
  EXPECT_EQ(transport.members.size(), 4U) << "it is gone once that is committed";
  acknowledge(2);
  EXPECT_EQ(transport.members.size(), 3U);
  EXPECT_EQ(transport.retired, std::vector{NodeId{3}});
  EXPECT_FALSE(replica->removed());
}

// What a deposed leader has in its log may be overwritten: a node that it tells of its removal would be gone for good.
TEST_F(ReplicaMembership, AfterAStartNobodyIsToldOfARemovalThatIsNotCommitted) {
  raft::Configuration without_third =
      raft::founding_configuration({{NodeId{1}, "", "", "", ""}, {NodeId{2}, "", "", "", ""}});
  without_third.retired = {NodeId{3}};
  log.entries_.push_back({Term{1}, Index{1}, raft::EntryKind::noop, raft::make_payload("")});
  log.entries_.push_back(
      {Term{1}, Index{2}, raft::EntryKind::configuration, raft::make_payload(raft::encode(without_third))});
  hard_state.term = Term{1};
  applied = Index{1};
  start(3);
  EXPECT_EQ(transport.members.size(), 3U);
  EXPECT_EQ(transport.retired, std::vector<NodeId>{});

  applied = Index{2};
  start(3);
  EXPECT_EQ(transport.members.size(), 2U);
  EXPECT_EQ(transport.retired, std::vector{NodeId{3}});
}

TEST_F(ReplicaMembership, ALeaderThatRemovesItselfKnowsIt) {
  lead_of_three();
  acknowledge(3);
  ask(raft::RemoveMember{NodeId{1}});
  acknowledge(2);
  acknowledge(3);
  EXPECT_FALSE(replica->removed());
  acknowledge(2);
  acknowledge(3);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->done());
  EXPECT_TRUE(replica->removed());
  EXPECT_EQ(replica->core().role(), raft::Role::learner);
}

}  // namespace
}  // namespace tenaz::server
