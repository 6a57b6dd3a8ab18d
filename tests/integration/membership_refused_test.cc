// Changes of the membership that are refused: each with a reason, and nothing is changed.
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <thread>

#include "tests/integration/harness/cluster.h"

namespace tenaz::harness {
namespace {

const Headers kJson{{"Content-Type", "application/json"}};

class MembershipRefused : public ::testing::Test {
 protected:
  void start(int nodes, Settings settings = {}) {
    cluster_.emplace(nodes, std::move(settings));
    cluster_->start_all();
    leader_ = cluster_->wait_leader();
    ASSERT_NE(leader_, 0);
  }
  int follower() const { return leader_ % 3 + 1; }
  int other_follower() const { return follower() % 3 + 1; }

  // The leader has noticed that nothing comes from `id`.
  bool is_silent(int id) {
    const auto status = cluster_->status(cluster_->leader() != 0 ? cluster_->leader() : leader_);
    if (!status) return false;
    for (const auto& peer : status->at("peers").as_array())
      if (peer.at("id") == id) return peer.at("active") == false;
    return false;
  }

  std::string present() const { return cluster_->request(leader_, "GET", "/v1/members")->body; }

  // Refused so by the leader and by a follower, and nothing is changed by it.
  void expect(const std::function<std::optional<HttpAnswer>(int through)>& change, unsigned status,
              const std::string& code, const std::string& detail) {
    const std::string before = present();
    for (const int through : {leader_, follower()}) {
      if (!cluster_->running(through)) continue;
      const auto answer = change(through);
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->status, status) << answer->body;
      EXPECT_EQ(answer->code(), code) << answer->body;
      EXPECT_EQ(answer->outcome(), "not_applied");
      EXPECT_NE(answer->body.find(detail), std::string::npos) << answer->body;
    }
    EXPECT_EQ(present(), before);
  }
  void expect_addition(const std::string& body, unsigned status, const std::string& code, const std::string& detail) {
    expect([&](int through) { return cluster_->request(through, "POST", "/v1/members?timeout=5s", body, kJson); },
           status, code, detail);
  }

  std::optional<Cluster> cluster_;
  int leader_ = 0;
};

std::string text_of(const Address& address) {
  return address.host + ":" + std::to_string(address.port);
}

std::string member(int id, const Address& peer, const Address& client) {
  return "{\"id\":" + std::to_string(id) + ",\"peer\":\"" + text_of(peer) + "\",\"client\":\"" + text_of(client) +
         "\"}";
}

TEST_F(MembershipRefused, AddressesAtWhichNoNewNodeWaits) {
  start(3);
  const Address nobody = cluster_->free_address(), client = cluster_->free_address();
  expect_addition(member(4, nobody, client), 400, "member_unreachable", text_of(nobody));
  // Somebody listens there who does not speak the peers' protocol.
  Cluster other(1, {}, "other");
  other.start_all();
  ASSERT_EQ(other.wait_leader(), 1);
  expect_addition(member(4, other.http_address(1), client), 400, "member_unreachable",
                  "does not answer as a tenaz node");
  expect_addition(member(4, other.peer_address(1), client), 400, "wrong_cluster", "wrong cluster");

  const int fourth = cluster_->add_node();
  cluster_->start(fourth);
  ASSERT_TRUE(eventually([&] { return cluster_->logged(fourth, "joining cluster"); })) << cluster_->log(fourth);
  expect_addition(member(5, cluster_->peer_address(fourth), client), 400, "wrong_node", "node 5 was called, node 4");
  EXPECT_TRUE(other.put(1, "unharmed", "yes"));
}

TEST_F(MembershipRefused, IdsAndAddressesThatAreTaken) {
  start(3);
  const int fourth = cluster_->add_node();
  cluster_->start(fourth);
  const Address peer = cluster_->peer_address(fourth), client = cluster_->http_address(fourth);
  expect_addition(member(2, peer, client), 409, "member_id_taken", "node 2 is a member already");
  expect_addition(member(4, cluster_->peer_address(3), client), 409, "member_address_taken", "an address of node 3");
  expect_addition(member(4, peer, cluster_->http_address(1)), 409, "member_address_taken", "an address of node 1");
  expect_addition(member(4, peer, cluster_->peer_address(1)), 409, "member_address_taken", "an address of node 1");
  const std::string replaces = cluster_->member_json(fourth, ",\"replaces\":7");
  expect_addition(replaces, 400, "bad_parameter", "node 7 does not vote");

  // What a removed node had is free again, but not its id.
  ASSERT_TRUE(cluster_->admit(leader_, fourth));
  ASSERT_TRUE(cluster_->wait_voters(leader_, {1, 2, 3, 4}));
  expect_addition(member(4, peer, client), 409, "member_id_taken", "a member already");
  ASSERT_EQ(cluster_->remove_member(leader_, fourth)->status, 200u);
  ASSERT_EQ(cluster_->wait_exit(fourth), (Exit{5, 0}));
  expect_addition(member(4, peer, client), 409, "member_id_taken", "ids are never used again");
}

TEST_F(MembershipRefused, WhatWouldLoseTheQuorum) {
  start(3);
  const int dead = other_follower();
  cluster_->kill(dead);
  ASSERT_TRUE(eventually([&] { return is_silent(dead); })) << cluster_->log(leader_);
  const auto refused = [&](int through) { return cluster_->remove_member(through, follower()); };
  expect(refused, 409, "would_lose_quorum", "no answer from " + std::to_string(dead));
  EXPECT_TRUE(cluster_->put(leader_, "two", "of three still"));
  // Whom nobody misses may go.
  const auto removed = cluster_->remove_member(leader_, dead);
  ASSERT_TRUE(removed);
  EXPECT_EQ(removed->status, 200u) << removed->body;
}

TEST_F(MembershipRefused, TheLastVoterStays) {
  start(1);
  const int second = cluster_->add_node();
  ASSERT_TRUE(cluster_->admit(1, second, R"(,"learner":true)"));
  const auto refused = cluster_->remove_member(1, 1);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 409u);
  EXPECT_EQ(refused->code(), "would_lose_quorum");
  EXPECT_NE(refused->body.find("the only voter"), std::string::npos) << refused->body;
  EXPECT_TRUE(cluster_->put(1, "still", "there"));
}

