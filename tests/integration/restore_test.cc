// A new cluster of real processes from a backup of an old one.
#include <gtest/gtest.h>

#include <map>

#include "tests/integration/harness/client_program.h"
#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/ledger.h"

namespace tenaz::harness {
namespace {

namespace fs = std::filesystem;

class Restore : public testing::Test {
 protected:
  Finished backup(const Cluster& cluster, int id, const fs::path& file) {
    const Address& address = cluster.http_address(id);
    return tenazctl({"--endpoints", "http://" + address.host + ":" + std::to_string(address.port), "backup", file});
  }
  // The configuration that the node would be started with, written without starting it.
  static Finished restore(Cluster& cluster, int id, const fs::path& file, std::vector<std::string> more = {}) {
    write_file(cluster.config_file(id), cluster.config_text(id));
    std::vector<std::string> command = {"restore", file, "--config", cluster.config_file(id)};
    command.insert(command.end(), more.begin(), more.end());
    return tenazctl(command);
  }
  // What node `by` writes when it refuses node `other`.
  static std::string wrong_cluster(int other, const std::string& its_id, int by, const std::string& id) {
    return "wrong cluster: node " + std::to_string(other) + " belongs to cluster " + its_id + ", node " +
           std::to_string(by) + " to cluster " + id;
  }
  static std::string cluster_id(const Cluster& cluster, int id) {
    const auto status = cluster.status(id);
    return status ? std::string(status->at("cluster_id").as_string()) : std::string();
  }
};

TEST_F(Restore, ANewClusterOfThreeFromABackupThatWasMadeUnderLoad) {
  TempDirectory shared("restore");
  const fs::path file = shared.path() / "b";
  // One after the other, the old cluster and the new one, of the same configuration but for where the data is.
  Cluster cluster(3);
  cluster.start_all();
  const int old_leader = cluster.wait_leader();
  ASSERT_NE(old_leader, 0);
  const std::string old_id = cluster_id(cluster, old_leader);
  const std::uint64_t old_term = cluster.number(old_leader, "term");
  Ledger ledger(cluster, 2);
  ASSERT_TRUE(ledger.wait_progress(100));
  ASSERT_TRUE(cluster.put(old_leader, "kept", "same"));
  const std::string kept_tag(cluster.request(old_leader, "GET", "/v1/kv/kept")->header("ETag"));
  ASSERT_TRUE(cluster.put(old_leader, "changed", "before"));
  const Finished made = backup(cluster, old_leader, file);
  ASSERT_EQ(made.exit.code, 0) << made.output;
  // What comes after the backup is lost with the cluster; clients may still hold its tags.
  ASSERT_TRUE(cluster.put(old_leader, "changed", "after"));
  const std::string later_tag(cluster.request(old_leader, "GET", "/v1/kv/changed")->header("ETag"));
  ledger.stop();
  const std::uint64_t old_revision = cluster.number(old_leader, "revision");
  cluster.kill_all();

  std::map<int, fs::path> old_data;
  for (const int id : cluster.ids()) {
    old_data[id] = cluster.data_dir(id);
    cluster.set_data_dir(id, shared.path() / ("new-" + std::to_string(id)));
  }
  for (const int id : cluster.ids()) {
    const Finished done = restore(cluster, id, file);
    ASSERT_EQ(done.exit.code, 0) << done.output;
  }
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  EXPECT_NE(cluster_id(cluster, leader), old_id);
  EXPECT_GT(cluster.number(leader, "term"), old_term);
  EXPECT_GT(cluster.number(leader, "revision"), old_revision + 900'000'000);
  for (const int id : cluster.ids()) {
    ASSERT_TRUE(cluster.wait_ready(id)) << cluster.log(id);
    EXPECT_EQ(cluster_id(cluster, id), cluster_id(cluster, leader));
    EXPECT_EQ(cluster.get(id, "kept"), "same");
    EXPECT_EQ(cluster.get(id, "changed"), "before");
  }

  // An old tag matches the content that it was given for, or nothing.
  const auto stale = cluster.request(leader, "PUT", "/v1/kv/changed", "x", {{"If-Match", later_tag}});
  ASSERT_TRUE(stale);
  EXPECT_EQ(stale->status, 412u);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.put(leader, "changed", "new" + std::to_string(i)));
  EXPECT_EQ(cluster.request(leader, "PUT", "/v1/kv/changed", "x", {{"If-Match", later_tag}})->status, 412u);
  EXPECT_EQ(cluster.request(leader, "GET", "/v1/kv/kept")->header("ETag"), kept_tag);
  EXPECT_EQ(cluster.request(leader, "PUT", "/v1/kv/kept", "x", {{"If-Match", kept_tag}})->status, 200u);
  for (const std::uint64_t revision : {std::uint64_t{1}, old_revision, old_revision + 1000}) {
    const auto past = cluster.request(leader, "GET", "/v1/kv/kept?revision=" + std::to_string(revision));
    ASSERT_TRUE(past);
    EXPECT_EQ(past->status, 410u) << revision;
    EXPECT_EQ(past->code(), "compacted");
  }

  // A node that comes with its old disk, of the lost cluster, is refused.
  const std::string new_id = cluster_id(cluster, leader);
  const int other = leader % 3 + 1;
  const fs::path restored_data = cluster.data_dir(other);
  cluster.kill(other);
  cluster.set_data_dir(other, old_data[other]);
  cluster.start(other);
  EXPECT_TRUE(eventually([&] { return cluster.logged(leader, wrong_cluster(other, old_id, leader, new_id)); }))
      << cluster.log(leader);
  EXPECT_TRUE(eventually([&] { return cluster_id(cluster, other) == old_id; })) << cluster.log(other);
  EXPECT_EQ(cluster.role(other).find("leader"), std::string::npos);
  EXPECT_FALSE(cluster.get(other, "kept")) << "it has no quorum";
  cluster.kill(other);
  const Finished over = restore(cluster, other, file);
  EXPECT_NE(over.exit.code, 0) << "an existing directory";
  EXPECT_NE(over.output.find("is not empty"), std::string::npos) << over.output;

