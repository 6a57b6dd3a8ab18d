// Nodes join and leave while the cluster serves; what a node does that was removed, or was away meanwhile.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/ledger.h"

namespace tenaz::harness {
namespace {

constexpr Exit kRemoved{5, 0};

// Moves leadership away from `from`, to `to` if it is given. The new leader; 0 with a test failure.
int hand_over(Cluster& cluster, int from, int to = 0) {
  const std::string body = to == 0 ? "{}" : "{\"to\":" + std::to_string(to) + "}";
  const bool done = eventually([&] {
    cluster.request(from, "POST", "/v1/leadership?timeout=10s", body, {{"Content-Type", "application/json"}});
    const int leader = cluster.leader();
    return to == 0 ? leader != 0 && leader != from : leader == to;
  });
  EXPECT_TRUE(done) << "leadership stays";
  return done ? cluster.wait_leader() : 0;
}

// It stops by itself, says why, and does so again whenever it is started.
void expect_removed(Cluster& cluster, int id) {
  EXPECT_EQ(cluster.wait_exit(id), kRemoved) << cluster.log(id);
  EXPECT_TRUE(cluster.logged(id, "this node was removed from the cluster")) << cluster.log(id);
  cluster.start(id);
  EXPECT_EQ(cluster.wait_exit(id), kRemoved) << cluster.log(id);
  EXPECT_TRUE(cluster.logged(id, "cannot start: node " + std::to_string(id) + " was removed from its cluster"))
      << cluster.log(id);
}

int remove_and_wait(Cluster& cluster, int through, int id) {
  const auto answer = cluster.remove_member(through, id);
  EXPECT_TRUE(answer && answer->status == 200) << (answer ? answer->body : "no answer") << cluster.log(through);
  return answer ? static_cast<int>(answer->status) : 0;
}

class Membership : public ::testing::Test {
 protected:
  void start(int nodes) {
    cluster_.emplace(nodes);
    cluster_->start_all();
    leader_ = cluster_->wait_leader();
    ASSERT_NE(leader_, 0);
  }
  int follower() const { return leader_ % 3 + 1; }
  int other_follower() const { return follower() % 3 + 1; }

  std::optional<Cluster> cluster_;
  int leader_ = 0;
};

// Every write goes to a node that stays, and waits for a leader: so it is refused only where an election overtakes it.
TEST(MembershipUnderLoad, GrowsFromOneToFiveAndBackWithoutLosingAWrite) {
  constexpr int kWriters = 4;
  constexpr std::uint64_t kSome = 100;
  Cluster cluster(1);
  cluster.start_all();
  ASSERT_EQ(cluster.wait_leader(), 1);
  Ledger ledger(cluster, kWriters, "ledger/", std::chrono::seconds(40));
  const std::uint64_t first_term = cluster.number(1, "term");
  ASSERT_TRUE(ledger.wait_progress(kSome));

  std::set<int> members{1};
  while (members.size() < 5) {
    const int id = cluster.add_node();
    ASSERT_TRUE(cluster.admit(1, id));
    members.insert(id);
    if (members.size() % 2 == 0) continue;  // two at a time
    ASSERT_TRUE(cluster.wait_voters(1, members));
    ledger.write_to({members.begin(), members.end()});
    ASSERT_TRUE(ledger.wait_progress(kSome)) << members.size() << " members";
  }

  while (members.size() > 1) {
    const int leader = cluster.wait_leader();
    ASSERT_NE(leader, 0);
    members.erase(leader);
    const std::vector<int> stay(members.begin(), members.end());
    ledger.write_to(stay);
    // The leader removes itself, or another is asked to see to it.
    ASSERT_EQ(remove_and_wait(cluster, members.size() % 2 == 0 ? leader : stay.front(), leader), 200);
    ASSERT_EQ(cluster.wait_exit(leader), kRemoved) << cluster.log(leader);
    ASSERT_TRUE(cluster.wait_voters(stay.front(), members));
    ASSERT_TRUE(ledger.wait_progress(kSome)) << members.size() << " members";
  }
  ledger.stop();
  const int last = *members.begin();
  ASSERT_EQ(cluster.wait_leader(), last);
  ledger.check(last);
  const std::uint64_t elections = cluster.number(last, "term") - first_term;
  EXPECT_LE(ledger.failures(), kWriters * elections) << "writes were refused though nobody was elected";
  EXPECT_GE(elections, 4u) << "four leaders were removed";
  cluster.expect_one_leader_per_term();
}

TEST_F(Membership, ALeaderRemovesItself) {
  start(3);
  ASSERT_TRUE(cluster_->put(leader_, "before", "removal"));
  const auto answer = cluster_->remove_member(leader_, leader_);
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->status, 200u) << answer->body;
  EXPECT_EQ(answer->json().at("members").as_array().size(), 2u);
  EXPECT_EQ(answer->json().at("retired"), (boost::json::array{leader_}));
  expect_removed(*cluster_, leader_);
  const int next = cluster_->wait_leader();
  ASSERT_NE(next, 0);
  EXPECT_NE(next, leader_);
  EXPECT_EQ(cluster_->get(next, "before"), "removal");
  EXPECT_EQ(cluster_->members(next).size(), 2u);
  cluster_->expect_one_leader_per_term();
}

TEST_F(Membership, ANodeThatIsAskedToRemoveItselfAnswers) {
  start(3);
  const auto answer = cluster_->remove_member(follower(), follower());
  ASSERT_TRUE(answer) << cluster_->log(follower());
  EXPECT_EQ(answer->status, 200u) << answer->body;
  EXPECT_EQ(answer->json().at("members").as_array().size(), 2u) << answer->body;
  expect_removed(*cluster_, follower());
  EXPECT_TRUE(cluster_->put(leader_, "two", "remain"));
}

TEST_F(Membership, AFollowerAnswersAsTheLeaderDoes) {
  start(3);
  const int fourth = cluster_->add_node();
  ASSERT_TRUE(cluster_->admit(follower(), fourth));
  ASSERT_TRUE(cluster_->wait_voters(other_follower(), {1, 2, 3, fourth}));
  for (const int through : {leader_, follower()}) {
    const auto taken = cluster_->add_member(through, fourth);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->status, 409u);
    EXPECT_EQ(taken->code(), "member_id_taken");
    const auto unknown = cluster_->promote_member(through, 9);
    ASSERT_TRUE(unknown);
    EXPECT_EQ(unknown->code(), "not_found") << unknown->body;
    EXPECT_EQ(unknown->outcome(), "not_applied");
  }
  ASSERT_EQ(remove_and_wait(*cluster_, follower(), fourth), 200);
  expect_removed(*cluster_, fourth);
}

