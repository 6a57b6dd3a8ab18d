// The calls of the teaching programs that this system grew from, on a real cluster, and what was wrong with their
// answers (hazards R1 to R12): here success means committed, and the leader is the leader.
#include <gtest/gtest.h>

#include <boost/json/object.hpp>

#include "tests/integration/harness/cluster.h"

namespace tenaz::harness {
namespace {

namespace json = boost::json;

const Headers kJson{{"Content-Type", "application/json"}};

json::object object_of(const std::optional<HttpAnswer>& answer) {
  if (!answer || !answer->json().is_object()) {
    ADD_FAILURE() << "not a JSON object: " << (answer ? answer->body : "no answer");
    return {};
  }
  return answer->json().as_object();
}

class Walkthrough : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.start_all();
    leader_ = cluster_.wait_leader();
    ASSERT_NE(leader_, 0);
    follower_ = leader_ % 3 + 1;
    for (const int id : cluster_.ids()) ASSERT_TRUE(cluster_.wait_ready(id));
  }

  Cluster cluster_{3};
  int leader_ = 0;
  int follower_ = 0;
};

TEST_F(Walkthrough, ClientRequestSetAndDelete) {
  const auto set = cluster_.request(follower_, "POST", "/client_request",
                                    R"({"command":{"type":"set","key":"x","value":10}})", kJson);
  ASSERT_TRUE(set);
  EXPECT_EQ(set->status, 200u) << set->body;
  EXPECT_EQ(object_of(set)["success"], json::value(true)) << set->body;
  // Success came after commit: every node gives it, and a number is stored as its JSON text.
  for (const int id : cluster_.ids()) EXPECT_EQ(cluster_.get(id, "x"), "10");

  const auto status = cluster_.request(leader_, "GET", "/status");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->status, 200u);
  json::object fields = object_of(status);
  EXPECT_EQ(fields["state_machine"].as_object()["x"], json::value(10)) << status->body;

  const auto removed =
      cluster_.request(leader_, "POST", "/client_request", R"({"command":{"type":"delete","key":"x"}})", kJson);
  ASSERT_TRUE(removed);
  EXPECT_EQ(object_of(removed)["success"], json::value(true)) << removed->body;
  EXPECT_EQ(cluster_.get(follower_, "x"), std::nullopt);
}

TEST_F(Walkthrough, SetAndGet) {
  const auto set = cluster_.request(leader_, "POST", "/set", R"({"key":"color","value":"green"})", kJson);
  ASSERT_TRUE(set);
  EXPECT_EQ(set->status, 200u) << set->body;
  const auto got = cluster_.request(follower_, "GET", "/get/color");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 200u) << got->body;
  EXPECT_EQ(object_of(got)["value"], json::value("green")) << got->body;
  const auto absent = cluster_.request(follower_, "GET", "/get/nothing");
  ASSERT_TRUE(absent);
  EXPECT_EQ(absent->status, 404u) << absent->body;
}

TEST_F(Walkthrough, Ping) {
  const auto ping = cluster_.request(leader_, "GET", "/ping?from=" + std::to_string(follower_));
  ASSERT_TRUE(ping);
  EXPECT_EQ(ping->status, 200u) << ping->body;
}

TEST_F(Walkthrough, BadInputIsRefusedAndChangesNothing) {
  const std::uint64_t revision = cluster_.number(leader_, "revision");
  const auto form = cluster_.request(leader_, "POST", "/set", "key=a&value=b",
                                     {{"Content-Type", "application/x-www-form-urlencoded"}});
  ASSERT_TRUE(form);
  EXPECT_GE(form->status, 400u);
  EXPECT_LT(form->status, 500u);
  for (const char* body : {"{", "[]", "{}", R"({"command":{"type":"explode","key":"x"}})", R"({"command":7})"}) {
    const auto bad = cluster_.request(leader_, "POST", "/client_request", body, kJson);
    ASSERT_TRUE(bad);
    EXPECT_EQ(bad->code(), "bad_json") << body << " -> " << bad->body;
  }
  EXPECT_EQ(cluster_.number(leader_, "revision"), revision);
}

// R4: the programs answered "accepted" before replication.
TEST_F(Walkthrough, NoSuccessWithoutAMajority) {
  for (const int id : cluster_.ids()) {
    if (id != leader_) cluster_.kill(id);
  }
  const auto set =
      cluster_.request(leader_, "POST", "/client_request", R"({"command":{"type":"set","key":"y","value":1}})", kJson);
  ASSERT_TRUE(set);
  json::object fields = object_of(set);
  EXPECT_NE(fields["success"], json::value(true)) << set->body;
}

// R5: the programs told clients that voted_for is the leader.
TEST_F(Walkthrough, StatusNamesTheLeader) {
  for (const int id : cluster_.ids()) {
    EXPECT_EQ(cluster_.number(id, "leader_id"), static_cast<std::uint64_t>(leader_)) << "node " << id;
  }
  EXPECT_EQ(cluster_.role(leader_), "leader");
  EXPECT_EQ(cluster_.role(follower_), "follower");
}

}  // namespace
}  // namespace tenaz::harness
