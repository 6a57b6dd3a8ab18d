// /v1/members and /v1/settings: what is taken, what is asked of the node, and every way in which it is refused.
#include "tests/unit/server_http/client.h"

namespace tenaz::server::test {
namespace {

using raft::NodeId;
constexpr std::string_view kJson = "Content-Type: application/json\r\n";
constexpr std::string_view kFourth = R"({"id":4,"peer":"10.0.0.4:7490","client":"10.0.0.4:7480"})";

class Members : public HttpTest {
 protected:
  Reply add(std::string_view body, std::string_view query = "") {
    return call("POST", "/v1/members" + std::string(query), kJson, body);
  }
  Reply promote(std::string_view id) { return call("POST", "/v1/members/" + std::string(id) + "/promote"); }
  Reply remove(std::string_view id) { return call("DELETE", "/v1/members/" + std::string(id)); }
  Reply set(std::string_view body) { return call("PUT", "/v1/settings", kJson, body); }

  template <class Fault>
  void refuse(Fault fault, bool not_applied = true, const std::string& detail = "") {
    ChangeResult result;
    result.fault = fault;
    result.not_applied = not_applied;
    result.detail = detail;
    node_->change_status([&](NodeStatus& status) { result.configuration = status.configuration; });
    node_->end_changes(result);
  }
  std::size_t asked() { return node_->changes().size(); }
  template <class Change>
  Change last() {
    const auto changes = node_->changes();
    return changes.empty() || !std::holds_alternative<Change>(changes.back()) ? Change{}
                                                                              : std::get<Change>(changes.back());
  }
};

TEST_F(Members, AreListedAsCommitted) {
  node_->change_status([](NodeStatus& status) {
    const raft::Member learner{NodeId{7}, "seven", "p:1", "c:1", "", true, NodeId{3}};
    auto& c = status.committed_configuration;
    c.learners = {NodeId{7}};
    c.members.push_back(learner);
    c.retired = {NodeId{4}, NodeId{6}};
    status.committed_configuration_index = raft::Index{11};
    status.configuration = {};  // not what is answered
  });
  const Reply reply = call("GET", "/v1/members");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.json(), boost::json::parse(R"({"members":[
    {"id":1,"name":"node-1","peer":"127.0.0.1:7491","client":"127.0.0.1:7481","role":"voter"},
    {"id":2,"name":"node-2","peer":"127.0.0.1:7492","client":"127.0.0.1:7482","role":"voter"},
    {"id":3,"name":"node-3","peer":"127.0.0.1:7493","client":"127.0.0.1:7483","role":"voter"},
    {"id":7,"name":"seven","peer":"p:1","client":"c:1","role":"learner","promote":true,"replaces":3}],
    "configuration_index":11,"joint":false,"retired":[4,6]})"));
  EXPECT_EQ(node_->read_indexes(), 1u) << "after a question to the leader";
  EXPECT_EQ(call("HEAD", "/v1/members").status, 200u);
}

TEST_F(Members, AJointConfigurationIsShownAsSuch) {
  node_->change_status([](NodeStatus& status) {
    status.committed_configuration.voters = {NodeId{1}, NodeId{2}};
    status.committed_configuration.outgoing = {NodeId{1}, NodeId{2}, NodeId{3}};
  });
  const auto shown = call("GET", "/v1/members").json();
  EXPECT_EQ(shown.at("joint"), true);
  EXPECT_EQ(shown.at("members").at(2).at("role"), "voter") << "until the change is through";
}

TEST_F(Members, LocalAsksNobody) {
  node_->fail_reads(Failure::no_leader);
  EXPECT_EQ(call("GET", "/v1/members").problem(), "no_leader");
  const std::size_t before = node_->read_indexes();
  EXPECT_EQ(call("GET", "/v1/members?consistency=local").status, 200u);
  EXPECT_EQ(call("GET", "/v1/settings?consistency=local").status, 200u);
  EXPECT_EQ(node_->read_indexes(), before);
  EXPECT_EQ(call("GET", "/v1/members?revision=3").problem(), "bad_parameter");
}

TEST_F(Members, AddingOne) {
  const Reply reply = add(R"({"id":4,"name":"four","peer":"h4:7490","client":"[::1]:7480"})", "?timeout=7s");
  EXPECT_EQ(reply.status, 201u);
  EXPECT_EQ(reply.json(), boost::json::parse(R"({"id":4,"name":"four","peer":"h4:7490","client":"[::1]:7480",
    "role":"learner","promote":true})"));
  const raft::Member asked = last<raft::AddMember>().member;
  EXPECT_EQ(asked.id, NodeId{4});
  EXPECT_EQ(asked.name, "four");
  EXPECT_TRUE(asked.promote);
  EXPECT_EQ(asked.replaces, NodeId{});
  EXPECT_GT(node_->last_timeout(), std::chrono::seconds(5));
  EXPECT_EQ(call("GET", "/v1/members").json().at("members").as_array().size(), 4u);
}

