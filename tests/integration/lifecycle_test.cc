// Start and stop: SIGTERM, a second process, the command line.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <csignal>
#include <sstream>

#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/ledger.h"

namespace tenaz::harness {
namespace {

TEST(Shutdown, TheLeaderHandsOverAndNothingIsLost) {
  Cluster cluster(3);
  cluster.start_all();
  const int old = cluster.wait_leader();
  ASSERT_NE(old, 0);
  Ledger ledger(cluster, 3);
  ASSERT_TRUE(ledger.wait_progress(200));
  cluster.terminate(old);
  EXPECT_EQ(cluster.wait_exit(old), (Exit{0, 0}));
  const int next = cluster.wait_leader();
  ASSERT_NE(next, 0);
  EXPECT_NE(next, old);
  ASSERT_TRUE(ledger.wait_progress(200));
  cluster.start(old);
  ASSERT_TRUE(cluster.wait_ready(old));
  ASSERT_TRUE(ledger.wait_progress(200));
  ledger.stop();
  for (const int id : cluster.ids()) ledger.check(id);
  cluster.expect_one_leader_per_term();
}

TEST(Shutdown, AFollowerAndASingleNodeExitWithZero) {
  Cluster cluster(3);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  const int follower = leader % 3 + 1;
  cluster.terminate(follower);
  EXPECT_EQ(cluster.wait_exit(follower), (Exit{0, 0}));
  EXPECT_TRUE(cluster.put(leader, "still", "writable"));

  Cluster single(1);
  single.start_all();
  ASSERT_EQ(single.wait_leader(), 1);
  single.terminate(1);
  EXPECT_EQ(single.wait_exit(1), (Exit{0, 0}));
}

TEST(Shutdown, AllAtOnceAndBackAgain) {
  Cluster cluster(3);
  cluster.start_all();
  const int leader = cluster.wait_leader();
  ASSERT_NE(leader, 0);
  ASSERT_TRUE(cluster.put(leader, "kept", "over a restart of all"));
  for (const int id : cluster.ids()) cluster.terminate(id);
  for (const int id : cluster.ids()) EXPECT_EQ(cluster.wait_exit(id), (Exit{0, 0})) << "node " << id;
  cluster.start_all();
  ASSERT_NE(cluster.wait_leader(), 0);
  for (const int id : cluster.ids()) {
    ASSERT_TRUE(cluster.wait_ready(id));
    EXPECT_EQ(cluster.get(id, "kept"), "over a restart of all");
  }
}

TEST(Shutdown, WhatCannotBeDoneAnyMoreIsToldSo) {
  Cluster cluster(3);
  cluster.start(1);
  ASSERT_TRUE(eventually([&] { return cluster.status(1).has_value(); }));
  RawConnection put(cluster.http_address(1)), get(cluster.http_address(1));
  ASSERT_TRUE(put.send("PUT /v1/kv/k?timeout=60s HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nv"));
  ASSERT_TRUE(get.send("GET /v1/kv/k?timeout=60s HTTP/1.1\r\nHost: t\r\n\r\n"));
  ASSERT_TRUE(cluster.status(1));  // answered behind them
  cluster.terminate(1);
  const auto written = put.answer();
  ASSERT_TRUE(written) << cluster.log(1);
  EXPECT_EQ(written->status, 503u);
  EXPECT_EQ(written->code(), "stopping");
  EXPECT_EQ(written->outcome(), "not_applied");
  const auto read = get.answer();
  ASSERT_TRUE(read) << cluster.log(1);
  EXPECT_EQ(read->status, 503u);
  EXPECT_EQ(read->code(), "stopping");
  EXPECT_EQ(cluster.wait_exit(1), (Exit{0, 0}));
}

TEST(Shutdown, AClusterOfOneHasNobodyToHandOverTo) {
  Cluster cluster(1);
  cluster.start_all();
  ASSERT_EQ(cluster.wait_leader(), 1);
  cluster.terminate(1);
  EXPECT_EQ(cluster.wait_exit(1), (Exit{0, 0}));
  EXPECT_FALSE(cluster.logged(1, "handing leadership over")) << cluster.log(1);
  EXPECT_FALSE(cluster.logged(1, "warning")) << cluster.log(1);
}

TEST(Start, ASecondProcessOnTheSameDataIsRefused) {
  Cluster cluster(1);
  cluster.start_all();
  ASSERT_EQ(cluster.wait_leader(), 1);
  const Finished second = run({tenazd_path(), "--config", cluster.config_file(1).string()});
  EXPECT_EQ(second.exit, (Exit{3, 0}));
  EXPECT_NE(second.output.find("in use by another process"), std::string::npos) << second.output;
  EXPECT_NE(second.output.find(cluster.data_dir(1).string()), std::string::npos) << second.output;
  EXPECT_TRUE(cluster.put(1, "first", "unharmed"));
}

TEST(Start, ATakenPortIsSaidClearly) {
  Cluster cluster(2);
  cluster.start_all();
  ASSERT_NE(cluster.wait_leader(), 0);
  Cluster intruder(1);
  const Address taken = cluster.http_address(1);
  intruder.set(1, "http.listen", "\"" + taken.host + ":" + std::to_string(taken.port) + "\"");
  intruder.start(1);
  const auto exit = intruder.wait_exit(1);
  ASSERT_TRUE(exit);
  EXPECT_EQ(*exit, (Exit{3, 0}));
  EXPECT_TRUE(intruder.logged(1, std::to_string(taken.port))) << intruder.log(1);
  EXPECT_FALSE(intruder.logged(1, "members") || intruder.logged(1, "raft:")) << "it took part:\n" << intruder.log(1);
}

TEST(Reload, OnlyTheLogIsReadAgainAndTheRestIsNamed) {
  Cluster cluster(1);
  cluster.start_all();
  ASSERT_EQ(cluster.wait_leader(), 1);
  cluster.set(1, "log.format", "\"json\"");
  cluster.set(1, "http.max_connections", "77");
  cluster.set(1, "raft.heartbeat_interval", "\"40ms\"");
  cluster.reload(1);
  ASSERT_TRUE(eventually([&] { return cluster.logged(1, "raft.heartbeat_interval was changed"); })) << cluster.log(1);
  EXPECT_TRUE(cluster.logged(1, "http.max_connections was changed")) << cluster.log(1);
  EXPECT_FALSE(cluster.logged(1, "log.format was changed")) << cluster.log(1);

  cluster.set(1, "log.level", "\"loud\"");
  cluster.reload(1);
  ASSERT_TRUE(eventually([&] { return cluster.logged(1, "SIGHUP: nothing was changed"); })) << cluster.log(1);
  EXPECT_TRUE(cluster.logged(1, "must be trace, debug")) << cluster.log(1);
  EXPECT_TRUE(cluster.put(1, "still", "served"));
  cluster.terminate(1);
  EXPECT_EQ(cluster.wait_exit(1), (Exit{0, 0}));

  // From the first reload on every line is an object, whatever stands in it.
  std::istringstream lines(cluster.log(1));
  std::size_t objects = 0;
  for (std::string line; std::getline(lines, line);) {
    if (objects == 0 && !line.starts_with("{")) continue;
    boost::system::error_code error;
    const auto value = boost::json::parse(line, error);
    ASSERT_FALSE(error) << line;
    for (const char* member : {"time", "level", "message"}) EXPECT_TRUE(value.as_object().contains(member)) << line;
    ++objects;
  }
  EXPECT_GE(objects, 5u);
}

TEST(CommandLine, CheckConfig) {
  Cluster cluster(3);
  const auto good = cluster.directory() / "good.toml";
  write_file(good, cluster.config_text(1));
  const Finished fine = run({tenazd_path(), "--config", good.string(), "--check-config"});
  EXPECT_EQ(fine.exit, (Exit{0, 0})) << fine.output;
  EXPECT_EQ(fine.output, "ok\n");

  const auto bad = cluster.directory() / "bad.toml";
  write_file(bad, R"([node]
id = 0
nmae = "typo"
data_dir = 7
[cluster]
name = ""
[raft]
heartbeat_interval = "5 lightyears"
election_timeout_min = 300
[storage]
cache_bytes = "-1MiB"
[limits]
max_value_bytes = "10XB"
[log]
level = "loud"
format = "xml"
[http]
max_connections = "many"
[nonsense]
)");
  const Finished faults = run({tenazd_path(), "--config", bad.string(), "--check-config"});
  EXPECT_EQ(faults.exit, (Exit{1, 0})) << faults.output;
  for (const char* key : {"node.id", "nmae", "data_dir", "heartbeat_interval", "election_timeout_min", "cache_bytes",
                          "max_value_bytes", "level", "format", "max_connections", "nonsense"}) {
    EXPECT_NE(faults.output.find(key), std::string::npos) << key << " is not named in:\n" << faults.output;
  }
  EXPECT_NE(faults.output.find("bad.toml:2"), std::string::npos) << "file and line:\n" << faults.output;
}

// Its ports are fixed, and may be taken on a machine that runs a node: that is told from a start that fails otherwise.
TEST(CommandLine, ASingleNodeWithoutAFile) {
  const TempDirectory directory("single");
  const auto log = directory.path() / "log";
  Process node({tenazd_path(), "--data-dir", (directory.path() / "data").string()}, log);
  const Address address{"127.0.0.1", 7480};
  const bool serves = eventually([&] {
    if (!node.running()) return true;
    return read_file(log).find("serving clients on 127.0.0.1:7480") != std::string::npos;
  });
  ASSERT_TRUE(serves) << read_file(log);
  if (!node.running()) {
    ASSERT_NE(read_file(log).find("Address already in use"), std::string::npos) << read_file(log);
    GTEST_SKIP() << "port 7480 or 7490 is taken";
  }
  const auto written = http(address, "PUT", "/v1/kv/hello", "world");
  ASSERT_TRUE(written);
  EXPECT_EQ(written->status, 201u) << written->body;
  const auto read = http(address, "GET", "/v1/kv/hello");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->body, "world");
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait(), (Exit{0, 0}));
}

TEST(CommandLine, VersionAndUsage) {
  EXPECT_TRUE(run({tenazd_path(), "--version"}).output.starts_with("tenazd "));
  EXPECT_EQ(run({tenazd_path(), "--no-such-option"}).exit, (Exit{2, 0}));
  const Finished missing = run({tenazd_path(), "--config", "/no/such/file.toml"});
  EXPECT_EQ(missing.exit, (Exit{1, 0}));
  EXPECT_NE(missing.output.find("/no/such/file.toml"), std::string::npos) << missing.output;
}

}  // namespace
}  // namespace tenaz::harness
