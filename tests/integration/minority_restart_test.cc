// A majority is lost for good: the node that is left goes on as a new cluster with what it has, and nobody of the old
// cluster gets in again.
#include <gtest/gtest.h>

#include <map>

#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/ledger.h"

namespace tenaz::harness {
namespace {

namespace fs = std::filesystem;

constexpr Exit kStopped{0, 0}, kUsage{2, 0}, kNotDone{3, 0}, kUnusableData{6, 0};

class MinorityRestart : public testing::Test {
 protected:
  static Finished tenazd(const Cluster& cluster, int id, std::vector<std::string> more) {
    std::vector<std::string> command = {tenazd_path(), "--config", cluster.config_file(id)};
    command.insert(command.end(), more.begin(), more.end());
    return run(command);
  }
  static Finished inspect(const Cluster& cluster, int id) { return tenazd(cluster, id, {"--inspect"}); }
  static Finished recover(const Cluster& cluster, int id) {
    return tenazd(cluster, id, {"--recover-from-minority", "--accept-data-loss"});
  }
  // At a terminal at which `line` is typed.
  static Finished recover_typing(const Cluster& cluster, int id, const std::string& line) {
    const std::string command =
        tenazd_path() + " --config " + cluster.config_file(id).string() + " --recover-from-minority";
    return run({"sh", "-c", "echo '" + line + "' | script --quiet --return --command '" + command + "' /dev/null"});
  }
  using Files = std::map<std::string, std::string>;
  // All of a node's files but the lock, which says who held it last.
  static Files files(const fs::path& directory) {
    Files out;
    for (const auto& file : fs::recursive_directory_iterator(directory))
      if (file.path().filename() != "LOCK")
        out[file.path()] = file.is_regular_file() ? read_file(file.path()) : "(a directory)";
    return out;
  }
  static std::string cluster_id(const Cluster& cluster, int id) {
    const auto status = cluster.status(id);
    return status ? std::string(status->at("cluster_id").as_string()) : std::string();
  }
  static std::string tag(const Cluster& cluster, int id, const std::string& key) {
    const auto answer = cluster.request(id, "GET", "/v1/kv/" + key);
    return answer ? std::string(answer->header("ETag")) : std::string();
  }
  // The status of a PUT that is bound to a tag.
  static unsigned put_if(const Cluster& cluster, int id, const std::string& key, const std::string& if_match) {
    const auto answer = cluster.request(id, "PUT", "/v1/kv/" + key, "x", {{"If-Match", if_match}});
    return answer ? answer->status : 0;
  }
  static void expect_compacted(const Cluster& cluster, int id, const std::string& key, std::uint64_t revision) {
    const auto past = cluster.request(id, "GET", "/v1/kv/" + key + "?revision=" + std::to_string(revision));
    ASSERT_TRUE(past);
    EXPECT_EQ(past->status, 410U) << revision;
    EXPECT_EQ(past->code(), "compacted") << revision;
  }
};

TEST_F(MinorityRestart, TheNodeThatIsLeftGoesOnAndTheOthersAreRefused) {
  Cluster cluster(3);
  cluster.start_all();
  const int old_leader = cluster.wait_leader();
  ASSERT_NE(old_leader, 0);
  const std::string old_id = cluster_id(cluster, old_leader);
  Ledger ledger(cluster, 2);
  ASSERT_TRUE(ledger.wait_progress(100));
  ASSERT_TRUE(cluster.put(old_leader, "kept", "same"));
  ledger.stop();
  const int left = old_leader % 3 + 1;
  const std::vector<int> lost = {old_leader, left % 3 + 1};
  ASSERT_TRUE(cluster.wait_caught_up(left, old_leader));
  const std::string kept_tag = tag(cluster, left, "kept");
  const std::uint64_t old_revision = cluster.number(left, "revision");

  const Finished running = recover(cluster, left);
  EXPECT_EQ(running.exit, kNotDone) << running.output;
  EXPECT_TRUE(cluster.running(left));
  for (const int id : lost) cluster.kill(id);
  EXPECT_FALSE(cluster.put(left, "kept", "without a majority"));
  const std::uint64_t old_term = cluster.number(left, "term");
  const std::uint64_t old_last = cluster.number(left, "last_index");
  cluster.terminate(left);
  ASSERT_EQ(cluster.wait_exit(left), kStopped) << cluster.log(left);

  // Without a yes, nothing is changed.
  const Files before = files(cluster.data_dir(left));
  const Finished looked = inspect(cluster, left);
  EXPECT_EQ(looked.exit, kStopped) << looked.output;
  EXPECT_NE(looked.output.find("last index " + std::to_string(old_last)), std::string::npos) << looked.output;
  EXPECT_NE(looked.output.find(old_id), std::string::npos) << looked.output;
  const Finished unasked = tenazd(cluster, left, {"--recover-from-minority"});
  EXPECT_EQ(unasked.exit, kNotDone) << unasked.output;
  EXPECT_NE(unasked.output.find("not confirmed, nothing was changed"), std::string::npos) << unasked.output;
  EXPECT_NE(unasked.output.find("Lost:"), std::string::npos) << unasked.output;
  const Finished mistyped = recover_typing(cluster, left, "yes");
  EXPECT_EQ(mistyped.exit, kNotDone) << mistyped.output;
  EXPECT_TRUE(files(cluster.data_dir(left)) == before) << "for a look: " << cluster.data_dir(left);

  const Finished done = recover_typing(cluster, left, "test");
  ASSERT_EQ(done.exit, kStopped) << done.output;
  const Finished again = recover(cluster, left);
  EXPECT_EQ(again.exit, kNotDone) << again.output;
  EXPECT_NE(again.output.find("only voter"), std::string::npos) << again.output;

  cluster.start(left);
  ASSERT_EQ(cluster.wait_leader(), left);
  const std::string new_id = cluster_id(cluster, left);
  EXPECT_NE(new_id, old_id);
  EXPECT_NE(done.output.find("new cluster " + new_id), std::string::npos) << done.output;
  EXPECT_GT(cluster.number(left, "term"), old_term);
  EXPECT_GT(cluster.number(left, "revision"), old_revision + 900'000'000);
  EXPECT_EQ(cluster.members(left), (std::map<int, std::string>{{left, "voter"}}));
  ledger.check(left);
  // It was stopped in good order, so all of that was known to be committed, and the tags of before still fit.
  EXPECT_EQ(tag(cluster, left, "kept"), kept_tag);
  EXPECT_EQ(put_if(cluster, left, "kept", kept_tag), 200U);
  EXPECT_EQ(put_if(cluster, left, "kept", kept_tag), 412U);
  for (const std::uint64_t revision : {std::uint64_t{1}, old_revision, old_revision + 1000})
    expect_compacted(cluster, left, "kept", revision);

  // The others come back, a majority of the old cluster.
  const std::uint64_t term = cluster.number(left, "term");
  for (const int id : lost) cluster.start(id);
  for (const int id : lost) {
    const std::string refusal = "wrong cluster: node " + std::to_string(id) + " belongs to cluster " + old_id +
                                ", node " + std::to_string(left) + " to cluster " + new_id;
    EXPECT_TRUE(eventually([&] { return cluster.logged(left, refusal); })) << refusal << "\n" << cluster.log(left);
  }
  EXPECT_TRUE(eventually([&] { return cluster.role(lost[0]) == "leader" || cluster.role(lost[1]) == "leader"; }))
      << "between themselves they are the old cluster yet";
  EXPECT_TRUE(cluster.put(left, "after", "they came"));
  EXPECT_EQ(cluster.role(left), "leader");
  EXPECT_EQ(cluster.number(left, "term"), term);
  for (const int id : lost) {
    EXPECT_EQ(cluster_id(cluster, id), old_id);
    EXPECT_EQ(cluster.get(id, "after"), std::nullopt);
  }
  ledger.check(left);
  const auto readmitted = cluster.add_member(left, lost[0]);
  ASSERT_TRUE(readmitted);
  EXPECT_NE(readmitted->status, 201U) << "its id is not used again";
  for (const int id : lost) cluster.kill(id);

  // It grows to three again, and does without the node that it began with.
  std::set<int> members{left};
  for (int i = 0; i < 2; ++i) {
    const int id = cluster.add_node();
    ASSERT_TRUE(cluster.admit(left, id));
    members.insert(id);
    ASSERT_TRUE(cluster.wait_voters(left, members));
    ASSERT_TRUE(cluster.wait_caught_up(id, left)) << cluster.log(id);
    EXPECT_EQ(cluster_id(cluster, id), new_id);
  }
  cluster.kill(left);
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  EXPECT_EQ(cluster.get(leader, "after"), "they came");
  ledger.check(leader);
}

TEST_F(MinorityRestart, WhatOnlyTheLostNodesHadIsGoneAndItsTagsMatchNothing) {
  Cluster cluster(3);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  const int left = leader % 3 + 1;
  ASSERT_TRUE(cluster.put(leader, "changed", "before"));
  ASSERT_TRUE(cluster.wait_caught_up(left, leader));
  cluster.kill(left);
  ASSERT_TRUE(cluster.put(leader, "changed", "theirs"));
  ASSERT_TRUE(cluster.put(leader, "theirs", "too"));
  const std::string lost_tag = tag(cluster, leader, "changed");
  const std::uint64_t lost_revision = cluster.number(leader, "revision");
  cluster.kill_all();
  for (const int id : cluster.ids())
    if (id != left) fs::remove_all(cluster.data_dir(id));

  const Finished done = recover(cluster, left);
  ASSERT_EQ(done.exit, kStopped) << done.output;
  cluster.start(left);
  ASSERT_EQ(cluster.wait_leader(), left);
  EXPECT_EQ(cluster.get(left, "changed"), "before");
  EXPECT_EQ(cluster.get(left, "theirs"), std::nullopt);
  EXPECT_EQ(put_if(cluster, left, "changed", lost_tag), 412U);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.put(left, "changed", "new" + std::to_string(i)));
  EXPECT_EQ(put_if(cluster, left, "changed", lost_tag), 412U);
  expect_compacted(cluster, left, "changed", lost_revision);

