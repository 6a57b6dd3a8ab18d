// Lease reads, a setting of the whole cluster: when the leader answers by its lease, and when it asks the others again.
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/wait.h"

namespace tenaz::harness {
namespace {

class LeaseReads : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.start_all();
    ASSERT_NE(cluster_.wait_leader(), 0);
  }
  void set(bool on) {
    const auto answer = cluster_.request(1, "PUT", "/v1/settings?timeout=30s",
                                         on ? R"({"lease_reads":true})" : R"({"lease_reads":false})",
                                         {{"Content-Type", "application/json"}});
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->status, 200u) << answer->body;
  }
  bool lease_held(int id) const {
    const auto status = cluster_.status(id);
    return status && status->at("lease_held").as_bool();
  }
  double by_leases() const {
    double sum = 0;
    for (const int id : cluster_.ids()) sum += cluster_.metric(id, "tenaz_raft_lease_reads_total").value_or(0);
    return sum;
  }

  Cluster cluster_{3, {}, "leases"};
};

TEST_F(LeaseReads, AreAnsweredByTheLeaderWhileTheSettingIsOn) {
  ASSERT_TRUE(cluster_.put(1, "key", "0"));
  for (const int id : cluster_.ids()) EXPECT_FALSE(lease_held(id)) << "off by default";
  ASSERT_EQ(cluster_.get(2, "key"), "0");
  EXPECT_EQ(by_leases(), 0);

  set(true);
  int leader = 0;
  ASSERT_TRUE(eventually([&] { return (leader = cluster_.leader()) != 0 && lease_held(leader); }));
  // Every node's reads see every write before them, whoever answers the question whether they may be answered.
  int value = 0;
  const double before = by_leases();
  ASSERT_TRUE(eventually([&] {
    for (const int id : cluster_.ids()) {
      const std::string text = std::to_string(++value);
      if (!cluster_.put(1 + value % 3, "key", text)) return false;
      EXPECT_EQ(cluster_.get(id, "key"), text);
    }
    return by_leases() >= before + 30;
  }));
  for (const int id : cluster_.ids())
    if (id != leader && cluster_.leader() == leader) {
      EXPECT_FALSE(lease_held(id)) << "a follower";
    }

  set(false);
  for (const int id : cluster_.ids()) EXPECT_TRUE(eventually([&] { return !lease_held(id); })) << id;
  const double after = by_leases();
  for (const int id : cluster_.ids()) EXPECT_EQ(cluster_.get(id, "key"), std::to_string(value));
  EXPECT_EQ(by_leases(), after);
}

TEST_F(LeaseReads, TheLeaseEndsWithoutAMajorityAndComesBackWithOne) {
  set(true);
  const int leader = cluster_.wait_leader();
  ASSERT_NE(leader, 0);
  ASSERT_TRUE(cluster_.put(leader, "key", "value"));
  ASSERT_TRUE(eventually([&] { return lease_held(leader); }));
  for (const int id : cluster_.ids())
    if (id != leader) cluster_.pause(id);
  ASSERT_TRUE(eventually([&] { return !lease_held(leader); }));
  const auto answer = cluster_.request(leader, "GET", "/v1/kv/key?timeout=500ms");
  ASSERT_TRUE(answer);
  EXPECT_GE(answer->status, 503u) << "nobody says that it still leads";
  for (const int id : cluster_.ids())
    if (id != leader) cluster_.resume(id);
  ASSERT_NE(cluster_.wait_leader(), 0);
  EXPECT_TRUE(eventually([&] {
    const int next = cluster_.leader();
    return next != 0 && lease_held(next);
  }));
  EXPECT_EQ(cluster_.get(leader, "key"), "value");
}

// Over a restart of all nodes too, each of which first waits as long as it may have promised.
TEST_F(LeaseReads, TheSettingAndThePromisesSurviveRestarts) {
  set(true);
  for (int round = 0; round < 3; ++round) {
    const std::string value = std::to_string(round);
    ASSERT_TRUE(eventually([&] {
      const int leader = cluster_.leader();
      return leader != 0 && lease_held(leader);
    })) << "round "
        << round;
    ASSERT_TRUE(cluster_.put(1, "key", value));
    cluster_.kill_all();
    cluster_.start_all();
    ASSERT_NE(cluster_.wait_leader(), 0);
    for (const int id : cluster_.ids()) {
      ASSERT_TRUE(cluster_.wait_ready(id));
      EXPECT_EQ(cluster_.get(id, "key"), value);
    }
  }
  cluster_.expect_one_leader_per_term();
}

}  // namespace
}  // namespace tenaz::harness
