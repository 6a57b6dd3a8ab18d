// A follower that fell behind the compacted log is brought back by an image of the whole state.
#include <gtest/gtest.h>

#include <random>

#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/ledger.h"

namespace tenaz::harness {
namespace {

const Settings kShortLog{{"storage.log_retain_bytes", "\"64KiB\""},
                         {"storage.log_retain_time", "\"0s\""},
                         {"storage.log_buffer_bytes", "\"1MiB\""},
                         {"storage.write_buffer_bytes", "\"1MiB\""},
                         {"raft.cache_bytes", "\"64KiB\""}};

// Writes until the leader no longer has the entry after `index`.
void compact_past(Cluster& cluster, int leader, std::uint64_t index) {
  const std::string value(64 << 10, 'v');
  int n = 0;
  ASSERT_TRUE(eventually(
      [&] {
        for (int i = 0; i < 50; ++i) {
          EXPECT_TRUE(cluster.put(leader, "filler/" + std::to_string(n++ % 100), value));
        }
        return cluster.number(leader, "first_index") > index + 1;
      },
      std::chrono::seconds(120)))
      << "the log of node " << leader << " is never compacted: first_index " << cluster.number(leader, "first_index");
}

TEST(Snapshot, BringsBackAFollowerThatWasAwayTooLong) {
  Cluster cluster(3, kShortLog);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  Ledger ledger(cluster, 2);
  ASSERT_TRUE(ledger.wait_progress(100));
  const int away = leader % 3 + 1;
  const std::uint64_t last = cluster.number(away, "last_index");
  ASSERT_GT(last, 0u);
  cluster.kill(away);
  compact_past(cluster, leader, last + 1000);
  cluster.start(away);
  ASSERT_TRUE(cluster.wait_ready(away)) << cluster.log(away);
  ledger.stop();
  EXPECT_TRUE(cluster.wait_caught_up(away, leader));
  EXPECT_TRUE(cluster.logged(away, "is in force")) << "not brought back by a snapshot:\n" << cluster.log(away);
  for (const int id : cluster.ids()) ledger.check(id);

  // What it got is durable, and it can lead with it.
  cluster.kill_all();
  cluster.start(away);
  cluster.start(leader);
  ASSERT_NE(cluster.wait_leader(), 0);
  ASSERT_TRUE(cluster.wait_ready(away));
  ledger.check(away);
  cluster.expect_one_leader_per_term();
}

TEST(Snapshot, AKillDuringItLeavesTheOldStateOrTheNew) {
  Cluster cluster(3, kShortLog);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  Ledger ledger(cluster, 2);
  ASSERT_TRUE(ledger.wait_progress(100));
  const int away = leader % 3 + 1;
  const std::uint64_t last = cluster.number(away, "last_index");
  cluster.kill(away);
  compact_past(cluster, leader, last + 1000);
  for (int round = 0; round < 5; ++round) {
    cluster.start(away);
    const std::size_t before = cluster.log(away).size();
    ASSERT_TRUE(eventually([&] {
      const std::string fresh = cluster.log(away).substr(before);
      return fresh.find("snapshot: fetching") != std::string::npos || fresh.find("is in force") != std::string::npos ||
             fresh.find("leads term") != std::string::npos;
    })) << cluster.log(away);
    cluster.kill(away);
  }
  cluster.start(away);
  ASSERT_TRUE(cluster.wait_ready(away)) << cluster.log(away);
  ledger.stop();
  EXPECT_TRUE(cluster.wait_caught_up(away, leader));
  for (const int id : cluster.ids()) ledger.check(id);
  cluster.expect_one_leader_per_term();
}

// SIGTERM at a moment of a transfer: the node stops as asked, however far the transfer is.
class SnapshotAndStop : public ::testing::Test {
 protected:
  // A state whose transfer takes its time, and a node that needs it.
  void SetUp() override {
    cluster_.start_all();
    leader_ = cluster_.wait_leader();
    ASSERT_NE(leader_, 0);
    away_ = leader_ % 3 + 1;
    ASSERT_TRUE(cluster_.put(leader_, "the/first", "of all"));
    leave_behind();
  }

  void leave_behind() {
    const std::uint64_t last = cluster_.number(away_, "last_index");
    cluster_.kill(away_);
    std::string value(64 << 10, '\0');
    for (int i = 0; i < 500; ++i) {
      for (char& c : value) c = static_cast<char>(random_());
      ASSERT_TRUE(eventually([&] { return cluster_.put(leader_, "large/" + std::to_string(i), value); }));
    }
    compact_past(cluster_, leader_, last + 100);
  }

