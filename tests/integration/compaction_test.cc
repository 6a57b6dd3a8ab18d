// POST /v1/compact on real processes: what is forgotten and what is not, at every node, across restarts and kill -9.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/integration/harness/cluster.h"

namespace tenaz::harness {
namespace {

const Headers kJson{{"Content-Type", "application/json"}};

// Small buffers, so that the state is written out, and compacted, often.
const Settings kSmallBuffers{{"storage.write_buffer_bytes", "\"1MiB\""}, {"storage.log_buffer_bytes", "\"1MiB\""}};

std::optional<HttpAnswer> compact(const Cluster& cluster, int id, std::uint64_t revision) {
  return cluster.request(id, "POST", "/v1/compact", "{\"revision\":" + std::to_string(revision) + "}", kJson);
}

std::optional<HttpAnswer> get_at(const Cluster& cluster, int id, const std::string& key, std::uint64_t revision) {
  return cluster.request(id, "GET", "/v1/kv/" + key + "?revision=" + std::to_string(revision));
}

// What a client knows of the store's past: key and value of every acknowledged write.
class Past {
 public:
  explicit Past(Cluster& cluster) : cluster_(cluster) {}

  // Overwrites few keys again and again, now and then one is deleted.
  void write(int through, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string key = "k" + std::to_string(random_() % 20);
      const bool removes = random_() % 10 == 0;
      const std::string value = removes ? "" : std::string(200 + random_() % 2000, char('a' + random_() % 26));
      const auto answer = cluster_.request(through, removes ? "DELETE" : "PUT", "/v1/kv/" + key, value);
      if (!answer || answer->status / 100 != 2) {
        // It may have happened: what the key is from here on is not known.
        unknown_ = true;
        return;
      }
      const auto revision = answer->json().at("revision").to_number<std::uint64_t>();
      if (revision == last_) continue;  // a delete of what was not there
      last_ = revision;
      keys_[key][revision] = value;
    }
  }
  std::uint64_t last() const { return last_; }
  bool unknown() const { return unknown_; }

  // The value of `key` at `revision`; empty: absent.
  std::string at(const std::string& key, std::uint64_t revision) const {
    const auto& versions = keys_.at(key);
    const auto after = versions.upper_bound(revision);
    return after == versions.begin() ? "" : std::prev(after)->second;
  }

  // Node `id` shows exactly this past from `oldest` on, and nothing below `gone`.
  void check(int id, std::uint64_t oldest) { check(id, oldest, oldest); }
  void check(int id, std::uint64_t oldest, std::uint64_t gone) {
    for (const auto& [key, versions] : keys_) {
      for (int n = 0; n < 6; ++n) {
        const std::uint64_t revision = n == 0 ? oldest : n == 1 ? last_ : oldest + random_() % (last_ - oldest + 1);
        const auto answer = get_at(cluster_, id, key, revision);
        ASSERT_TRUE(answer) << key;
        const std::string expected = at(key, revision);
        ASSERT_EQ(answer->status, expected.empty() ? 404u : 200u)
            << "node " << id << ", " << key << " at " << revision << ", compacted at " << oldest << ": "
            << answer->body;
        if (!expected.empty()) {
          ASSERT_EQ(answer->body, expected) << "node " << id << ", " << key << " at " << revision;
        }
      }
      if (gone > 1) {
        const auto answer = get_at(cluster_, id, key, 1 + random_() % (gone - 1));
        ASSERT_TRUE(answer);
        ASSERT_EQ(answer->status, 410u) << "node " << id << " shows " << key << " below " << oldest;
        ASSERT_EQ(answer->code(), "compacted");
      }
    }
  }

