// A leader whose process is stopped (SIGSTOP) while it serves, and goes on later as if no time had passed: what it
// answers then must be true then. And clocks on the wall that jump.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/ledger.h"

namespace tenaz::harness {
namespace {

constexpr int kReaders = 8;
constexpr int kReadsEach = 20;

std::string get_request(const std::string& key) {
  return "GET /v1/kv/" + key + "?timeout=20s HTTP/1.1\r\nHost: t\r\n\r\n";
}

class PausedLeader : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.start_all();
    ASSERT_NE(cluster_.wait_leader(), 0);
  }

  // Readers with requests under way at `node`, which is stopped before the last of them reach it.
  using Readers = std::vector<std::unique_ptr<RawConnection>>;
  Readers connect(int node) {
    Readers readers;
    for (int i = 0; i < kReaders; ++i) readers.push_back(std::make_unique<RawConnection>(cluster_.http_address(node)));
    return readers;
  }
  static void ask(Readers& readers) {
    for (auto& reader : readers)
      for (int i = 0; i < kReadsEach; ++i) ASSERT_TRUE(reader->send(get_request("key")));
  }
  // Each answer so far, in order. Errors are allowed: what is asked for is that nothing false is said.
  static std::vector<std::string> answers(Readers& readers, int each) {
    std::vector<std::string> values;
    for (auto& reader : readers)
      for (int i = 0; i < each; ++i) {
        const auto answer = reader->answer();
        if (!answer) break;
        if (answer->status == 200) values.push_back(answer->body);
      }
    return values;
  }

  // Rounds of: a write, a pause of the leader with reads on their way to it, another leader, another write.
  void pause_and_read(bool by_leases);

  Cluster cluster_{3, {}, "pause"};
};

void PausedLeader::pause_and_read(bool by_leases) {
  for (int round = 0; round < 10 && !HasFailure(); ++round) {
    const int old = cluster_.wait_leader();
    ASSERT_NE(old, 0);
    const std::string before = "before " + std::to_string(round), after = "after " + std::to_string(round);
    ASSERT_TRUE(cluster_.put(old, "key", before));
    Readers early = connect(old), late = connect(old);
    if (by_leases) {
      ASSERT_TRUE(eventually([&] { return cluster_.metric(old, "tenaz_raft_lease_held") == 1; })) << "round " << round;
    }
    ask(early);
    cluster_.pause(old);
    // Only where another one leads can anything change behind its back.
    const int next = cluster_.wait_leader();
    ASSERT_NE(next, 0);
    ASSERT_TRUE(cluster_.put(next, "key", after));
    ask(late);  // the kernel takes them; the process finds them when it goes on
    cluster_.resume(old);
    const auto first = answers(early, kReadsEach);
    EXPECT_FALSE(first.empty());
    for (const std::string& value : first) EXPECT_TRUE(value == before || value == after) << value;
    for (const std::string& value : answers(late, kReadsEach))
      EXPECT_EQ(value, after) << "asked for when \"" << after << "\" was acknowledged";
    ASSERT_TRUE(eventually([&] { return cluster_.get(old, "key") == after; }));
  }
  cluster_.expect_one_leader_per_term();
}

TEST_F(PausedLeader, NeverAnswersAStaleRead) {
  pause_and_read(false);
}

// The same when it may answer by itself while its lease lasts, which ends while it sleeps.
TEST_F(PausedLeader, NeverAnswersAStaleReadByItsLease) {
  const auto set = cluster_.request(1, "PUT", "/v1/settings?timeout=30s", R"({"lease_reads":true})",
                                    {{"Content-Type", "application/json"}});
  ASSERT_TRUE(set);
  ASSERT_EQ(set->status, 200u) << set->body;
  pause_and_read(true);
  double by_leases = 0;
  for (const int id : cluster_.ids()) by_leases += cluster_.metric(id, "tenaz_raft_lease_reads_total").value_or(0);
  EXPECT_GT(by_leases, 0) << "no lease was ever used";
}

// What it was given to write before, it must not have written in a term that is over; what it is given afterwards it
// passes on.
TEST_F(PausedLeader, LosesAndInventsNoWrites) {
  Ledger ledger(cluster_, 6);
  ASSERT_TRUE(ledger.wait_progress(100));
  for (int round = 0; round < 5; ++round) {
    const int old = cluster_.wait_leader();
    ASSERT_NE(old, 0);
    cluster_.pause(old);
    ASSERT_TRUE(ledger.wait_progress(100)) << "round " << round;
    cluster_.resume(old);
    ASSERT_TRUE(ledger.wait_progress(100)) << "round " << round;
  }
  ledger.stop();
  const int leader = cluster_.wait_leader();
  ASSERT_NE(leader, 0);
  for (const int id : cluster_.ids()) {
    ASSERT_TRUE(cluster_.wait_ready(id));
    EXPECT_TRUE(cluster_.wait_caught_up(id, leader));
    ledger.check(id);
  }
  cluster_.expect_one_leader_per_term();
}

// The clock on the wall is for display. It jumps, to and fro, on all nodes.
TEST(WallClock, JumpsChangeNothing) {
  using std::chrono::hours;
  // No election for another reason, on however busy a machine.
  Cluster cluster(3, {{"raft.election_timeout_min", "\"5s\""}, {"raft.election_timeout_max", "\"10s\""}}, "clock");
  cluster.prepare_controls();
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  const std::uint64_t term = cluster.number(leader, "term");
  Ledger ledger(cluster, 3);
  std::set<std::string> years;
  for (const hours offset : {hours(24), hours(-24), hours(24 * 365 * 80), hours(-24 * 365 * 20), hours(0)}) {
    for (const int id : cluster.ids()) cluster.control(id).set_wall_clock_off(offset);
    ASSERT_TRUE(ledger.wait_progress(200)) << offset.count() << " h";
    EXPECT_EQ(cluster.number(leader, "term"), term) << offset.count() << " h";
    EXPECT_EQ(cluster.role(leader), "leader") << offset.count() << " h";
    const auto answer = cluster.request(leader, "GET", "/v1/status");
    ASSERT_TRUE(answer);
    years.insert(answer->header("Date").substr(12, 4));
  }
  EXPECT_GE(years.size(), 3u) << "the clock did not jump";
  ledger.stop();
  for (const int id : cluster.ids()) {
    EXPECT_TRUE(cluster.wait_caught_up(id, leader));
    ledger.check(id);
  }
}

}  // namespace
}  // namespace tenaz::harness