  // Its restored one was left alone.
  cluster.set_data_dir(other, restored_data);
  cluster.start(other);
  EXPECT_TRUE(cluster.wait_caught_up(other, leader)) << cluster.log(other);
  EXPECT_EQ(cluster.get(other, "changed"), "new19");
}

// Whoever forgets one of the nodes: it founds nothing that could be taken for the new cluster, and can be restored yet.
TEST_F(Restore, ANodeThatWasNotRestoredIsRefused) {
  TempDirectory shared("restore");
  const fs::path file = shared.path() / "b";
  {
    Cluster old(1);
    old.start_all();
    ASSERT_EQ(old.wait_leader(), 1);
    ASSERT_TRUE(old.put(1, "kept", "same"));
    const Finished made = backup(old, 1, file);
    ASSERT_EQ(made.exit.code, 0) << made.output;
  }
  Cluster fresh(3);
  for (const int id : {1, 2}) {
    const Finished done = restore(fresh, id, file);
    ASSERT_EQ(done.exit.code, 0) << done.output;
  }
  fresh.start(1);
  fresh.start(2);
  const int leader = fresh.wait_leader();
  ASSERT_NE(leader, 0);
  fresh.start(3);
  std::string forgotten;
  ASSERT_TRUE(eventually([&] { return !(forgotten = cluster_id(fresh, 3)).empty(); })) << fresh.log(3);
  EXPECT_NE(forgotten, cluster_id(fresh, leader));
  EXPECT_TRUE(eventually([&] {
    return fresh.logged(leader, wrong_cluster(3, forgotten, leader, cluster_id(fresh, leader)));
  })) << fresh.log(leader);
  EXPECT_FALSE(fresh.get(3, "kept")) << "it has no quorum";
  EXPECT_FALSE(fresh.put(3, "kept", "other"));

  fresh.kill(3);
  EXPECT_NE(restore(fresh, 3, file).exit.code, 0) << "an existing directory";
  fs::remove_all(fresh.data_dir(3));
  // Another gap makes another cluster, whatever else is the same.
  ASSERT_EQ(restore(fresh, 3, file, {"--revision-gap", "5"}).exit.code, 0);
  fresh.start(3);
  std::string apart;
  ASSERT_TRUE(eventually([&] { return !(apart = cluster_id(fresh, 3)).empty(); })) << fresh.log(3);
  EXPECT_TRUE(eventually([&] {
    return fresh.logged(leader, wrong_cluster(3, apart, leader, cluster_id(fresh, leader)));
  })) << fresh.log(leader);
  fresh.kill(3);
  fs::remove_all(fresh.data_dir(3));
  const Finished done = restore(fresh, 3, file);
  ASSERT_EQ(done.exit.code, 0) << done.output;
  fresh.start(3);
  EXPECT_TRUE(fresh.wait_caught_up(3, leader)) << fresh.log(3);
  EXPECT_EQ(fresh.get(3, "kept"), "same");
  EXPECT_TRUE(fresh.put(3, "kept", "written"));
  fresh.expect_one_leader_per_term();
}

// The file is checked before the directory is touched.
TEST_F(Restore, ADamagedBackupIsRefused) {
  TempDirectory shared("restore");
  const fs::path file = shared.path() / "b";
  Cluster old(1);
  old.start_all();
  ASSERT_EQ(old.wait_leader(), 1);
  ASSERT_TRUE(old.put(1, "kept", "same"));
  ASSERT_EQ(backup(old, 1, file).exit.code, 0);
  old.kill_all();
  const std::string whole = read_file(file);
  std::string changed = whole;
  changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 1);
  Cluster fresh(1);
  for (const std::string& bytes : {changed, whole.substr(0, whole.size() - 1), std::string()}) {
    write_file(file, bytes);
    const Finished refused = restore(fresh, 1, file);
    EXPECT_EQ(refused.exit.code, 1) << refused.output;
    const Finished directly = run({tenazd_path(), "--config", fresh.config_file(1), "--restore", file});
    EXPECT_EQ(directly.exit.code, 3) << directly.output;
    EXPECT_NE(directly.output.find(file.string()), std::string::npos) << directly.output;
    EXPECT_FALSE(fs::exists(fresh.data_dir(1)));
  }
}

// Wrong numbers and names are refused in words, before anything is done.
TEST(Usage, SaysWhatANumberMustBe) {
  for (const std::string given : {"0", "-5", "1.5", "x", "", "18446744073709551616"}) {
    for (const Finished& refused :
         {tenazctl({"compact", given}), tenazctl({"restore", "b", "--config", "c", "--revision-gap", given}),
          run({tenazd_path(), "--config", "c", "--restore", "b", "--revision-gap", given})}) {
      EXPECT_EQ(refused.exit.code, 2) << refused.output;
      EXPECT_NE(refused.output.find("must be a whole number from 1 to 18446744073709551615"), std::string::npos)
          << refused.output;
    }
  }
  const Finished nameless = tenazctl({"backup", ""});
  EXPECT_EQ(nameless.exit.code, 2) << nameless.output;
  EXPECT_NE(nameless.output.find("must not be empty"), std::string::npos) << nameless.output;
}

}  // namespace
}  // namespace tenaz::harness