 private:
  Cluster& cluster_;
  std::minstd_rand random_{4711};
  std::map<std::string, std::map<std::uint64_t, std::string>> keys_;
  std::uint64_t last_ = 0;
  bool unknown_ = false;
};

bool wait_compacted(Cluster& cluster, int id, std::uint64_t revision) {
  return eventually([&] { return cluster.number(id, "compact_revision") == revision; });
}

TEST(Compaction, ForgetsThePastAtEveryNodeForGood) {
  Cluster cluster(3, kSmallBuffers);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  const int follower = leader % 3 + 1;
  Past past(cluster);
  past.write(leader, 300);
  ASSERT_FALSE(past.unknown());
  const auto page = cluster.request(leader, "GET", "/v1/kv?limit=2");
  ASSERT_TRUE(page && page->status == 200);
  const std::string cursor = page->json().at("cursor").as_string().c_str();
  past.write(leader, 100);
  const std::uint64_t oldest = past.last() - 20;

  const auto done = compact(cluster, follower, oldest);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->status, 200u) << done->body;
  EXPECT_EQ(done->json().at("compact_revision"), oldest);
  for (const int id : cluster.ids()) {
    ASSERT_TRUE(wait_compacted(cluster, id, oldest));
    past.check(id, oldest);
    const auto gone = cluster.request(id, "GET", "/v1/kv?limit=2&cursor=" + cursor);
    ASSERT_TRUE(gone);
    EXPECT_EQ(gone->status, 410u) << gone->body;
    EXPECT_EQ(cluster.metric(id, "tenaz_storage_compact_revision"), static_cast<double>(oldest));

    for (const std::uint64_t again : {oldest, oldest - 1}) {
      const auto twice = compact(cluster, id, again);
      ASSERT_TRUE(twice);
      EXPECT_EQ(twice->status, 410u);
      EXPECT_EQ(twice->code(), "compacted");
      EXPECT_EQ(twice->outcome(), "not_applied");
    }
    const auto future = compact(cluster, id, past.last() + 1);
    ASSERT_TRUE(future);
    EXPECT_EQ(future->status, 400u);
    EXPECT_EQ(future->code(), "future_revision");
    EXPECT_EQ(cluster.number(id, "compact_revision"), oldest);
  }

  cluster.kill_all();
  cluster.start_all();
  ASSERT_NE(cluster.wait_leader(), 0);
  for (const int id : cluster.ids()) {
    ASSERT_TRUE(cluster.wait_ready(id));
    EXPECT_EQ(cluster.number(id, "compact_revision"), oldest);
    past.check(id, oldest);
  }
}

// Hazard M36: what the compaction drops must never be missed after a crash, when the state may be back at an earlier
// compact revision and is brought on again by the log.
TEST(Compaction, AKillDuringItLosesNothingThatMayBeRead) {
  Cluster cluster(3, kSmallBuffers);
  cluster.start_all();
  Past past(cluster);
  std::minstd_rand random(7);
  std::uint64_t oldest = 0;
  for (int round = 0; round < 6 && !::testing::Test::HasFailure(); ++round) {
    const int leader = cluster.wait_leader();
    ASSERT_NE(leader, 0);
    past.write(leader, 400);
    ASSERT_FALSE(past.unknown()) << cluster.log(leader);
    const std::uint64_t wanted = past.last() - random() % 100;
    const auto done = compact(cluster, leader, wanted);
    ASSERT_TRUE(done);
    ASSERT_EQ(done->status, 200u) << done->body;
    oldest = wanted;
    // Its background work is under way now, or about to be.
    if (round % 2 == 0)
      cluster.kill_all();
    else
      cluster.kill(leader % 3 + 1);
    for (const int id : cluster.ids())
      if (!cluster.running(id)) cluster.start(id);
    ASSERT_NE(cluster.wait_leader(), 0);
    for (const int id : cluster.ids()) {
      ASSERT_TRUE(cluster.wait_ready(id)) << cluster.log(id);
      ASSERT_TRUE(wait_compacted(cluster, id, oldest));
      past.check(id, oldest);
    }
  }
  cluster.expect_one_leader_per_term();
}

// Nobody asks for it: the leader does it by what is configured, and a new leader goes on.
TEST(Compaction, ByCountAndByAgeUnasked) {
  for (const Settings& keep : {Settings{{"history.keep_revisions", "100"}}, Settings{{"history.keep_age", "\"1s\""}}}) {
    Settings settings = kSmallBuffers;
    settings.insert(keep.begin(), keep.end());
    settings["history.compact_interval"] = "\"1s\"";
    Cluster cluster(3, settings);
    cluster.start_all();
    Past past(cluster);
    for (int round = 0; round < 2; ++round) {
      const int leader = cluster.wait_leader();
      ASSERT_NE(leader, 0);
      const std::uint64_t before = past.last();
      past.write(leader, 300);
      ASSERT_FALSE(past.unknown());
      // With writes in between, since their wall times tell the age.
      ASSERT_TRUE(eventually([&] {
        past.write(leader, 1);
        return !past.unknown() && cluster.number(leader, "compact_revision") > before;
      })) << cluster.log(leader);
      EXPECT_TRUE(cluster.logged(leader, "are to be forgotten"));
      if (keep.contains("history.keep_revisions")) {
        EXPECT_LE(cluster.number(leader, "compact_revision") + 100, past.last());
      }
      const std::uint64_t live = past.last();
      for (const int id : cluster.ids()) {
        ASSERT_TRUE(eventually([&] { return cluster.number(id, "revision") >= live; }));
        past.check(id, live, cluster.number(id, "compact_revision"));
      }
      if (round == 0) cluster.restart(leader);
    }
  }
}

}  // namespace
}  // namespace tenaz::harness
