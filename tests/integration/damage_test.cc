// Damaged files. The node whose disk is damaged either stops with a message, or repairs itself from what it still has
// and from its peers. It never serves garbage, and never votes with a log that it forgot (hazard M34).
#include "tests/integration/harness/damage.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>

#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/ledger.h"

namespace tenaz::harness {
namespace {

namespace fs = std::filesystem;

// Small buffers, so that there are tables to damage, and enough log for a replay.
const Settings kSmallBuffers{{"storage.write_buffer_bytes", "\"1MiB\""}, {"storage.log_buffer_bytes", "\"1MiB\""}};

class Damage : public ::testing::Test {
 protected:
  explicit Damage(const Settings& settings = kSmallBuffers) : cluster_(3, settings) {}

  void SetUp() override {
    cluster_.start_all();
    const int leader = cluster_.wait_leader();
    ASSERT_NE(leader, 0);
    victim_ = leader % 3 + 1;
    ledger_.emplace(cluster_, 3);
    const std::string value(32 << 10, 'x');
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(eventually([&] { return cluster_.put(leader, "big/" + std::to_string(i), value); }));
    }
    ASSERT_TRUE(ledger_->wait_progress(300));
    prepare(leader);
    ledger_->stop();
    ASSERT_TRUE(cluster_.wait_caught_up(victim_, cluster_.wait_leader()));
    cluster_.kill_all();
  }
  // Before all are killed.
  virtual void prepare(int /*leader*/) {}

  fs::path raft() const { return cluster_.data_dir(victim_) / "raft"; }
  fs::path state() const { return state_directory(cluster_.data_dir(victim_)); }

  // After the damage: the others serve everything. The victim has stopped with a message or, if it may, serves it too.
  void expect_safe(bool must_stop) {
    for (const int id : cluster_.ids()) {
      if (id != victim_) cluster_.start(id);
    }
    const int leader = cluster_.wait_leader();
    ASSERT_NE(leader, 0) << "two of three undamaged nodes are a majority";
    const std::size_t before = cluster_.log(victim_).size();
    cluster_.start(victim_);
    ASSERT_TRUE(eventually([&] { return !cluster_.running(victim_) || caught_up(leader); })) << log_since(before);
    if (!cluster_.running(victim_)) {
      const auto exit = cluster_.wait_exit(victim_);
      EXPECT_EQ(exit->signal, 0) << "it crashed:\n" << log_since(before);
      EXPECT_EQ(exit->code, 6) << log_since(before);
      EXPECT_NE(log_since(before).find("cannot start"), std::string::npos) << log_since(before);
    } else {
      EXPECT_FALSE(must_stop) << "it runs as if nothing had happened:\n" << log_since(before);
      ledger_->check(victim_);
      expect_same_state(leader);
    }
    for (const int id : cluster_.ids()) {
      if (id != victim_) ledger_->check(id);
    }
    EXPECT_TRUE(cluster_.put(leader, "after", "the damage"));
    cluster_.expect_one_leader_per_term();
  }

  std::string log_since(std::size_t offset) const { return cluster_.log(victim_).substr(offset); }

 private:
  bool caught_up(int leader) const {
    const std::uint64_t applied = cluster_.number(leader, "applied_index");
    return applied != 0 && cluster_.number(victim_, "applied_index") >= applied;
  }

  // Keys, values and revisions, read from the node's own state.
  void expect_same_state(int leader) {
    const std::string revision = std::to_string(cluster_.number(leader, "revision"));
    const std::string target = "/v1/kv?start=%00&limit=10000&max_bytes=16777216&revision=" + revision;
    const auto right = cluster_.request(leader, "GET", target + "&consistency=local");
    const auto here = cluster_.request(victim_, "GET", target + "&consistency=local");
    ASSERT_TRUE(right && here);
    ASSERT_EQ(right->status, 200u) << right->body;
    ASSERT_EQ(here->status, 200u) << here->body;
    const auto items = [](const HttpAnswer& answer) {
      return boost::json::serialize(answer.json().as_object().at("items"));
    };
    EXPECT_TRUE(items(*right) == items(*here)) << "the damaged node's state differs";
  }

