// Backups of a real cluster: consistent while it serves, and whole or refused.
#include <gtest/gtest.h>

#include <thread>

#include "tests/integration/harness/client_program.h"
#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/ledger.h"

namespace tenaz::harness {
namespace {

std::string url(const Address& address) {
  return "http://" + address.host + ":" + std::to_string(address.port);
}

Finished tenazctl(const Cluster& cluster, int id, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--endpoints", url(cluster.http_address(id))});
  return harness::tenazctl(std::move(arguments));
}

std::uint64_t figure(const std::string& output, const std::string& name) {
  const std::size_t at = output.find(name);
  return at == std::string::npos ? 0 : std::stoull(output.substr(at + name.size()));
}

TEST(Backup, HoldsWhatWasAcknowledgedBeforeItWhileTheClusterServes) {
  Cluster cluster(3);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  Ledger ledger(cluster, 4);
  ASSERT_TRUE(ledger.wait_progress(200));
  const std::string file = (cluster.directory() / "b").string();
  for (const int id : cluster.ids()) {
    // A follower has it too, though it may have to hear of it first.
    ASSERT_TRUE(cluster.put(leader, "before/" + std::to_string(id), "here"));
    const std::uint64_t revision = cluster.number(leader, "revision");
    const std::uint64_t before = ledger.acknowledged();
    const Finished made = tenazctl(cluster, id, {"backup", file + std::to_string(id)});
    ASSERT_EQ(made.exit.code, 0) << made.output << cluster.log(id);
    EXPECT_GE(figure(made.output, "revision  "), revision);
    EXPECT_TRUE(ledger.wait_progress(1)) << "writes go on";
    EXPECT_GE(ledger.acknowledged(), before);
    EXPECT_EQ(harness::tenazctl({"verify-backup", file + std::to_string(id)}).output, made.output);
  }
  ledger.stop();
  for (const int id : cluster.ids()) ledger.check(id);
  EXPECT_TRUE(eventually([&] {
    for (const int id : cluster.ids()) {
      const auto images = cluster.data_dir(id) / "images";
      if (std::filesystem::exists(images) && !std::filesystem::is_empty(images)) return false;
    }
    return true;
  })) << "images are removed";
}

TEST(Backup, WithoutAMajorityWhatTheNodeHas) {
  Cluster cluster(3);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  ASSERT_TRUE(cluster.put(leader, "k", "v"));
  const int left = leader % 3 + 1;
  ASSERT_TRUE(cluster.wait_caught_up(left, leader));
  for (const int id : cluster.ids())
    if (id != left) cluster.kill(id);
  const std::string file = (cluster.directory() / "b").string();
  const Finished refused = tenazctl(cluster, left, {"--timeout", "1", "backup", file});
  EXPECT_EQ(refused.exit.code, 3) << refused.output;
  EXPECT_FALSE(std::filesystem::exists(file));
  const Finished made = tenazctl(cluster, left, {"backup", "--consistency", "local", file});
  EXPECT_EQ(made.exit.code, 0) << made.output;
  EXPECT_GE(figure(made.output, "revision  "), 1u);
}

TEST(Backup, ANodeKilledInTheMiddleLeavesNoFile) {
  Cluster cluster(1);
  cluster.start_all();
  ASSERT_EQ(cluster.wait_leader(), 1);
  const std::string value((1 << 20) - 16, 'v');
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(cluster.put(1, "k" + std::to_string(i), value + std::to_string(i)));
  const std::string file = (cluster.directory() / "b").string();
  // A reader that takes only the beginning keeps the stream open; another one runs into the node's death.
  RawConnection slow(cluster.http_address(1));
  ASSERT_TRUE(slow.send("GET /v1/backup HTTP/1.1\r\nHost: t\r\n\r\n"));
  ASSERT_NE(slow.receive_until("tenazbak").find("200 OK"), std::string::npos);
  cluster.kill(1);
  const std::string rest = slow.receive_until("never comes");
  const Finished made = tenazctl(cluster, 1, {"backup", file});
  EXPECT_EQ(made.exit.code, 3) << made.output;
  EXPECT_FALSE(std::filesystem::exists(file));
  // What such a death leaves on the node's disk is removed at its next start.
  EXPECT_TRUE(std::filesystem::exists(cluster.data_dir(1) / "images"));
  cluster.start(1);
  ASSERT_EQ(cluster.wait_leader(), 1);
  EXPECT_FALSE(std::filesystem::exists(cluster.data_dir(1) / "images"));
  EXPECT_EQ(tenazctl(cluster, 1, {"backup", file}).exit.code, 0);
}

}  // namespace
}  // namespace tenaz::harness
