// Random kills and pauses under load, round after round. TENAZ_CHAOS_ROUNDS says how many (20), TENAZ_CHAOS_SEED which
// (random; printed). tests/chaos/run does the same for minutes. The seed fixes what is done, not how the kernel
// schedules it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/ledger.h"

namespace tenaz::harness {
namespace {

constexpr int kNodes = 5;
constexpr int kWriters = 4;
constexpr std::uint64_t kProgress = 100;  // writes between two disturbances, and to show that all is well again

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::stoull(text);
}

class Chaos {
 public:
  Chaos(Cluster& cluster, const Ledger& ledger, std::uint64_t seed)
      : cluster_(cluster), ledger_(ledger), random_(seed) {}

  // One disturbance, undone at its end. What happened, for the log.
  std::string round() {
    const std::vector<int> chosen = choose();
    switch (below(4)) {
      case 0:
        return kill(chosen);
      case 1:
        return pause(chosen);
      case 2:
        return kill_twice(chosen);
      default:
        return kill_one_during_restart_of(chosen);
    }
  }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }

  // One, the leader, a minority, a majority, or all.
  std::vector<int> choose() {
    std::vector<int> ids = cluster_.ids();
    std::shuffle(ids.begin(), ids.end(), random_);
    const int leader = cluster_.leader();
    const std::size_t counts[] = {1, 1, 2, 3, kNodes};
    ids.resize(counts[below(5)]);
    if (leader != 0 && below(2) == 0) ids.front() = leader;
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
  }

  bool majority_left(const std::vector<int>& without) const { return without.size() <= kNodes / 2; }

  void expect_progress(const std::vector<int>& without) {
    if (!majority_left(without)) return;
    EXPECT_TRUE(ledger_.wait_progress(kProgress)) << "a majority runs, and takes no writes";
  }

  void start_again(const std::vector<int>& ids) {
    for (const int id : ids) cluster_.start(id);
  }

  static std::string names(const std::vector<int>& ids) {
    std::string text;
    for (const int id : ids) text += " " + std::to_string(id);
    return text;
  }

  std::string kill(const std::vector<int>& ids) {
    for (const int id : ids) cluster_.kill(id);
    expect_progress(ids);
    start_again(ids);
    return "killed" + names(ids);
  }

  std::string kill_twice(const std::vector<int>& ids) {
    for (const int id : ids) cluster_.restart(id);
    for (const int id : ids) cluster_.restart(id);
    return "killed twice" + names(ids);
  }

  std::string kill_one_during_restart_of(const std::vector<int>& ids) {
    for (const int id : ids) cluster_.restart(id);
    const int one = static_cast<int>(below(kNodes)) + 1;
    cluster_.restart(one);
    return "restarted" + names(ids) + ", then" + names({one});
  }

  std::string pause(const std::vector<int>& ids) {
    for (const int id : ids) cluster_.pause(id);
    expect_progress(ids);
    for (const int id : ids) cluster_.resume(id);
    return "paused" + names(ids);
  }

  Cluster& cluster_;
  const Ledger& ledger_;
  std::mt19937_64 random_;
};

TEST(Chaos, RandomKillsUnderLoad) {
  const std::uint64_t rounds = from_environment("TENAZ_CHAOS_ROUNDS", 20);
  const std::uint64_t seed = from_environment("TENAZ_CHAOS_SEED", std::random_device()());
  std::cout << "again with: TENAZ_CHAOS_SEED=" << seed << " TENAZ_CHAOS_ROUNDS=" << rounds << std::endl;
  Cluster cluster(kNodes, {{"storage.log_retain_bytes", "\"256KiB\""}, {"storage.write_buffer_bytes", "\"1MiB\""}},
                  "chaos");
  cluster.start_all();
  ASSERT_NE(cluster.wait_leader(), 0);
  Ledger ledger(cluster, kWriters);
  Chaos chaos(cluster, ledger, seed);
  for (std::uint64_t round = 1; round <= rounds && !::testing::Test::HasFailure(); ++round) {
    ASSERT_TRUE(ledger.wait_progress(kProgress)) << "before round " << round;
    std::cout << "round " << round << ": " << chaos.round() << ", " << ledger.acknowledged() << " writes so far"
              << std::endl;
    for (const int id : cluster.ids())
      EXPECT_TRUE(cluster.running(id)) << "node " << id << " ended:\n" << cluster.log(id);
    cluster.expect_one_leader_per_term();
  }
  EXPECT_TRUE(ledger.wait_progress(kProgress)) << "after the last round";
  ledger.stop();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  for (const int id : cluster.ids()) {
    ASSERT_TRUE(cluster.wait_ready(id)) << "node " << id;
    EXPECT_TRUE(cluster.wait_caught_up(id, leader)) << "node " << id;
    ledger.check(id);
  }
  cluster.expect_one_leader_per_term();
}

}  // namespace
}  // namespace tenaz::harness