 protected:
  Cluster cluster_;
  int victim_ = 0;
  std::optional<Ledger> ledger_;
};

TEST_F(Damage, NoneAtAllIsNoReasonToStop) {
  expect_safe(false);
  EXPECT_TRUE(cluster_.running(victim_));
}

TEST_F(Damage, RaftLogCutShort) {
  const auto logs = files(raft(), is_wal);
  ASSERT_FALSE(logs.empty());
  fs::resize_file(logs.back(), fs::file_size(logs.back()) / 2);
  expect_safe(true);
}

TEST_F(Damage, RaftLogWithoutItsLastBytes) {
  const auto logs = files(raft(), is_wal);
  ASSERT_FALSE(logs.empty());
  fs::resize_file(logs.back(), fs::file_size(logs.back()) - 7);
  expect_safe(true);
}

TEST_F(Damage, RaftLogWithFlippedBytes) {
  const auto logs = files(raft(), is_wal);
  ASSERT_FALSE(logs.empty());
  flip_bytes(logs.back(), fs::file_size(logs.back()) / 2);
  expect_safe(true);
}

TEST_F(Damage, RaftLogFileGone) {
  const auto logs = files(raft(), is_wal);
  ASSERT_FALSE(logs.empty());
  fs::remove(logs.back());
  expect_safe(true);
}

TEST_F(Damage, RaftManifestCutShort) {
  const auto manifests = files(raft(), is_manifest);
  ASSERT_FALSE(manifests.empty());
  fs::resize_file(manifests.back(), fs::file_size(manifests.back()) / 2);
  expect_safe(true);
}

TEST_F(Damage, RaftTableWithFlippedBytes) {
  const auto tables = files(raft(), is_table);
  ASSERT_FALSE(tables.empty());
  for (const fs::path& table : tables) flip_bytes(table, fs::file_size(table) / 3);
  expect_safe(false);
}

TEST_F(Damage, RaftDirectoryGone) {
  fs::remove_all(raft());
  expect_safe(true);
}

TEST_F(Damage, StateTableWithFlippedBytes) {
  const auto tables = files(state(), is_table);
  ASSERT_FALSE(tables.empty());
  for (const fs::path& table : tables) flip_bytes(table, fs::file_size(table) / 2, 64);
  expect_safe(false);
}

TEST_F(Damage, StateTableCutShort) {
  const auto tables = files(state(), is_table);
  ASSERT_FALSE(tables.empty());
  fs::resize_file(tables.back(), fs::file_size(tables.back()) / 2);
  expect_safe(false);
}

TEST_F(Damage, StateManifestCutShort) {
  const auto manifests = files(state(), is_manifest);
  ASSERT_FALSE(manifests.empty());
  fs::resize_file(manifests.back(), fs::file_size(manifests.back()) / 2);
  expect_safe(false);
}

TEST_F(Damage, StateDirectoryGone) {
  fs::remove_all(state());
  expect_safe(false);
}

// As after a log that lost its end unnoticed: here the state of a node that is ahead.
TEST_F(Damage, StateAheadOfTheLog) {
  const int ahead = victim_ % 3 + 1;
  for (const int id : cluster_.ids()) {
    if (id != victim_) cluster_.start(id);
  }
  ASSERT_NE(cluster_.wait_leader(), 0);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(cluster_.put(ahead, "ahead/" + std::to_string(i), "x"));
  cluster_.terminate(ahead);  // flushes
  ASSERT_TRUE(cluster_.wait_exit(ahead));
  cluster_.kill_all();
  fs::remove_all(state());
  fs::copy(state_directory(cluster_.data_dir(ahead)), cluster_.data_dir(victim_) / "state-0-0",
           fs::copy_options::recursive);
  expect_safe(true);
  EXPECT_TRUE(cluster_.logged(victim_, "must not vote under this identity again")) << cluster_.log(victim_);
}

// The log no longer reaches back to the first entry: what is lost of the state must come from another node, and the
// node must neither forget what it acknowledged nor be lost itself.
class StateDamage : public Damage {
 protected:
  StateDamage() : Damage(with_a_short_log()) {}

  static Settings with_a_short_log() {
    Settings settings = kSmallBuffers;
    settings["storage.log_retain_bytes"] = "\"64KiB\"";
    settings["storage.log_retain_time"] = "\"0s\"";
    settings["raft.cache_bytes"] = "\"64KiB\"";
    return settings;
  }

  void prepare(int leader) override {
    const std::string value(32 << 10, 'y');
    int n = 0;
    ASSERT_TRUE(eventually([&] {
      EXPECT_TRUE(cluster_.put(leader, "more/" + std::to_string(n++ % 50), value));
      return cluster_.number(victim_, "first_index") > 1;
    }));
  }

  // The node took part again by an image, and has all that was ever acknowledged.
  void expect_restored() {
    expect_safe(false);
    EXPECT_TRUE(cluster_.running(victim_)) << cluster_.log(victim_);
    EXPECT_TRUE(cluster_.logged(victim_, "the state is no longer missing")) << cluster_.log(victim_);
  }

