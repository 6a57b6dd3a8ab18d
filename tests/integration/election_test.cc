// Clusters of every size elect, agree, and serve any request at any node.
#include <gtest/gtest.h>

#include "tests/integration/harness/cluster.h"

namespace tenaz::harness {
namespace {

class Elects : public ::testing::TestWithParam<int> {};

TEST_P(Elects, OneLeaderThatAllAgreeOn) {
  Cluster cluster(GetParam());
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  int leading = 0;
  for (const int id : cluster.ids()) leading += cluster.role(id) == "leader" ? 1 : 0;
  EXPECT_EQ(leading, 1);
  cluster.expect_one_leader_per_term();
}

TEST_P(Elects, AnyNodeTakesAnyRequest) {
  Cluster cluster(GetParam());
  cluster.start_all();
  ASSERT_NE(cluster.wait_leader(), 0);
  for (const int writer : cluster.ids()) {
    ASSERT_TRUE(cluster.wait_ready(writer));
    const std::string key = "from/" + std::to_string(writer);
    const auto created = cluster.request(writer, "PUT", "/v1/kv/" + key, "one");
    ASSERT_TRUE(created);
    EXPECT_EQ(created->status, 201u) << created->body;
    for (const int reader : cluster.ids()) {
      EXPECT_EQ(cluster.get(reader, key), "one") << "written at " << writer << ", read at " << reader;
    }
    const auto removed = cluster.request(writer, "DELETE", "/v1/kv/" + key);
    ASSERT_TRUE(removed);
    EXPECT_EQ(removed->status, 200u) << removed->body;
    for (const int reader : cluster.ids()) {
      const auto gone = cluster.request(reader, "GET", "/v1/kv/" + key);
      ASSERT_TRUE(gone);
      EXPECT_EQ(gone->code(), "not_found") << "deleted at " << writer << ", read at " << reader;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Nodes, Elects, ::testing::Values(1, 2, 3, 5, 7));

TEST(Election, APausedLeaderIsReplacedAndLearnsOfIt) {
  Cluster cluster(3);
  cluster.start_all();
  const int old = cluster.wait_leader();
  ASSERT_NE(old, 0);
  cluster.pause(old);
  const int next = cluster.wait_leader();
  ASSERT_NE(next, 0);
  EXPECT_NE(next, old);
  ASSERT_TRUE(cluster.put(next, "while/paused", "written"));
  cluster.resume(old);
  // It may answer from its own state only what is still true: a linearizable read there sees the write.
  EXPECT_TRUE(eventually([&] { return cluster.get(old, "while/paused") == "written"; }));
  const auto stale = cluster.request(old, "GET", "/v1/kv/while/paused");
  ASSERT_TRUE(stale);
  EXPECT_EQ(stale->body, "written");
  cluster.expect_one_leader_per_term();
}

TEST(Election, WithoutAMajorityNothingIsAcknowledged) {
  Cluster cluster(3);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  for (const int id : cluster.ids()) {
    if (id != leader) cluster.kill(id);
  }
  const auto write = cluster.request(leader, "PUT", "/v1/kv/lonely?timeout=2s", "x");
  ASSERT_TRUE(write);
  EXPECT_GE(write->status, 500u) << write->body;
  const auto read = cluster.request(leader, "GET", "/v1/kv/lonely?timeout=2s");
  ASSERT_TRUE(read);
  EXPECT_GE(read->status, 500u) << "a linearizable read without a majority: " << read->body;
  const auto local = cluster.request(leader, "GET", "/v1/kv/lonely?consistency=local");
  ASSERT_TRUE(local);
  EXPECT_EQ(local->status, 404u) << local->body;
  // Check-quorum: it does not go on calling itself leader.
  EXPECT_TRUE(eventually([&] { return cluster.role(leader) != "leader"; }));
}

}  // namespace
}  // namespace tenaz::harness
