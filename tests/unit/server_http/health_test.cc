// /v1/status, /v1/leadership, /livez, /readyz, and what is no route.
#include "tests/unit/server_http/client.h"

namespace tenaz::server::test {
namespace {

using Health = HttpTest;
constexpr std::string_view kJson = "Content-Type: application/json\r\n";

TEST_F(Health, Status) {
  put("a", "1");
  const auto status = call("GET", "/v1/status").json().as_object();
  for (const char* name :
       {"node_id",   "name",        "cluster_id",  "version",      "role",          "term",      "voted_for",
        "leader_id", "first_index", "last_index",  "commit_index", "applied_index", "revision",  "compact_revision",
        "members",   "peers",       "lease_reads", "lease_held",   "joining",       "snapshots", "faults"}) {
    EXPECT_TRUE(status.contains(name)) << name;
  }
  EXPECT_EQ(status.at("role").as_string(), "leader");
  EXPECT_EQ(status.at("cluster_id").as_string(), "00112233445566778899aabbccddeeff");
  EXPECT_EQ(status.at("revision").to_number<int>(), 1);
  EXPECT_EQ(
      status.at("peers"),
      boost::json::parse(
          R"([{"id":2,"address":"127.0.0.1:7492","role":"voter","match_index":11,"lag_entries":1,"active":true,"suspicion":"unknown","phi":null}])"));
  EXPECT_EQ(status.at("members"), 3);
  EXPECT_EQ(status.at("joining"), false);
  EXPECT_FALSE(status.contains("hint"));
  EXPECT_EQ(call("GET", "/v1/status?x=1").problem(), "bad_parameter");
}

TEST_F(Health, StatusShowsImagesOnTheirWay) {
  EXPECT_EQ(call("GET", "/v1/status").json().at("snapshots"), boost::json::parse("[]"));
  node_->change_status([](NodeStatus& status) {
    status.snapshots = {{raft::NodeId{2}, Direction::out, raft::Index{9}, 1000, 4000, 0.5, 2000.4}};
  });
  EXPECT_EQ(call("GET", "/v1/status").json().at("snapshots"),
            boost::json::parse(R"([{"peer":2,"direction":"out","index":9,"bytes_done":1000,"bytes_total":4000,
                                    "seconds":0.5,"bytes_per_second":2000}])"));
  const std::string metrics = call("GET", "/metrics").body;
  EXPECT_NE(metrics.find("tenaz_raft_snapshot_in_progress{direction=\"out\"} 1\n"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("tenaz_raft_snapshot_in_progress{direction=\"in\"} 0\n"), std::string::npos);
}

TEST_F(Health, StatusTellsLearnersFromVoters) {
  node_->change_status([](NodeStatus& status) {
    status.configuration.voters = {raft::NodeId{1}, raft::NodeId{3}};
    status.configuration.learners = {raft::NodeId{2}};
  });
  EXPECT_EQ(call("GET", "/v1/status").json().at("peers").at(0).at("role"), "learner");
}

TEST_F(Health, ANodeThatWaitsToBeAdmittedSaysSo) {
  node_->change_status([](NodeStatus& status) {
    status.joining = true;
    status.configuration = status.committed_configuration = {};
    status.cluster_id.clear();
    status.peers.clear();
    status.raft.leader = {};
    status.raft.role = raft::Role::learner;
    status.quorum_reachable = false;
  });
  auto status = call("GET", "/v1/status").json();
  EXPECT_EQ(status.at("joining"), true);
  EXPECT_EQ(status.at("role"), "learner");
  EXPECT_TRUE(status.at("cluster_id").is_null());
  EXPECT_NE(status.at("hint").as_string().find("cluster.join"), std::string::npos);
  node_->change_status([](NodeStatus& s) { s.cluster_id = "00112233445566778899aabbccddeeff"; });
  EXPECT_NE(call("GET", "/v1/status").json().at("hint").as_string().find("POST /v1/members"), std::string::npos);
  EXPECT_EQ(call("POST", "/v1/leadership", kJson, "{}").problem(), "not_ready");
  const Reply ready = call("GET", "/readyz");
  EXPECT_EQ(ready.status, 503u);
  EXPECT_EQ(ready.member("failed"), R"(["member","leader","quorum"])");
  EXPECT_TRUE(ready.member("detail").starts_with("member: this node waits to be admitted")) << ready.body;
}

TEST_F(Health, OnlyALeaderKnowsHowFarPeersAre) {
  node_->change_status([](NodeStatus& status) { status.raft.role = raft::Role::follower; });
  EXPECT_TRUE(call("GET", "/v1/status").json().at("peers").at(0).at("match_index").is_null());
}

TEST_F(Health, Leadership) {
  Reply reply = call("POST", "/v1/leadership", kJson, R"({"to":2})");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.member("leader_id"), "2");
  reply = call("POST", "/v1/leadership", kJson, R"({"to":2})");  // it leads already
  EXPECT_EQ(reply.status, 200u);
}

TEST_F(Health, LeadershipRefused) {
  for (const char* body :
       {"", "{", "[]", R"({"to":"2"})", R"({"to":-1})", R"({"to":0})", R"({"to":9})", R"({"x":1})"}) {
    const Reply reply = call("POST", "/v1/leadership", kJson, body);
    EXPECT_EQ(reply.status, 400u) << body;
    EXPECT_EQ(reply.problem(), "bad_json") << body;
  }
  EXPECT_EQ(call("POST", "/v1/leadership", "", "{}").status, 415u);
  EXPECT_EQ(call("GET", "/v1/leadership").header("allow"), "POST");
}

TEST_F(Health, LeadershipThatCannotBeHandedOverIsToldFromOneThatWasNotInTime) {
  node_->end_transfers(TransferOutcome::failed);
  Reply reply = call("POST", "/v1/leadership", kJson, R"({"to":2})");
  EXPECT_EQ(reply.status, 504u);
  EXPECT_EQ(reply.problem(), "timeout");
  EXPECT_EQ(reply.member("leader_id"), "1");
  node_->end_transfers(TransferOutcome::refused);
  reply = call("POST", "/v1/leadership", kJson, "{}");
  EXPECT_EQ(reply.status, 503u);
  EXPECT_EQ(reply.problem(), "not_ready");
  EXPECT_EQ(reply.member("leader_id"), "1");
  EXPECT_EQ(reply.member("detail").find("in time"), std::string::npos);
  node_->change_status([](NodeStatus& status) { status.configuration.voters = {raft::NodeId{1}}; });
  reply = call("POST", "/v1/leadership", kJson, "{}");
  EXPECT_EQ(reply.status, 400u);
  EXPECT_NE(reply.member("detail").find("no other voter"), std::string::npos);
}

TEST_F(Health, NotReadyWithoutAState) {
  node_->change_status([](NodeStatus& status) { status.state_missing = true; });
  const Reply reply = call("GET", "/readyz");
  EXPECT_EQ(reply.status, 503u);
  EXPECT_EQ(reply.problem(), "not_ready");
  EXPECT_EQ(reply.member("detail"), "applied: the state is missing; it is fetched from another node");
}

TEST_F(Health, LivezAndReadyz) {
  EXPECT_EQ(call("GET", "/livez").body, "alive\n");
  EXPECT_EQ(call("GET", "/readyz").body, "ready\n");
  EXPECT_EQ(call("GET", "/readyz?verbose").body,
            "[+]member ok\n[+]leader ok\n[+]quorum ok\n[+]applied ok\n[+]disk ok\n[+]running ok\nready\n");
}

TEST_F(Health, ReadyzNamesWhatFails) {
  const std::pair<const char*, std::function<void(NodeStatus&)>> faults[] = {
      {"leader", [](NodeStatus& status) { status.raft.leader = raft::NodeId{}; }},
      {"quorum", [](NodeStatus& status) { status.quorum_reachable = false; }},
      {"applied", [](NodeStatus& status) { status.raft.commit = raft::Index{1'000'000}; }},
      {"disk", [](NodeStatus& status) { status.disk_low = true; }},
      {"running", [](NodeStatus& status) { status.stopping = true; }}};
  std::string all;
  for (const auto& [name, spoil] : faults) {
    node_->change_status(spoil);
    all += (all.empty() ? "[\"" : ",\"") + std::string(name) + "\"";
    const Reply reply = call("GET", "/readyz");
    EXPECT_EQ(reply.status, 503u);
    EXPECT_EQ(reply.problem(), "not_ready");
    EXPECT_EQ(reply.member("failed"), all + "]");
  }
  const Reply reply = call("GET", "/readyz?verbose");
  EXPECT_EQ(reply.status, 503u);
  EXPECT_NE(reply.body.find("[-]disk failed"), std::string::npos);
}

TEST_F(Health, NoSuchRoute) {
  for (const char* target : {"/", "/v1", "/v1/", "/v2/kv/a", "/v1/kvx", "/v1/status/", "/v1/members/", "/v1/settings/",
                             "/console/", "/get/", "/v1/detector", "/v1/compact/", "/V1/KV/a"}) {
    const Reply reply = call("GET", target);
    if (std::string_view(target) == "/get/") {
      EXPECT_EQ(reply.problem(), "bad_key");
      continue;
    }
    EXPECT_EQ(reply.status, 404u) << target;
    EXPECT_EQ(reply.problem(), "no_such_route") << target;
  }
}

}  // namespace
}  // namespace tenaz::server::test