  std::string code(int id, const std::string& method, const std::string& target) {
    const auto answer = cluster_.request(id, method, target, method == "PUT" ? "x" : "");
    return answer ? std::to_string(answer->status) + " " + answer->code() + " " + answer->outcome() : "no answer";
  }
};

TEST_F(StateDamage, DirectoryGone) {
  fs::remove_all(state());
  expect_restored();
}

TEST_F(StateDamage, TableWithFlippedBytesAndTheOperatorDoesAsTold) {
  for (const fs::path& table : files(state(), is_table)) {
    flip_bytes(table, fs::file_size(table) / 2, 64);
    flip_bytes(table, fs::file_size(table) - 16);
  }
  cluster_.start(victim_);
  const auto exit = cluster_.wait_exit(victim_);
  ASSERT_TRUE(exit) << cluster_.log(victim_);
  EXPECT_EQ(exit->signal, 0);
  EXPECT_TRUE(cluster_.logged(victim_, "move this directory out of the data directory and start again"))
      << cluster_.log(victim_);
  fs::rename(state(), cluster_.directory() / "moved-away");
  expect_restored();
}

TEST_F(StateDamage, UntilTheStateIsThereNothingIsAnswered) {
  fs::remove_all(state());
  cluster_.start(victim_);
  ASSERT_TRUE(eventually([&] { return cluster_.logged(victim_, "part of the state is missing"); }));
  ASSERT_TRUE(eventually([&] { return cluster_.status(victim_).has_value(); }));
  EXPECT_EQ(code(victim_, "GET", "/readyz"), "503 not_ready ");
  EXPECT_EQ(code(victim_, "GET", "/v1/kv/big/1"), "503 not_ready ");
  EXPECT_EQ(code(victim_, "GET", "/v1/kv/big/1?consistency=local"), "503 not_ready ");
  EXPECT_EQ(code(victim_, "GET", "/v1/kv?prefix=big&consistency=local"), "503 not_ready ");
  EXPECT_EQ(code(victim_, "GET", "/v1/kv/big/1?consistency=local&min_revision=1"), "503 not_ready ");
  EXPECT_EQ(code(victim_, "PUT", "/v1/kv/big/1"), "503 not_ready not_applied");
  EXPECT_EQ(cluster_.number(victim_, "applied_index"), 0u);
  EXPECT_EQ(cluster_.number(victim_, "leader_id"), 0u);
  cluster_.terminate(victim_);
  const auto exit = cluster_.wait_exit(victim_);
  ASSERT_TRUE(exit) << cluster_.log(victim_);
  EXPECT_EQ(*exit, (Exit{0, 0}));
  expect_restored();
}

// No leader can be elected without the node itself: it gets its state from a node that does not lead.
TEST_F(StateDamage, OneOtherNodeIsEnough) {
  const int other = victim_ % 3 + 1;
  cluster_.start_all();
  ASSERT_TRUE(cluster_.wait_caught_up(other, cluster_.wait_leader()));
  cluster_.terminate(other);  // what it has applied is durable then
  ASSERT_TRUE(cluster_.wait_exit(other));
  cluster_.kill_all();
  fs::remove_all(state());
  cluster_.start(victim_);
  cluster_.start(other);
  ASSERT_NE(cluster_.wait_leader(), 0);
  ASSERT_TRUE(cluster_.wait_ready(victim_));
  ledger_->check(victim_);
  ledger_->check(other);
  cluster_.kill_all();
  expect_safe(false);
}

// All whom its log names have left: the leader of today, whom it does not know, calls it, and has a state.
TEST_F(StateDamage, WhereNobodyIsLeftWhomItKnows) {
  fs::remove_all(state());
  std::vector<int> old = cluster_.ids();
  std::erase(old, victim_);
  for (const int id : old) cluster_.start(id);
  int through = cluster_.wait_leader();
  ASSERT_NE(through, 0);
  for (const int leaves : old) {
    const int next = cluster_.add_node();
    ASSERT_TRUE(cluster_.admit(through, next, ",\"replaces\":" + std::to_string(leaves)));
    ASSERT_TRUE(eventually(
        [&] { return cluster_.members(next)[next] == "voter" && !cluster_.members(next).contains(leaves); }));
    ASSERT_TRUE(cluster_.wait_exit(leaves)) << cluster_.log(leaves);
    through = next;
  }
  cluster_.start(victim_);
  ASSERT_TRUE(cluster_.wait_ready(victim_)) << cluster_.log(victim_);
  ledger_->check(victim_);
}

TEST_F(StateDamage, AKillMeanwhileLeavesItMissingOrRestored) {
  fs::remove_all(state());
  for (const int id : cluster_.ids()) {
    if (id != victim_) cluster_.start(id);
  }
  for (const char* moment :
       {"the state is missing: fetching", "snapshot: fetching", "is here, in", "no longer missing"}) {
    const std::size_t before = cluster_.log(victim_).size();
    cluster_.start(victim_);
    ASSERT_TRUE(eventually([&] {
      return cluster_.log(victim_).find(moment, before) != std::string::npos ||
             cluster_.log(victim_).find("leads term", before) != std::string::npos;
    })) << cluster_.log(victim_);
    cluster_.kill(victim_);
  }
  cluster_.kill_all();
  expect_safe(false);
  EXPECT_TRUE(cluster_.running(victim_));
}

}  // namespace
}  // namespace tenaz::harness