TEST_F(Members, AddingAReplacementOrALearner) {
  EXPECT_EQ(add(R"({"id":4,"peer":"h4:1","client":"h4:2","replaces":3})").member("replaces"), "3");
  EXPECT_EQ(last<raft::AddMember>().member.name, "node-4");
  EXPECT_EQ(last<raft::AddMember>().member.replaces, NodeId{3});
  const Reply learner = add(R"({"id":5,"peer":"h5:1","client":"h5:2","learner":true})");
  EXPECT_EQ(learner.member("promote"), "false");
  EXPECT_FALSE(last<raft::AddMember>().member.promote);
  EXPECT_EQ(add(R"({"id":9007199254740991,"peer":"h6:1","client":"h6:2","learner":false})").status, 201u);
  EXPECT_TRUE(last<raft::AddMember>().member.promote);
}

TEST_F(Members, PromotingAndRemoving) {
  add(R"({"id":4,"peer":"h4:1","client":"h4:2","learner":true})");
  Reply reply = promote("4");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.member("role"), "voter");
  EXPECT_EQ(reply.member("promote"), "(absent)");
  reply = remove("2");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.json().at("members").as_array().size(), 3u);
  EXPECT_EQ(reply.member("retired"), "[2]");
  EXPECT_EQ(reply.member("configuration_index"), "13");
}

TEST_F(Members, BadBodiesAreRefusedBeforeAnybodyIsAsked) {
  const std::string long_name(65, 'n');
  const std::string long_host(254, 'h');
  const std::vector<std::pair<std::string, std::string>> bodies = {
      {"", "not JSON"},
      {"[]", "object"},
      {"{}", "\"id\" is missing"},
      {R"({"id":4,"client":"h:2"})", "\"peer\" is missing"},
      {R"({"id":4,"peer":"h:1"})", "\"client\" is missing"},
      {R"({"id":0,"peer":"h:1","client":"h:2"})", "\"id\" must be a whole number from 1 to 9007199254740991"},
      {R"({"id":-4,"peer":"h:1","client":"h:2"})", "\"id\" must be"},
      {R"({"id":4.0,"peer":"h:1","client":"h:2"})", "\"id\" must be"},
      {R"({"id":"4","peer":"h:1","client":"h:2"})", "\"id\" must be"},
      {R"({"id":9007199254740992,"peer":"h:1","client":"h:2"})", "\"id\" must be"},
      {R"({"id":4,"peer":"h","client":"h:2"})", "\"peer\" must be a string host:port"},
      {R"({"id":4,"peer":7490,"client":"h:2"})", "\"peer\" must be"},
      {R"({"id":4,"peer":"0.0.0.0:7490","client":"h:2"})", "\"peer\" must be an address that others can call"},
      {R"({"id":4,"peer":"h:1","client":"[::]:7480"})", "\"client\" must be an address that others can call"},
      {R"({"id":4,"peer":"http://h:1","client":"h:2"})", "\"peer\" must be"},
      {R"({"id":4,"peer":")" + long_host + R"(:1","client":"h:2"})", "\"peer\" must be"},
      {R"({"id":4,"peer":"h:1","client":""})", "\"client\" must be"},
      {R"({"id":4,"peer":"h:1","client":"h:1"})", "\"client\" must differ"},
      {R"({"id":4,"peer":"h:1","client":"h:2","name":""})", "\"name\" must be"},
      {R"({"id":4,"peer":"h:1","client":"h:2","name":"a\nb"})", "\"name\" must be"},
      {R"({"id":4,"peer":"h:1","client":"h:2","name":")" + long_name + "\"}", "\"name\" must be"},
      {R"({"id":4,"peer":"h:1","client":"h:2","learner":1})", "\"learner\" must be true or false"},
      {R"({"id":4,"peer":"h:1","client":"h:2","replaces":"3"})", "\"replaces\" must be"},
      {R"({"id":4,"peer":"h:1","client":"h:2","voter":true})", "\"voter\" is not known here"},
  };
  for (const auto& [body, detail] : bodies) {
    const Reply reply = add(body);
    EXPECT_EQ(reply.status, 400u) << body;
    EXPECT_EQ(reply.problem(), "bad_json") << body;
    EXPECT_EQ(reply.member("outcome"), "not_applied");
    EXPECT_NE(reply.member("detail").find(detail), std::string::npos) << reply.body;
  }
  EXPECT_EQ(call("POST", "/v1/members", "", kFourth).status, 415u);
  EXPECT_EQ(add(kFourth, "?consistency=local").problem(), "bad_parameter");
  EXPECT_EQ(asked(), 0u);
}

