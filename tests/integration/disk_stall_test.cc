// Disks that do not answer, and disks that say no: the syncs of real processes are stalled and failed from outside.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/ledger.h"

namespace tenaz::harness {
namespace {

constexpr std::uint64_t kSome = 200;  // writes that show that the cluster works
const Exit kStorageFailed{4, 0};

class DiskStall : public ::testing::Test {
 protected:
  void begin(Settings settings = {}) {
    cluster_.emplace(3, std::move(settings), "stall");
    cluster_->prepare_controls();
    cluster_->start_all();
    leader_ = cluster_->wait_leader();
    ASSERT_NE(leader_, 0);
    ledger_.emplace(*cluster_, 4);
    ASSERT_TRUE(ledger_->wait_progress(kSome));
  }

  // All nodes run, and have everything that was promised.
  void expect_nothing_lost() {
    ASSERT_TRUE(ledger_->wait_progress(kSome)) << "the cluster does not take writes";
    ledger_->stop();
    const int leader = cluster_->wait_leader();
    ASSERT_NE(leader, 0);
    for (const int id : cluster_->ids()) {
      ASSERT_TRUE(cluster_->wait_ready(id)) << "node " << id << ":\n" << cluster_->log(id);
      EXPECT_TRUE(cluster_->wait_caught_up(id, leader)) << "node " << id;
      ledger_->check(id);
    }
    cluster_->expect_one_leader_per_term();
  }

  std::string ready_faults(int id) const {
    const auto answer = cluster_->request(id, "GET", "/readyz");
    return answer ? answer->body : "";
  }

  std::optional<Cluster> cluster_;
  int leader_ = 0;
  std::optional<Ledger> ledger_;
};

// Its heartbeats go on, so nobody else would notice.
TEST_F(DiskStall, OfTheLeaderMovesLeadershipAndWritesGoOn) {
  begin();
  cluster_->control(leader_).stall_syncs();
  ASSERT_TRUE(ledger_->wait_progress(kSome)) << "no writes while the leader's disk stalls:\n" << cluster_->log(leader_);
  EXPECT_EQ(cluster_->role(leader_), "follower");
  EXPECT_EQ(cluster_->metric(leader_, R"(tenaz_raft_stepdowns_total{reason="disk_stalled"})"), 1);
  EXPECT_GT(cluster_->metric(leader_, "tenaz_raft_log_sync_inflight_seconds").value_or(0), 0);
  EXPECT_NE(ready_faults(leader_).find("\"disk\""), std::string::npos) << ready_faults(leader_);
  EXPECT_TRUE(cluster_->logged(leader_, "(disk_stalled)")) << cluster_->log(leader_);

  // Clients of the stalled node are sent elsewhere before long, and told that nothing happened.
  EXPECT_TRUE(eventually([&] {
    const auto answer = cluster_->request(leader_, "PUT", "/v1/kv/elsewhere?timeout=1s", "x");
    return answer && answer->code() == "not_ready" && answer->outcome() == "not_applied";
  })) << cluster_->log(leader_);

  cluster_->control(leader_).free_syncs();
  expect_nothing_lost();
  EXPECT_TRUE(cluster_->logged(leader_, "disk answers again")) << cluster_->log(leader_);
}

TEST_F(DiskStall, OfAFollowerDisturbsNobody) {
  // Nobody stands for another reason, on however busy a machine.
  begin({{"raft.election_timeout_min", "\"5s\""}, {"raft.election_timeout_max", "\"10s\""}});
  const std::uint64_t term = cluster_->number(leader_, "term");
  const int stalled = leader_ % 3 + 1;
  cluster_->control(stalled).stall_syncs();
  ASSERT_TRUE(eventually([&] { return ready_faults(stalled).find("\"disk\"") != std::string::npos; }));
  ASSERT_TRUE(ledger_->wait_progress(5 * kSome));
  cluster_->control(stalled).free_syncs();
  expect_nothing_lost();
  EXPECT_EQ(cluster_->number(leader_, "term"), term);
  EXPECT_EQ(cluster_->role(leader_), "leader");
}

// Nobody could lead better, and nobody gives up for good.
TEST_F(DiskStall, OfAllAtOnceIsOverWhenTheDisksAnswer) {
  begin();
  for (const int id : cluster_->ids()) cluster_->control(id).stall_syncs();
  for (const int id : cluster_->ids())
    ASSERT_TRUE(eventually([&] { return cluster_->metric(id, "tenaz_raft_disk_stalls_total").value_or(0) >= 1; }))
        << "node " << id;
  for (const int id : cluster_->ids()) cluster_->control(id).free_syncs();
  expect_nothing_lost();
}

// One after the other, so that whoever leads stalls.
TEST_F(DiskStall, OfEveryLeaderInTurn) {
  begin();
  for (int turn = 0; turn < 4; ++turn) {
    const int leader = cluster_->wait_leader();
    ASSERT_NE(leader, 0);
    cluster_->control(leader).stall_syncs();
    ASSERT_TRUE(ledger_->wait_progress(kSome)) << "turn " << turn << ":\n" << cluster_->log(leader);
    cluster_->control(leader).free_syncs();
  }
  expect_nothing_lost();
}

// Whatever follows a failed fsync would be built on what may not be there (hazards M21).
TEST_F(DiskStall, AFailedSyncOfTheLogStopsTheNode) {
  begin();
  cluster_->control(leader_).fail_syncs(EIO, "/raft/");
  const auto exit = cluster_->wait_exit(leader_);
  ASSERT_TRUE(exit) << cluster_->log(leader_);
  EXPECT_EQ(*exit, kStorageFailed) << cluster_->log(leader_);
  EXPECT_TRUE(cluster_->logged(leader_, "this node stops")) << cluster_->log(leader_);
  ASSERT_TRUE(ledger_->wait_progress(kSome)) << "no writes without the node that stopped";
  cluster_->control(leader_).free_syncs();
  cluster_->start(leader_);
  expect_nothing_lost();
}

TEST_F(DiskStall, AFailedSyncOfTheStateStopsTheNode) {
  begin({{"storage.write_buffer_bytes", "\"1MiB\""}});
  const int failing = leader_ % 3 + 1;
  cluster_->control(failing).fail_syncs(EIO, "/state-");
  const std::string value(64 << 10, 'v');
  int n = 0;
  ASSERT_TRUE(eventually([&] {
    cluster_->put(leader_, "filler/" + std::to_string(n++ % 100), value);
    return !cluster_->running(failing);
  })) << cluster_->log(failing);
  EXPECT_EQ(cluster_->wait_exit(failing), kStorageFailed) << cluster_->log(failing);
  cluster_->control(failing).free_syncs();
  cluster_->start(failing);
  expect_nothing_lost();
}

}  // namespace
}  // namespace tenaz::harness
