// A data directory belongs to one node of one cluster, and a voter to one disk (design: identity).
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <filesystem>
#include <memory>

#include "tests/integration/harness/cluster.h"

namespace tenaz::harness {
namespace {

namespace fs = std::filesystem;

// Stops by itself, with a message that holds `text` and the exit code that keeps a service manager from starting it
// again.
void expect_refused(Cluster& cluster, int id, const std::string& text) {
  const auto exit = cluster.wait_exit(id);
  ASSERT_TRUE(exit) << "node " << id << " runs on:\n" << cluster.log(id);
  EXPECT_EQ(*exit, (Exit{6, 0}));
  EXPECT_TRUE(cluster.logged(id, text)) << cluster.log(id);
}

TEST(Identity, AnotherNodesDirectoryIsRefused) {
  Cluster cluster(3);
  cluster.start_all();
  ASSERT_NE(cluster.wait_leader(), 0);
  cluster.kill_all();
  cluster.set_data_dir(1, cluster.data_dir(2));
  cluster.start(1);
  expect_refused(cluster, 1, "belongs to node 2");
}

TEST(Identity, AnotherClustersDirectoryIsRefused) {
  Cluster mine(1, {}, "mine"), other(1, {}, "other");
  other.start_all();
  ASSERT_EQ(other.wait_leader(), 1);
  other.kill_all();
  mine.set_data_dir(1, other.data_dir(1));
  mine.start(1);
  expect_refused(mine, 1, "of cluster");
}

TEST(Identity, ANewerFormatIsRefused) {
  Cluster cluster(1);
  cluster.start_all();
  ASSERT_EQ(cluster.wait_leader(), 1);
  cluster.kill(1);
  {
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, (cluster.data_dir(1) / "raft").string(), &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    const rocksdb::Slice key("\0i", 2);
    std::string identity;
    ASSERT_TRUE(db->Get({}, key, &identity).ok());
    identity[0] = 99;  // the format's lowest byte
    ASSERT_TRUE(db->Put({}, key, identity).ok());
  }
  cluster.start(1);
  expect_refused(cluster, 1, "format 99");
}

// Nodes of another cluster at the configured addresses: refused on both sides, and neither is harmed.
TEST(Identity, NodesOfAnotherClusterDoNotMix) {
  Cluster cluster(3);
  cluster.start_all();
  ASSERT_NE(cluster.wait_leader(), 0);
  // Node 3 restarts, from nothing, with the configuration of a cluster of another name.
  cluster.kill(3);
  fs::remove_all(cluster.data_dir(3));
  cluster.set(3, "cluster.name", "\"another\"");
  cluster.start(3);
  EXPECT_TRUE(eventually([&] { return cluster.logged(3, "wrong cluster") || cluster.logged(1, "wrong cluster"); }))
      << cluster.log(3);
  EXPECT_TRUE(cluster.put(1, "the/two", "go on"));
  EXPECT_NE(cluster.role(3), "leader");
}

// Hazard M33. Two of three have the write; the third's disk is emptied. If it still voted, it and the node that lacks
// nothing but the write's other copy could elect a leader without it.
TEST(Identity, AnEmptiedVoterIsFenced) {
  Cluster cluster(3);
  cluster.start_all();
  int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  const int emptied = leader % 3 + 1, other = emptied % 3 + 1;
  ASSERT_TRUE(cluster.put(leader, "acknowledged", "by the emptied disk too"));
  ASSERT_TRUE(cluster.wait_caught_up(emptied, leader));

  cluster.kill(emptied);
  fs::remove_all(cluster.data_dir(emptied));
  cluster.start(emptied);
  const auto fenced = [&](int by) {
    return cluster.logged(by, "disk replaced") || cluster.logged(emptied, "disk replaced");
  };
  EXPECT_TRUE(eventually([&] { return fenced(leader) || fenced(other); }))
      << cluster.log(leader) << cluster.log(emptied);
  expect_refused(cluster, emptied, "is fenced");
  cluster.start(emptied);
  expect_refused(cluster, emptied, "is fenced, since the other members know better");
  EXPECT_TRUE(cluster.put(leader, "two/of/three", "go on"));

  // Now a second node goes down: the remaining one and the emptied one are no majority.
  cluster.kill(other);
  const auto write = cluster.request(leader, "PUT", "/v1/kv/needs/a/majority?timeout=5s", "x");
  ASSERT_TRUE(write);
  EXPECT_GE(write->status, 500u) << "acknowledged with the help of an emptied disk: " << write->body;
  EXPECT_NE(cluster.role(emptied), "leader");

  // With the second one back all is as before.
  cluster.start(other);
  EXPECT_TRUE(eventually([&] { return cluster.put(other, "back", "again"); }));
  EXPECT_EQ(cluster.get(other, "acknowledged"), "by the emptied disk too");
  EXPECT_EQ(cluster.get(leader, "two/of/three"), "go on");
  cluster.expect_one_leader_per_term();
}

// The emptied one and one that was away: together they are two of three, and know nothing of the write.
TEST(Identity, AnEmptiedVoterCannotElectANodeThatWasAway) {
  Cluster cluster(3);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  const int away = leader % 3 + 1, emptied = away % 3 + 1;
  ASSERT_TRUE(cluster.wait_caught_up(away, leader));
  cluster.kill(away);
  ASSERT_TRUE(eventually([&] { return cluster.put(leader, "missed", "by the one that was away"); }));
  cluster.kill(leader);
  cluster.kill(emptied);
  fs::remove_all(cluster.data_dir(emptied));
  cluster.start(emptied);
  cluster.start(away);
  ASSERT_TRUE(eventually([&] {
    return cluster.logged(away, "disk replaced") || cluster.logged(emptied, "disk replaced");
  })) << cluster.log(away);
  const auto write = cluster.request(away, "PUT", "/v1/kv/forbidden?timeout=5s", "x");
  ASSERT_TRUE(write);
  EXPECT_GE(write->status, 500u) << write->body;
  EXPECT_NE(cluster.role(away), "leader");
  EXPECT_NE(cluster.role(emptied), "leader");

  cluster.start(leader);
  ASSERT_TRUE(eventually([&] { return cluster.get(away, "missed") == "by the one that was away"; }));
  cluster.expect_one_leader_per_term();
}

// Hazard M33, with a copy of the disk that is put back after `starts` more starts. Each start raises the count of
// starts, so that the copy soon shows as many as the others know of; and they may have restarted, and forget what they
// do not write down.
class RolledBack : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Starts, RolledBack, ::testing::Values(1, 2));

TEST_P(RolledBack, IsFencedForGood) {
  Cluster cluster(3);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  const int victim = leader % 3 + 1;
  ASSERT_TRUE(cluster.put(leader, "before", "the copy"));
  ASSERT_TRUE(cluster.wait_caught_up(victim, leader));
  cluster.kill(victim);
  const fs::path copy = cluster.data_dir(victim).string() + "-copy";
  fs::copy(cluster.data_dir(victim), copy, fs::copy_options::recursive);
  for (int start = 0; start < GetParam(); ++start) {
    cluster.start(victim);
    ASSERT_TRUE(eventually([&] { return cluster.put(leader, "after", "the copy"); }));
    ASSERT_TRUE(cluster.wait_caught_up(victim, leader));
    cluster.kill(victim);
  }
  for (const int other : cluster.ids())
    if (other != victim) cluster.kill(other);
  for (const int other : cluster.ids())
    if (other != victim) cluster.start(other);
  ASSERT_NE(cluster.wait_leader(), 0);
  fs::remove_all(cluster.data_dir(victim));
  fs::rename(copy, cluster.data_dir(victim));
  for (int start = 0; start < 3; ++start) {
    cluster.start(victim);
    expect_refused(cluster, victim, "disk rolled back");
  }
  EXPECT_TRUE(eventually([&] { return cluster.put(leader, "two/of/three", "go on"); }));
  cluster.expect_one_leader_per_term();
}

}  // namespace
}  // namespace tenaz::harness