TEST_F(Members, BadPathsAndMethods) {
  for (const char* id : {"0", "01", "x", "-1", "4x", "9007199254740992", "18446744073709551616", "%34"}) {
    for (const Reply& reply : {remove(id), promote(id)}) {
      EXPECT_EQ(reply.status, 400u) << id;
      EXPECT_EQ(reply.problem(), "bad_parameter") << id;
      EXPECT_EQ(reply.member("parameter"), "id");
      EXPECT_EQ(reply.member("outcome"), "not_applied");
    }
  }
  for (const char* target : {"/v1/members/", "/v1/members/4/", "/v1/members/4/demote", "/v1/members/4/promote/",
                             "/v1/members//promote", "/v1/membersx"}) {
    EXPECT_EQ(call("POST", target).problem(), "no_such_route") << target;
  }
  EXPECT_EQ(call("DELETE", "/v1/members").header("allow"), "GET, HEAD, POST");
  EXPECT_EQ(call("GET", "/v1/members/4").header("allow"), "DELETE");
  EXPECT_EQ(call("DELETE", "/v1/members/4/promote").header("allow"), "POST");
  EXPECT_EQ(call("DELETE", "/v1/settings").header("allow"), "GET, HEAD, PUT");
  EXPECT_EQ(asked(), 0u);
}

TEST_F(Members, WhatIsWrongWithAMemberIsNamed) {
  struct Case {
    std::string_view body;
    unsigned status;
    std::string_view code;
    std::string_view detail;
  };
  node_->change_status([](NodeStatus& status) { status.configuration.retired = {NodeId{9}}; });
  const Case cases[] = {
      {R"({"id":2,"peer":"h:1","client":"h:2"})", 409, "member_id_taken", "node 2 is a member already"},
      {R"({"id":9,"peer":"h:1","client":"h:2"})", 409, "member_id_taken", "ids are never used again"},
      {R"({"id":4,"peer":"127.0.0.1:7492","client":"h:2"})", 409, "member_address_taken",
       "127.0.0.1:7492 is an address of node 2"},
      {R"({"id":4,"peer":"h:1","client":"127.0.0.1:7483"})", 409, "member_address_taken",
       "127.0.0.1:7483 is an address of node 3"},
      {R"({"id":4,"peer":"h:1","client":"h:2","replaces":8})", 400, "bad_parameter", "node 8 does not vote"},
  };
  for (const Case& c : cases) {
    const Reply reply = add(c.body);
    EXPECT_EQ(reply.status, c.status) << c.body;
    EXPECT_EQ(reply.problem(), c.code) << c.body;
    EXPECT_EQ(reply.member("outcome"), "not_applied");
    EXPECT_NE(reply.member("detail").find(c.detail), std::string::npos) << reply.body;
  }
  EXPECT_EQ(add(cases[4].body).member("parameter"), "replaces");
  add(R"({"id":4,"peer":"h:1","client":"h:2","replaces":3})");
  const Reply twice = add(R"({"id":5,"peer":"i:1","client":"i:2","replaces":3})");
  EXPECT_EQ(twice.status, 409u);
  EXPECT_EQ(twice.problem(), "membership_change_in_progress");
  EXPECT_NE(twice.member("detail").find("node 4 is to replace node 3 already"), std::string::npos);
}

TEST_F(Members, WhatCannotBePromotedOrRemoved) {
  EXPECT_EQ(promote("9").status, 404u);
  EXPECT_EQ(promote("9").problem(), "not_found");
  EXPECT_EQ(remove("9").problem(), "not_found");
  EXPECT_EQ(remove("9").member("detail"), "node 9 is no member of this cluster");
  EXPECT_EQ(promote("2").problem(), "not_a_learner");
  EXPECT_EQ(promote("2").status, 409u);
  remove("3");
  EXPECT_EQ(remove("3").member("detail"), "node 3 was removed from this cluster");
  remove("2");
  const Reply last_one = remove("1");
  EXPECT_EQ(last_one.status, 409u);
  EXPECT_EQ(last_one.problem(), "would_lose_quorum");
  EXPECT_NE(last_one.member("detail").find("the only voter"), std::string::npos);
}