TEST_F(MembershipRefused, WhoCannotBePromoted) {
  start(3);
  const auto promote = [&](int id) {
    return [this, id](int through) { return cluster_->promote_member(through, id); };
  };
  expect(promote(9), 404, "not_found", "node 9 is no member");
  expect(promote(2), 409, "not_a_learner", "node 2 votes already");
  const int learner = cluster_->add_node();
  ASSERT_TRUE(cluster_->admit(leader_, learner, R"(,"learner":true)"));
  ASSERT_TRUE(cluster_->wait_ready(learner));
  ASSERT_TRUE(cluster_->wait_caught_up(learner, leader_));
  // It was there once.
  cluster_->kill(learner);
  ASSERT_TRUE(eventually([&] { return is_silent(learner); }));
  expect(promote(learner), 409, "not_caught_up", "node 4 does not answer");
}

// Long timeouts, so that the leader stays one while nobody answers it.
TEST_F(MembershipRefused, ASecondChangeWhileOneIsUnderWay) {
  start(3, {{"raft.election_timeout_min", "\"5s\""}, {"raft.election_timeout_max", "\"10s\""}});
  for (const int id : {follower(), other_follower()}) cluster_->pause(id);
  std::optional<HttpAnswer> first;
  std::thread waiting([&] {
    first = cluster_->request(leader_, "PUT", "/v1/settings?timeout=60s", R"({"lease_reads":false})", kJson);
  });
  std::optional<HttpAnswer> second;
  const bool refused = eventually([&] {
    second = cluster_->request(leader_, "POST", "/v1/members/" + std::to_string(follower()) + "/promote?timeout=1s");
    return second && second->code() == "membership_change_in_progress";
  });
  for (const int id : {follower(), other_follower()}) cluster_->resume(id);
  waiting.join();
  EXPECT_TRUE(refused) << (second ? second->body : "no answer");
  EXPECT_EQ(second->status, 409u);
  EXPECT_EQ(second->outcome(), "not_applied");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->status, 200u) << first->body;
}

TEST_F(MembershipRefused, BadRequestsDoNoHarm) {
  start(1);
  const std::string before = present();
  for (const char* body : {"", "{", "[]", "{}", R"({"id":2})", R"({"id":"2","peer":"h:1","client":"h:2"})",
                           R"({"id":2,"peer":"h","client":"h:2"})", R"({"id":2,"peer":"h:1","client":"h:2","x":1})"}) {
    const auto answer = cluster_->request(1, "POST", "/v1/members", body, kJson);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 400u) << body;
    EXPECT_EQ(answer->code(), "bad_json") << body;
  }
  EXPECT_EQ(cluster_->request(1, "DELETE", "/v1/members/x")->code(), "bad_parameter");
  EXPECT_EQ(present(), before);
}

}  // namespace
}  // namespace tenaz::harness
