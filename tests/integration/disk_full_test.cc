// A really full disk: a small file system of its own on a loop device. Needs root and loop devices.
#include <gtest/gtest.h>

#include <random>

#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/small_disk.h"

namespace tenaz::harness {
namespace {

namespace fs = std::filesystem;

// Text that no table format makes smaller, or the disk would never fill.
std::string incompressible(std::size_t bytes) {
  std::mt19937_64 random(1);
  std::string out(bytes, ' ');
  for (char& c : out) c = static_cast<char>('!' + random() % 90);
  return out;
}

bool done(const std::optional<HttpAnswer>& answer) {
  return answer && (answer->status == 200 || answer->status == 201);
}

// Puts until the disk is full; the number of acknowledged writes, key/0 to key/N-1.
int fill(const Cluster& cluster, int id, const std::string& value) {
  int n = 0;
  bool full = false;
  EXPECT_TRUE(eventually(
      [&] {
        const auto answer = cluster.request(id, "PUT", "/v1/kv/key/" + std::to_string(n), value);
        if (done(answer)) {
          ++n;
        } else if (answer && answer->status == 507) {
          EXPECT_EQ(answer->code(), "disk_full");
          EXPECT_EQ(answer->outcome(), "not_applied");
          full = true;
        }
        return full || n > 5'000;
      },
      std::chrono::seconds(240)));
  EXPECT_TRUE(full) << n << " writes and still no disk_full";
  return n;
}

void expect_writable_after_deletes(Cluster& cluster, int id) {
  const auto removed = cluster.request(id, "DELETE", "/v1/kv?prefix=key/");
  ASSERT_TRUE(removed);
  ASSERT_EQ(removed->status, 200u) << removed->body;
  EXPECT_TRUE(eventually([&] { return cluster.put(id, "again", "writable"); }, std::chrono::seconds(120)))
      << "deletes made no room:\n"
      << cluster.log(id);
}

Settings small(const std::string& reserve) {
  return {{"storage.reserve_bytes", "\"" + reserve + "\""},
          {"storage.write_buffer_bytes", "\"2MiB\""},
          {"storage.log_buffer_bytes", "\"2MiB\""},
          {"storage.log_retain_bytes", "\"1MiB\""}};
}

TEST(DiskFull, PutsAreRefusedAndDeletesMakeRoom) {
  Cluster cluster(1, small("64MiB"));
  const SmallDisk disk(cluster.directory(), 256);
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  cluster.set_data_dir(1, disk.path() / "data");
  cluster.start_all();
  ASSERT_EQ(cluster.wait_leader(), 1);
  const std::string value = incompressible(256 << 10);
  const int written = fill(cluster, 1, value);
  ASSERT_GT(written, 10);
  for (const int n : {0, written / 2, written - 1}) EXPECT_EQ(cluster.get(1, "key/" + std::to_string(n)), value);
  EXPECT_TRUE(cluster.running(1));
  expect_writable_after_deletes(cluster, 1);

  cluster.kill(1);
  cluster.start(1);
  ASSERT_TRUE(cluster.wait_ready(1));
  EXPECT_EQ(cluster.get(1, "again"), "writable");
  EXPECT_EQ(cluster.get(1, "key/0"), std::nullopt);
}

// Two of three disks have no room: no majority is above the reserve, whoever leads.
TEST(DiskFull, NoMajorityWithRoom) {
  Cluster cluster(3, small("64MiB"));
  const SmallDisk disk(cluster.directory(), 400);
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  for (const int id : {1, 2}) cluster.set_data_dir(id, disk.path() / std::to_string(id));
  cluster.start_all();
  ASSERT_NE(cluster.wait_leader(), 0);
  const std::string value = incompressible(256 << 10);
  const int written = fill(cluster, 3, value);
  ASSERT_GT(written, 10);
  EXPECT_EQ(cluster.get(3, "key/" + std::to_string(written - 1)), value);
  expect_writable_after_deletes(cluster, 3);
  for (const int id : cluster.ids()) EXPECT_TRUE(cluster.running(id)) << cluster.log(id);
}

// Without a reserve the disk itself says no. That is fatal, like a failed fsync; what was acknowledged is there when
// room has been made and the node starts again.
TEST(DiskFull, ARealNoSpaceStopsTheNodeAndLosesNothing) {
  Cluster cluster(1, small("0B"));
  const SmallDisk disk(cluster.directory(), 128);
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  const fs::path ballast = disk.path() / "ballast";
  write_file(ballast, std::string(32 << 20, 'b'));
  cluster.set_data_dir(1, disk.path() / "data");
  cluster.start_all();
  ASSERT_EQ(cluster.wait_leader(), 1);
  const std::string value = incompressible(256 << 10);
  int written = 0;
  ASSERT_TRUE(eventually(
      [&] {
        if (done(cluster.request(1, "PUT", "/v1/kv/key/" + std::to_string(written), value))) ++written;
        return !cluster.running(1);
      },
      std::chrono::seconds(240)));
  const auto exit = cluster.wait_exit(1);
  EXPECT_EQ(*exit, (Exit{4, 0})) << cluster.log(1);
  EXPECT_TRUE(cluster.logged(1, "No space left")) << cluster.log(1);
  fs::remove(ballast);
  cluster.start(1);
  ASSERT_TRUE(cluster.wait_ready(1)) << cluster.log(1);
  for (int n = 0; n < written; ++n) ASSERT_EQ(cluster.get(1, "key/" + std::to_string(n)), value) << "key " << n;
}

}  // namespace
}  // namespace tenaz::harness