  // A lost one that begins anew, with an empty disk, is another cluster's yet.
  const int other = left % 3 + 1;
  cluster.start(other);
  EXPECT_TRUE(eventually([&] { return cluster.logged(left, "wrong cluster: node " + std::to_string(other)); }))
      << cluster.log(left);
  EXPECT_EQ(cluster.members(left), (std::map<int, std::string>{{left, "voter"}}));
}

TEST_F(MinorityRestart, OtherNodesAreRefusedWithTheExitCodeThatSaysWhy) {
  Cluster cluster(1);
  write_file(cluster.config_file(1), cluster.config_text(1));
  EXPECT_EQ(tenazd(cluster, 1, {"--accept-data-loss"}).exit, kUsage);
  EXPECT_EQ(tenazd(cluster, 1, {"--recover-from-minority", "--inspect"}).exit, kUsage);
  for (const char* what : {"--inspect", "--recover-from-minority"}) {
    const Finished nothing = tenazd(cluster, 1, {what});
    EXPECT_EQ(nothing.exit, kNotDone) << nothing.output;
    EXPECT_NE(nothing.output.find("is not the data directory of a node"), std::string::npos) << nothing.output;
    EXPECT_FALSE(fs::exists(cluster.data_dir(1)));
  }
  cluster.start_all();
  ASSERT_EQ(cluster.wait_leader(), 1);
  cluster.kill_all();
  const Finished single = recover(cluster, 1);
  EXPECT_EQ(single.exit, kNotDone) << single.output;
  EXPECT_NE(single.output.find("no majority is lost"), std::string::npos) << single.output;
  cluster.set(1, "cluster.token", "\"another\"");
  write_file(cluster.config_file(1), cluster.config_text(1));
  for (const Finished& foreign : {inspect(cluster, 1), recover(cluster, 1)}) {
    EXPECT_EQ(foreign.exit, kUnusableData) << foreign.output;
    EXPECT_NE(foreign.output.find("belongs to node 1 of cluster"), std::string::npos) << foreign.output;
  }
  cluster.set(1, "cluster.token", "");
  cluster.start_all();
  EXPECT_EQ(cluster.wait_leader(), 1) << "it is what it was";
}

}  // namespace
}  // namespace tenaz::harness
