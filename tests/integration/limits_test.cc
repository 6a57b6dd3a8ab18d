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

TEST(Limits, MoreThanMayWaitIsOverloaded) {
  Cluster cluster(3);
  cluster.set(1, "limits.max_value_bytes", "\"64KiB\"");
  cluster.set(1, "limits.max_inflight_bytes", "\"80KiB\"");
  cluster.start(1);
  ASSERT_TRUE(eventually([&] { return cluster.status(1).has_value(); }));
  RawConnection first(cluster.http_address(1));
  const std::string value(60 << 10, 'v');
  const std::string put =
      "PUT /v1/kv/a?timeout=60s HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(value.size()) + "\r\n\r\n" +
      value;
  ASSERT_TRUE(first.send(put));
  std::optional<HttpAnswer> second;
  ASSERT_TRUE(eventually([&] {
    // Whichever came first waits, and the other one was refused.
    if (first.readable(std::chrono::milliseconds(0)) && first.answer()) first.send(put);
    second = cluster.request(1, "PUT", "/v1/kv/b?timeout=1ms", value);
    return second && second->status == 429;
  })) << (second ? second->body : "no answer");
  EXPECT_EQ(second->code(), "overloaded");
  EXPECT_EQ(second->outcome(), "not_applied");
  EXPECT_EQ(second->header("Retry-After"), "1");
}

TEST(Limits, AloneOfThreeThereIsNoLeader) {
  Cluster cluster(3);
  cluster.start(1);
  ASSERT_TRUE(eventually([&] { return cluster.status(1).has_value(); }));
  const auto write = cluster.request(1, "PUT", "/v1/kv/k?timeout=100ms", "v");
  ASSERT_TRUE(write);
  EXPECT_EQ(write->status, 503u);
  EXPECT_EQ(write->code(), "no_leader");
  EXPECT_EQ(write->outcome(), "not_applied");
  EXPECT_EQ(write->header("Tenaz-Revision"), "0");
  const auto read = cluster.request(1, "GET", "/v1/kv/k?timeout=100ms");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->code(), "no_leader");
  const auto later = cluster.request(1, "GET", "/v1/kv/k?consistency=local&min_revision=5&timeout=100ms");
  ASSERT_TRUE(later);
  EXPECT_EQ(later->status, 504u);
  EXPECT_EQ(later->code(), "timeout");
  const auto local = cluster.request(1, "GET", "/v1/kv/k?consistency=local");
  ASSERT_TRUE(local);
  EXPECT_EQ(local->status, 404u);
}

}  // namespace
}  // namespace tenaz::harness
