// A node that joins gets the state at the pace that is set; both sides show how far it is, and writes go on.
#include <gtest/gtest.h>

#include <random>

#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/ledger.h"

namespace tenaz::harness {
namespace {

// One member's transfers in the given direction; empty without an answer.
std::vector<boost::json::object> transfers(const Cluster& cluster, int id, std::string_view direction) {
  std::vector<boost::json::object> out;
  const auto status = cluster.status(id);
  if (!status) return out;
  for (const auto& one : status->at("snapshots").as_array())
    if (one.at("direction").as_string() == direction) out.push_back(one.as_object());
  return out;
}

constexpr int kValues = 128;  // 8 MiB, four seconds

// A cluster whose state takes its time to move.
void fill(Cluster& cluster, int leader) {
  std::minstd_rand random(1);
  std::string value(64 << 10, '\0');
  for (int i = 0; i < kValues; ++i) {
    for (char& c : value) c = static_cast<char>(random());
    ASSERT_TRUE(eventually([&] { return cluster.put(leader, "large/" + std::to_string(i), value); }));
  }
}

// Another leader would have another image: nobody stands for election just because the machine is busy.
const Settings kSlow{{"peer.max_snapshot_rate", "\"2MiB\""},
                     {"storage.write_buffer_bytes", "\"1MiB\""},
                     {"raft.election_timeout_min", "\"3s\""},
                     {"raft.election_timeout_max", "\"9s\""}};

TEST(SnapshotProgress, ShowsWhileANodeJoinsAtTheSetPace) {
  Cluster cluster(3, kSlow);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  fill(cluster, leader);
  Ledger ledger(cluster, 2);
  ASSERT_TRUE(ledger.wait_progress(50));
  const int newcomer = cluster.add_node();
  ASSERT_TRUE(cluster.admit(leader, newcomer));

  std::uint64_t last = 0;
  int seen = 0;
  ASSERT_TRUE(eventually([&] {
    for (const auto& one : transfers(cluster, newcomer, "in")) {
      const auto done = one.at("bytes_done").to_number<std::uint64_t>();
      EXPECT_GE(done, last) << "it began anew";
      seen += done > last ? 1 : 0;
      last = done;
      EXPECT_LE(done, one.at("bytes_total").to_number<std::uint64_t>());
    }
    return seen >= 3;
  })) << cluster.log(newcomer);
  int from = 0;  // the leader may have changed
  ASSERT_TRUE(eventually([&] {
    for (const int id : cluster.ids())
      if (const auto out = transfers(cluster, id, "out"); !out.empty() && out[0].at("peer") == newcomer) from = id;
    return from != 0;
  })) << cluster.log(leader);
  EXPECT_EQ(cluster.metric(from, R"(tenaz_raft_snapshot_in_progress{direction="out"})"), 1);
  EXPECT_EQ(cluster.metric(newcomer, R"(tenaz_raft_snapshot_in_progress{direction="in"})"), 1);
  ASSERT_TRUE(ledger.wait_progress(50)) << "writes stand still while the image moves";

  ASSERT_TRUE(cluster.wait_voters(leader, {1, 2, 3, newcomer})) << cluster.log(newcomer);
  ledger.stop();
  EXPECT_TRUE(transfers(cluster, newcomer, "in").empty());
  EXPECT_TRUE(cluster.logged(newcomer, "is here, in state-"));
  EXPECT_TRUE(cluster.logged(newcomer, "MiB/s")) << cluster.log(newcomer);
  EXPECT_TRUE(cluster.logged(newcomer, "are here from node")) << "no line on the way:\n" << cluster.log(newcomer);
  const auto moved = cluster.metric(newcomer, R"(tenaz_raft_snapshot_bytes_total{direction="in"})");
  ASSERT_TRUE(moved);
  EXPECT_GT(*moved, kValues * 60'000.0);
  EXPECT_GE(cluster.metric(newcomer, R"(tenaz_raft_snapshot_seconds_count{direction="in"})"), 1);
  ledger.check(newcomer);
}

// Hazard M31, by counting bytes: what the killed process had is not sent again.
TEST(SnapshotProgress, GoesOnAfterAKillOfTheReceiver) {
  Cluster cluster(3, kSlow);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  fill(cluster, leader);
  const int newcomer = cluster.add_node();
  ASSERT_TRUE(cluster.admit(leader, newcomer));
  const std::string received = R"(tenaz_raft_snapshot_bytes_total{direction="in"})";
  double before = 0;
  ASSERT_TRUE(eventually([&] { return (before = cluster.metric(newcomer, received).value_or(0)) > 3e6; }))
      << cluster.log(newcomer);
  cluster.restart(newcomer);
  ASSERT_TRUE(cluster.wait_voters(leader, {1, 2, 3, newcomer})) << cluster.log(newcomer);
  ASSERT_TRUE(cluster.logged(newcomer, "are here already, from an earlier attempt")) << cluster.log(newcomer);
  const double after = cluster.metric(newcomer, received).value_or(0);
  EXPECT_LT(after, kValues * 65'536.0 - 2e6) << "it began anew";
  EXPECT_TRUE(cluster.wait_caught_up(newcomer, leader));
  EXPECT_GE(cluster.metric(newcomer, "tenaz_raft_snapshot_resumes_total").value_or(0), 1);
  for (const int i : {0, kValues / 2, kValues - 1}) {
    const std::string key = "large/" + std::to_string(i);
    EXPECT_EQ(cluster.get(newcomer, key), cluster.get(leader, key));
  }
}

}  // namespace
}  // namespace tenaz::harness