TEST_F(Membership, ADeadNodeIsReplacedInOneChange) {
  start(3);
  const int dead = follower();
  ASSERT_TRUE(cluster_->put(leader_, "before", "replacement"));
  cluster_->kill(dead);
  const int fourth = cluster_->add_node();
  ASSERT_TRUE(cluster_->admit(leader_, fourth, ",\"replaces\":" + std::to_string(dead)));
  std::set<int> expected{leader_, other_follower(), fourth};
  ASSERT_TRUE(cluster_->wait_voters(leader_, expected));
  EXPECT_EQ(cluster_->get(fourth, "before"), "replacement");

  // Two of the three do, the new one among them.
  ASSERT_TRUE(cluster_->wait_caught_up(fourth, leader_));
  cluster_->kill(other_follower());
  EXPECT_TRUE(eventually([&] { return cluster_->put(fourth, "after", "replacement"); }));
  cluster_->start(other_follower());
  ASSERT_NE(cluster_->wait_leader(), 0);
  EXPECT_EQ(cluster_->get(other_follower(), "after"), "replacement");

  // The dead one comes back after all.
  cluster_->start(dead);
  expect_removed(*cluster_, dead);
  cluster_->expect_one_leader_per_term();
}

TEST_F(Membership, ANodeThatWasDownLearnsThatItWasRemoved) {
  start(3);
  const int away = follower();
  cluster_->kill(away);
  ASSERT_EQ(remove_and_wait(*cluster_, leader_, away), 200);
  cluster_->start(away);
  expect_removed(*cluster_, away);
  EXPECT_TRUE(cluster_->put(leader_, "undisturbed", "by it"));
  EXPECT_EQ(cluster_->wait_leader(), leader_);
}

// Of all whom the sleeper knows only one is left, and the leader is a stranger to it.
TEST_F(Membership, ANodeThatSleptThroughManyChangesFindsTheCluster) {
  start(3);
  const int sleeper = follower(), stays = other_follower();
  cluster_->kill(sleeper);
  const int fourth = cluster_->add_node();
  ASSERT_TRUE(cluster_->admit(stays, fourth));
  ASSERT_TRUE(cluster_->wait_voters(stays, {1, 2, 3, fourth}));
  ASSERT_EQ(remove_and_wait(*cluster_, stays, leader_), 200);
  ASSERT_EQ(cluster_->wait_exit(leader_), kRemoved);
  const int fifth = cluster_->add_node(), sixth = cluster_->add_node();
  for (const int id : {fifth, sixth}) ASSERT_TRUE(cluster_->admit(stays, id));
  ASSERT_TRUE(cluster_->wait_voters(stays, {sleeper, stays, fourth, fifth, sixth}));
  const int leader = cluster_->wait_leader();
  ASSERT_NE(leader, 0);
  if (leader == stays) {
    ASSERT_EQ(hand_over(*cluster_, stays, sixth), sixth);
  }
  ASSERT_TRUE(cluster_->put(stays, "while", "it slept"));

  cluster_->start(sleeper);
  ASSERT_TRUE(eventually([&] { return cluster_->get(sleeper, "while") == "it slept"; })) << cluster_->log(sleeper);
  EXPECT_EQ(cluster_->members(sleeper), cluster_->members(stays));
  EXPECT_TRUE(cluster_->put(sleeper, "awake", "again"));
  cluster_->expect_one_leader_per_term();
}