TEST_F(Members, TheLeadersReasonIsPassedOn) {
  refuse(raft::ChangeRefusal::would_lose_quorum, true, "no answer from 2");
  Reply reply = remove("3");
  EXPECT_EQ(reply.status, 409u);
  EXPECT_EQ(reply.problem(), "would_lose_quorum");
  EXPECT_TRUE(reply.member("detail").ends_with(": no answer from 2")) << reply.body;
  refuse(raft::ChangeRefusal::not_caught_up, true, "node 4 lacks 17 entries");
  reply = promote("4");
  EXPECT_EQ(reply.status, 409u);
  EXPECT_EQ(reply.problem(), "not_caught_up");
  EXPECT_TRUE(reply.member("detail").ends_with(": node 4 lacks 17 entries")) << reply.body;
  refuse(raft::ChangeRefusal::in_progress);
  reply = remove("3");
  EXPECT_EQ(reply.status, 409u);
  EXPECT_EQ(reply.problem(), "membership_change_in_progress");
  EXPECT_EQ(reply.member("outcome"), "not_applied");
}

TEST_F(Members, AnAddressAtWhichNoNewNodeWaits) {
  const std::tuple<AddressFault, std::string_view> cases[] = {{AddressFault::unreachable, "member_unreachable"},
                                                              {AddressFault::wrong_cluster, "wrong_cluster"},
                                                              {AddressFault::wrong_node, "wrong_node"},
                                                              {AddressFault::refused, "member_refused"}};
  for (const auto& [fault, code] : cases) {
    refuse(fault, true, "h:1 says no");
    const Reply reply = add(kFourth);
    EXPECT_EQ(reply.status, 400u);
    EXPECT_EQ(reply.problem(), code);
    EXPECT_EQ(reply.member("outcome"), "not_applied");
    EXPECT_TRUE(reply.member("detail").ends_with("h:1 says no")) << reply.body;
  }
}

TEST_F(Members, FailuresSayWhatBecameOfTheChange) {
  const std::tuple<Failure, bool, unsigned, std::string_view> cases[] = {
      {Failure::no_leader, true, 503, "no_leader"}, {Failure::timeout, true, 504, "timeout"},
      {Failure::timeout, false, 504, "timeout"},    {Failure::leader_changed, true, 503, "leader_changed"},
      {Failure::stopping, false, 503, "stopping"},  {Failure::not_ready, true, 503, "not_ready"},
      {Failure::joining, true, 503, "not_ready"},
  };
  for (const auto& [failure, not_applied, status, code] : cases) {
    refuse(failure, not_applied);
    for (const Reply& reply : {add(kFourth), promote("2"), remove("2"), set(R"({"lease_reads":true})")}) {
      EXPECT_EQ(reply.status, status);
      EXPECT_EQ(reply.problem(), code);
      EXPECT_EQ(reply.member("outcome"), not_applied ? "not_applied" : "unknown");
    }
  }
  // Before anything was asked for.
  node_->end_changes(std::nullopt);
  node_->fail_reads(Failure::no_leader);
  const Reply reply = add(kFourth);
  EXPECT_EQ(reply.problem(), "no_leader");
  EXPECT_EQ(reply.member("outcome"), "not_applied");
}

TEST_F(Members, ABreakdownLeavesTheOutcomeOpen) {
  port();
  node_->break_down();
  const Reply reply = remove("2");
  EXPECT_EQ(reply.problem(), "internal");
  EXPECT_EQ(reply.member("outcome"), "unknown");
}

TEST_F(Members, Settings) {
  EXPECT_EQ(call("GET", "/v1/settings").body, "{\"lease_reads\":false}\n");
  const Reply reply = set(R"({"lease_reads":true})");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.body, "{\"lease_reads\":true}\n");
  EXPECT_TRUE(last<raft::SetLeaseReads>().on);
  EXPECT_EQ(call("GET", "/v1/settings").body, "{\"lease_reads\":true}\n");
  EXPECT_EQ(call("GET", "/v1/status").member("lease_reads"), "true");
  EXPECT_EQ(set(R"({"lease_reads":false})").body, "{\"lease_reads\":false}\n");
  for (const char* body : {"", "{}", R"({"lease_reads":1})", R"({"lease_reads":true,"x":1})", R"("on")"}) {
    EXPECT_EQ(set(body).problem(), "bad_json") << body;
  }
  EXPECT_EQ(call("PUT", "/v1/settings", "", "{}").status, 415u);
}

TEST_F(Members, RequestsAreCountedByRouteNotById) {
  remove("9");
  promote("8");
  const std::string metrics = call("GET", "/metrics").body;
  EXPECT_NE(metrics.find(R"(tenaz_http_requests_total{route="/v1/members/{id}",method="DELETE",code="404"} 1)"),
            std::string::npos)
      << metrics;
  EXPECT_NE(metrics.find(R"(route="/v1/members/{id}/promote")"), std::string::npos);
}

}  // namespace
}  // namespace tenaz::server::test