  bool wait_logged(int id, std::size_t offset, const std::string& what) {
    return eventually([&] { return cluster_.log(id).find(what, offset) != std::string::npos; });
  }

  void expect_stops(int id) {
    cluster_.terminate(id);
    const auto exit = cluster_.wait_exit(id);
    ASSERT_TRUE(exit) << "node " << id << " hangs:\n" << cluster_.log(id);
    EXPECT_EQ(*exit, (Exit{0, 0})) << cluster_.log(id);
  }

  void expect_brought_back() {
    ASSERT_NE(cluster_.wait_leader(), 0);
    ASSERT_TRUE(cluster_.wait_ready(away_)) << cluster_.log(away_);
    EXPECT_EQ(cluster_.get(away_, "the/first"), "of all");
    cluster_.expect_one_leader_per_term();
  }

  Cluster cluster_{3, kShortLog};
  int leader_ = 0, away_ = 0;

 private:
  std::minstd_rand random_{1};
};

TEST_F(SnapshotAndStop, TheNodeThatFetches) {
  for (int round = 0; round < 8 && !HasFailure(); ++round) {
    const std::size_t before = cluster_.log(away_).size();
    cluster_.start(away_);
    ASSERT_TRUE(wait_logged(away_, before, round % 4 == 3 ? "is here, in" : "snapshot: fetching"));
    expect_stops(away_);
    if (cluster_.log(away_).substr(before).find("is here, in") == std::string::npos) continue;
    // It may be in force already. Once it takes entries again the leader keeps no log for its sake any more.
    cluster_.start(away_);
    ASSERT_TRUE(cluster_.put(leader_, "another", "entry"));
    ASSERT_TRUE(cluster_.wait_caught_up(away_, leader_)) << cluster_.log(away_);
    leave_behind();
  }
  cluster_.start(away_);
  expect_brought_back();
}

TEST_F(SnapshotAndStop, TheNodeThatServes) {
  for (int round = 0; round < 3 && !HasFailure(); ++round) {
    const std::size_t before = cluster_.log(away_).size();
    cluster_.start(away_);
    ASSERT_TRUE(wait_logged(away_, before, "snapshot: fetching"));
    expect_stops(leader_);
    cluster_.start(leader_);
    expect_brought_back();
    leader_ = cluster_.wait_leader();
    away_ = leader_ % 3 + 1;
    leave_behind();
  }
  cluster_.start(away_);
  expect_brought_back();
}

// A restart is no long absence: the log is kept for it, however much was written meanwhile.
TEST(LogCompaction, WaitsForANodeThatWentAwayNotLongAgo) {
  Settings settings = kShortLog;
  settings["storage.log_retain_time"] = "\"10m\"";
  settings["raft.election_timeout_min"] = "\"2s\"";  // a leader that is new has not heard of who is away
  settings["raft.election_timeout_max"] = "\"6s\"";
  Cluster cluster(3, settings);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  const int away = leader % 3 + 1;
  ASSERT_TRUE(cluster.wait_caught_up(away, leader));
  cluster.kill(away);
  const std::string value(64 << 10, 'v');
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(cluster.put(leader, "k" + std::to_string(i % 50), value));
  cluster.start(away);
  ASSERT_TRUE(cluster.wait_ready(away)) << cluster.log(away);
  EXPECT_TRUE(cluster.wait_caught_up(away, leader));
  EXPECT_FALSE(cluster.logged(away, "snapshot:")) << cluster.log(away);
  // Once it is there nothing is kept for it any more.
  ASSERT_TRUE(eventually([&] {
    EXPECT_TRUE(cluster.put(leader, "another", value));
    return cluster.number(leader, "first_index") > 200;
  })) << cluster.number(leader, "first_index");
}

TEST(LogCompaction, KeepsTheLogSmallAndLosesNothing) {
  Cluster cluster(3, kShortLog);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  Ledger ledger(cluster, 2);
  compact_past(cluster, leader, 500);
  ledger.stop();
  cluster.kill_all();
  cluster.start_all();
  ASSERT_NE(cluster.wait_leader(), 0);
  for (const int id : cluster.ids()) {
    ASSERT_TRUE(cluster.wait_ready(id));
    ledger.check(id);
  }
}

}  // namespace
}  // namespace tenaz::harness