TEST_F(Membership, ALearnerStaysOneAndServesReadsUntilItIsPromoted) {
  start(3);
  const int learner = cluster_->add_node();
  ASSERT_TRUE(cluster_->admit(leader_, learner, R"(,"learner":true)"));
  ASSERT_TRUE(cluster_->wait_ready(learner));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(cluster_->put(leader_, "key", std::to_string(i)));
  EXPECT_EQ(cluster_->get(learner, "key"), "49") << "as of the leader, at once";
  EXPECT_TRUE(cluster_->put(learner, "through", "the learner"));
  ASSERT_TRUE(cluster_->wait_caught_up(learner, leader_));
  EXPECT_EQ(cluster_->role(learner), "learner");
  EXPECT_EQ(cluster_->members(learner)[learner], "learner");
  // It counts for nothing: three voters with two of them gone decide nothing, though two of four nodes are there.
  cluster_->kill(follower());
  cluster_->kill(other_follower());
  const auto write = cluster_->request(learner, "PUT", "/v1/kv/no?timeout=3s", "majority");
  ASSERT_TRUE(write);
  EXPECT_GE(write->status, 500u) << write->body;
  cluster_->start(follower());
  cluster_->start(other_follower());
  ASSERT_NE(leader_ = cluster_->wait_leader(), 0);

  std::optional<HttpAnswer> promoted;
  EXPECT_TRUE(eventually([&] {
    promoted = cluster_->promote_member(learner, learner);
    return promoted && (promoted->status == 200 || promoted->code() != "not_caught_up");
  }));
  ASSERT_TRUE(promoted);
  EXPECT_EQ(promoted->status, 200u) << promoted->body;
  EXPECT_TRUE(cluster_->wait_voters(leader_, {1, 2, 3, learner}));
}

TEST_F(Membership, AMemberThatJoinedComesBackByItsLogNotByItsFile) {
  start(1);
  const int second = cluster_->add_node();
  ASSERT_TRUE(cluster_->admit(1, second));
  ASSERT_TRUE(cluster_->wait_voters(1, {1, second}));
  // Whom it asked once is nowhere to be found.
  const Address nobody = cluster_->free_address();
  cluster_->set(second, "cluster.join", "[\"" + nobody.host + ":" + std::to_string(nobody.port) + "\"]");
  cluster_->kill_all();
  cluster_->start_all();
  ASSERT_NE(cluster_->wait_leader(), 0);
  EXPECT_TRUE(cluster_->put(second, "as", "before"));
  EXPECT_EQ(cluster_->status(1)->at("cluster_id"), cluster_->status(second)->at("cluster_id"));
}

TEST_F(Membership, ANodeThatWaitsToBeAdmittedSaysSo) {
  start(1);
  const int second = cluster_->add_node();
  cluster_->start(second);
  ASSERT_TRUE(eventually([&] {
    const auto status = cluster_->status(second);
    return status && status->at("joining").as_bool() && status->at("cluster_id").is_string();
  })) << cluster_->log(second);
  EXPECT_EQ(cluster_->role(second), "learner");
  EXPECT_NE(cluster_->status(second)->at("hint").as_string().find("POST /v1/members"), std::string::npos);
  const auto ready = cluster_->request(second, "GET", "/readyz");
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->status, 503u);
  EXPECT_NE(ready->body.find("waits to be admitted"), std::string::npos) << ready->body;
  const auto write = cluster_->request(second, "PUT", "/v1/kv/a?timeout=60s", "x");
  ASSERT_TRUE(write);
  EXPECT_EQ(write->code(), "not_ready") << write->body;
  EXPECT_EQ(write->outcome(), "not_applied");
  EXPECT_EQ(cluster_->request(second, "GET", "/v1/kv/a?timeout=60s")->code(), "not_ready");
  EXPECT_EQ(cluster_->remove_member(second, 1)->code(), "not_ready");

  // Also when it is started anew, before and after.
  cluster_->restart(second);
  ASSERT_TRUE(cluster_->admit(1, second));
  ASSERT_TRUE(cluster_->wait_voters(1, {1, second}));
  ASSERT_TRUE(cluster_->wait_ready(second));
  EXPECT_FALSE(cluster_->status(second)->at("joining").as_bool());
  EXPECT_EQ(cluster_->request(second, "GET", "/readyz")->status, 200u);
}

TEST_F(Membership, SettingsHoldForTheWholeCluster) {
  start(3);
  const Headers json{{"Content-Type", "application/json"}};
  const auto set = cluster_->request(follower(), "PUT", "/v1/settings?timeout=30s", R"({"lease_reads":true})", json);
  ASSERT_TRUE(set);
  ASSERT_EQ(set->status, 200u) << set->body;
  for (const int id : cluster_->ids())
    EXPECT_EQ(cluster_->request(id, "GET", "/v1/settings")->body, "{\"lease_reads\":true}\n") << id;
  cluster_->kill_all();
  cluster_->start_all();
  ASSERT_NE(cluster_->wait_leader(), 0);
  EXPECT_EQ(cluster_->request(1, "GET", "/v1/settings")->body, "{\"lease_reads\":true}\n");
  EXPECT_EQ(cluster_->status(1)->at("lease_reads"), true);
}

}  // namespace
}  // namespace tenaz::harness
