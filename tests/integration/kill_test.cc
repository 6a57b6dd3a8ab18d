// kill -9 while clients write: nothing that was acknowledged is lost, and killed nodes catch up by themselves.
#include <gtest/gtest.h>

#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/ledger.h"

namespace tenaz::harness {
namespace {

constexpr int kWriters = 4;
constexpr std::uint64_t kSome = 200;  // writes that show that the cluster works

class KillUnderLoad : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.start_all();
    leader_ = cluster_.wait_leader();
    ASSERT_NE(leader_, 0);
    ledger_.emplace(cluster_, kWriters);
    ASSERT_TRUE(ledger_->wait_progress(kSome));
  }

  int follower() const { return leader_ % cluster_.size() + 1; }

  // All nodes run: they all end up with everything that was promised.
  void expect_nothing_lost() {
    ASSERT_TRUE(ledger_->wait_progress(kSome)) << "the cluster does not take writes again";
    ledger_->stop();
    const int leader = cluster_.wait_leader();
    ASSERT_NE(leader, 0);
    for (const int id : cluster_.ids()) {
      ASSERT_TRUE(cluster_.wait_ready(id)) << "node " << id;
      EXPECT_TRUE(cluster_.wait_caught_up(id, leader)) << "node " << id;
      ledger_->check(id);
    }
    cluster_.expect_one_leader_per_term();
  }

  Cluster cluster_{5};
  int leader_ = 0;
  std::optional<Ledger> ledger_;
};

TEST_F(KillUnderLoad, AFollower) {
  cluster_.kill(follower());
  ASSERT_TRUE(ledger_->wait_progress(kSome)) << "no progress without one follower";
  cluster_.start(follower());
  expect_nothing_lost();
}

TEST_F(KillUnderLoad, TheLeader) {
  cluster_.kill(leader_);
  ASSERT_TRUE(ledger_->wait_progress(kSome)) << "no progress after the leader's death";
  cluster_.start(leader_);
  expect_nothing_lost();
}

TEST_F(KillUnderLoad, AMajority) {
  for (const int id : {leader_, follower(), follower() % 5 + 1}) cluster_.kill(id);
  for (const int id : cluster_.ids()) {
    if (!cluster_.running(id)) cluster_.start(id);
  }
  expect_nothing_lost();
}

TEST_F(KillUnderLoad, AllAtOnce) {
  cluster_.kill_all();
  cluster_.start_all();
  expect_nothing_lost();
}

TEST_F(KillUnderLoad, AllAtOnceAgainAndAgain) {
  for (int round = 0; round < 4; ++round) {
    cluster_.kill_all();
    cluster_.start_all();
    ASSERT_TRUE(ledger_->wait_progress(kSome)) << "round " << round;
  }
  expect_nothing_lost();
}

TEST(KillASingleNode, KeepsWhatItAcknowledged) {
  Cluster cluster(1);
  cluster.start_all();
  ASSERT_NE(cluster.wait_leader(), 0);
  Ledger ledger(cluster, kWriters);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(ledger.wait_progress(kSome));
    cluster.restart(1);
  }
  ASSERT_TRUE(ledger.wait_progress(kSome));
  ledger.stop();
  ledger.check(1);
  cluster.expect_one_leader_per_term();
}

}  // namespace
}  // namespace tenaz::harness
