// What clients can ask too much of: connections, memory.
#include <gtest/gtest.h>

#include <memory>

#include "tests/integration/harness/cluster.h"

namespace tenaz::harness {
namespace {

TEST(Limits, IdleConnectionsTakeNoFilesFromTheDatabases) {
  Cluster cluster(1);
  cluster.limit_open_files(1, 256);
  // Small buffers, so that tables are written, opened and compacted all the time.
  for (const char* buffer : {"storage.write_buffer_bytes", "storage.log_buffer_bytes"})
    cluster.set(1, buffer, "\"1MiB\"");
  cluster.set(1, "storage.log_retain_bytes", "\"64KiB\"");
  cluster.start_all();
  ASSERT_EQ(cluster.wait_leader(), 1);
  EXPECT_TRUE(cluster.logged(1, "client connections instead of http.max_connections")) << cluster.log(1);

  HttpClient writer(cluster.http_address(1));
  const std::string value(300 << 10, 'v');
  std::vector<std::unique_ptr<RawConnection>> idle;
  for (int i = 0; i < 300; ++i) {
    idle.push_back(std::make_unique<RawConnection>(cluster.http_address(1)));
    if (i % 10 != 0) continue;
    const auto answer = writer.request("PUT", "/v1/kv/big/" + std::to_string(i), value);
    ASSERT_TRUE(answer) << "after " << i << " connections\n" << cluster.log(1);
    EXPECT_LT(answer->status, 300u) << answer->body;
  }
  for (int i = 0; i < 30; ++i) {
    const auto answer = writer.request("PUT", "/v1/kv/more/" + std::to_string(i), value);
    ASSERT_TRUE(answer) << cluster.log(1);
    EXPECT_LT(answer->status, 300u) << answer->body;
  }
  EXPECT_TRUE(cluster.running(1)) << cluster.log(1);
  idle.clear();
  EXPECT_TRUE(eventually([&] { return cluster.put(1, "after", "as before"); }));
}

TEST(Limits, TooFewOpenFilesAreSaidAtStart) {
  Cluster cluster(1);
  cluster.limit_open_files(1, 128);
  cluster.start(1);
  EXPECT_EQ(cluster.wait_exit(1), (Exit{3, 0}));
  EXPECT_TRUE(cluster.logged(1, "may open 128 files")) << cluster.log(1);
}

}  // namespace
}  // namespace tenaz::harness
