#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace tenaz::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kThreeNodes = R"([node]
id = 2
data_dir = "/data"
[cluster]
name = "orders"
members = [
  { id = 3, peer = "c:7490", client = "c:7480" },
  { id = 1, peer = "a:7490", client = "a:7480", name = "first" },
  { id = 2, peer = "[::1]:7490", client = "10.0.0.2:7480" },
]
)";

std::vector<std::string> faults_of(std::string_view more) {
  return parse(std::string(kThreeNodes).append(more), "t.toml").faults;
}

TEST(Config, DefaultsComeFromTheRoomsAndTheOwnMember) {
  const Loaded loaded = parse(kThreeNodes, "t.toml");
  ASSERT_THAT(loaded.faults, IsEmpty());
  const Config& config = *loaded.config;
  EXPECT_EQ(config.node.id, 2U);
  EXPECT_EQ(config.node.name, "node-2");
  EXPECT_EQ(config.http.listen, "10.0.0.2:7480");
  EXPECT_EQ(config.peer.listen, "[::1]:7490");
  EXPECT_EQ(config.raft.heartbeat_interval, raft::Options().heartbeat_interval);
  EXPECT_EQ(config.http.max_connections, server::HttpOptions().max_connections);
  ASSERT_EQ(config.cluster.members.size(), 3U);
  EXPECT_EQ(config.cluster.members[0], (Member{.id = 1, .name = "first", .peer = "a:7490", .client = "a:7480"}));
  EXPECT_EQ(config.cluster.members[2].id, 3U);
}

TEST(Config, ValuesOfEveryTypeAreTaken) {
  const Loaded loaded = parse(std::string(kThreeNodes) + R"(
[http]
listen = "0.0.0.0:80"
threads = 2
request_timeout = "1.5s"
max_header_bytes = "40KiB"
teaching_routes = true
[raft]
election_timeout_min = "300ms"
)",
                              "t.toml");
  ASSERT_THAT(loaded.faults, IsEmpty());
  EXPECT_EQ(loaded.config->http.listen, "0.0.0.0:80");
  EXPECT_EQ(loaded.config->http.threads, 2U);
  EXPECT_EQ(loaded.config->http.request_timeout, 1500ms);
  EXPECT_EQ(loaded.config->http.max_header_bytes, 40U << 10);
  EXPECT_TRUE(loaded.config->http.teaching_routes);
  EXPECT_EQ(loaded.config->raft.election_timeout_min, 300ms);
}

TEST(Config, TenFaultsAreReportedAsTen) {
  const Loaded loaded = parse(R"([node]
id = "one"
name = "n"
data_dri = "/var/lib/tenaz"
[cluster]
name = "orders"
[[cluster.members]]
id = 1
peer = "10.0.0.1"
client = "10.0.0.1:7480"
[[cluster.members]]
id = 1
peer = "10.0.0.2:7490"
client = "10.0.0.1:7480"
[http]
max_connections = 0
[raft]
heartbeat_interval = 50
election_timeout_min = "2s"
[storage]
cache_bytes = "64MB"
[fault_injection]
enabled = false
)",
                              "/etc/tenaz.toml");
  EXPECT_FALSE(loaded.config);
  EXPECT_THAT(
      loaded.faults,
      ElementsAre(
          "/etc/tenaz.toml:2: node.id: found \"one\", must be an integer, 1 to 9007199254740991",
          "/etc/tenaz.toml:4: node.data_dri: unknown key, did you mean data_dir?",
          "/etc/tenaz.toml:9: cluster.members[0].peer: found \"10.0.0.1\", must be host:port",
          "/etc/tenaz.toml:12: cluster.members[1].id: found 1, must differ from that of cluster.members[0].id",
          "/etc/tenaz.toml:14: cluster.members[1].client: found \"10.0.0.1:7480\", must differ from that of "
          "cluster.members[0].client",
          "/etc/tenaz.toml:16: http.max_connections: found 0, must be 1 to 1000000",
          "/etc/tenaz.toml:18: raft.heartbeat_interval: found 50, must be a string of a number and ns, us, ms, s, m or "
          "h, "
          "such as \"50ms\"",
          "/etc/tenaz.toml:19: raft.election_timeout_max: is \"1500ms\" unless given, must be at least 1.5 times "
          "raft.election_timeout_min, so that timeouts differ",
          "/etc/tenaz.toml:21: storage.cache_bytes: found \"64MB\", must be a string of a number and B, KiB, MiB, GiB "
          "or "
          "TiB, such as \"64MiB\"",
          "/etc/tenaz.toml:22: fault_injection: this version of tenaz does not have it"));
}

TEST(Config, ASyntaxErrorIsOneFaultWithLineAndColumn) {
  const auto faults = parse("[node]\nid = 1\nname = \"a\nid = 2\n", "t.toml").faults;
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_THAT(faults[0], testing::StartsWith("t.toml:3:"));
  EXPECT_THAT(faults[0], HasSubstr("not valid TOML"));

  EXPECT_EQ(parse("[node]\nid = 1\nid = 2\n", "t.toml").faults.size(), 1U);
  EXPECT_EQ(parse(std::string("a = \"\0\"", 7), "t.toml").faults.size(), 1U);
  EXPECT_EQ(parse("a = \"\xff\"", "t.toml").faults.size(), 1U);
}

TEST(Config, AnEmptyFileLacksWhatMustBeGiven) {
  EXPECT_THAT(parse("", "t.toml").faults, ElementsAre("t.toml: node.id: is missing, must be given",
                                                      "t.toml: node.data_dir: is missing, must be given",
                                                      "t.toml: cluster.name: is missing, must be given",
                                                      "t.toml: cluster.members: is missing, must be given, or "
                                                      "cluster.join instead"));
}

TEST(Config, UnknownTablesAndKeysNameWhatIsNear) {
  EXPECT_THAT(faults_of("[rafft]\nheartbeat = 1\n"),
              ElementsAre("t.toml:11: rafft: unknown table, did you mean raft?"));
  EXPECT_THAT(faults_of("[raft]\nheart_beat_interval = '50ms'\n"),
              ElementsAre("t.toml:12: raft.heart_beat_interval: unknown key, did you mean heartbeat_interval?"));
  EXPECT_THAT(faults_of("[log]\ncolour = true\n"),
              ElementsAre("t.toml:12: log.colour: unknown key, allowed here: level format"));
  EXPECT_THAT(parse("id = 1\n" + std::string(kThreeNodes), "t.toml").faults,
              ElementsAre(HasSubstr("t.toml:1: id: unknown key, allowed here: node cluster http")));
}

TEST(Config, WhatLaterVersionsBringIsNamedAsSuch) {
  for (const char* table : {"failure_detector", "voted_reads", "tls.http", "tls.peer", "fault_injection"}) {
    EXPECT_THAT(faults_of("[" + std::string(table) + "]\n"),
                ElementsAre(HasSubstr("this version of tenaz does not have it")))
        << table;
  }
}

constexpr std::string_view kJoining = R"([node]
id = 4
data_dir = "/data"
[cluster]
join = ["a:7490", "[::1]:7490"]
[http]
listen = "d:7480"
[peer]
listen = "d:7490"
)";

TEST(Config, ANodeThatJoinsNamesNoMembers) {
  const Loaded loaded = parse(kJoining, "t.toml");
  ASSERT_THAT(loaded.faults, IsEmpty());
  EXPECT_THAT(loaded.config->cluster.join, ElementsAre("a:7490", "[::1]:7490"));
  EXPECT_THAT(loaded.config->cluster.members, IsEmpty());
  EXPECT_EQ(loaded.config->node.name, "node-4");
  EXPECT_EQ(loaded.config->http.listen, "d:7480");
  const std::string named = std::string(kJoining).replace(0, 6, "[node]\nname = 'new'");
  ASSERT_TRUE(parse(named, "t.toml").config);
  EXPECT_EQ(parse(named, "t.toml").config->node.name, "new");
}

TEST(Config, JoiningThatCannotWork) {
  const auto faults_with = [](const std::string& join, const std::string& rest = "") {
    return parse("[node]\nid = 4\ndata_dir = 'd'\n[http]\nlisten = 'd:1'\n[peer]\nlisten = 'd:2'\n[cluster]\n" +
                     ("join = " + join) + "\n" + rest,
                 "t.toml")
        .faults;
  };
  EXPECT_THAT(faults_with("['a:1']"), IsEmpty());
  EXPECT_THAT(faults_with("[]"), ElementsAre("t.toml:9: cluster.join: found an array, must be 1 to 31 addresses "
                                             "host:port"));
  EXPECT_THAT(faults_with("'a:1'"), ElementsAre("t.toml:9: cluster.join: found \"a:1\", must be an array of strings"));
  EXPECT_THAT(faults_with("['a:1', 2]"), ElementsAre(HasSubstr("cluster.join: found an array, must be an array of")));
  EXPECT_THAT(faults_with("[\n'a:1',\n'b']"),
              ElementsAre("t.toml:11: cluster.join[1]: found \"b\", must be host:port"));
  EXPECT_THAT(faults_with("['a:1', 'b:1', 'a:1']"),
              ElementsAre("t.toml:9: cluster.join[2]: found \"a:1\", must differ from that of cluster.join[0]"));
  EXPECT_THAT(faults_with("['d:2']"), ElementsAre("t.toml:9: cluster.join[0]: found \"d:2\", must be the address of "
                                                  "another node, not peer.listen"));
  EXPECT_THAT(
      faults_with("['a:1']", "members = [{ id = 4, peer = 'd:2', client = 'd:1' }]\n"),
      ElementsAre("t.toml:9: cluster.join: found an array, must not stand beside cluster.members: a node founds "
                  "a cluster or joins one"));
  EXPECT_THAT(parse("[node]\nid = 4\ndata_dir = 'd'\n[cluster]\njoin = ['a:1']\n", "t.toml").faults,
              ElementsAre("t.toml:5: http.listen: is missing, must be given beside cluster.join",
                          "t.toml:5: peer.listen: is missing, must be given beside cluster.join"));
  EXPECT_THAT(parse("[node]\nid = 4\ndata_dir = 'd'\n[cluster]\nname = 'x'\njion = ['a:1']\n", "t.toml").faults,
              ElementsAre("t.toml:6: cluster.jion: unknown key, did you mean join?"));
}

TEST(Config, WrongTypes) {
  EXPECT_THAT(faults_of("[http]\nlisten = 7480\n"),
              ElementsAre("t.toml:12: http.listen: found 7480, must be a string"));
  EXPECT_THAT(faults_of("[http]\nteaching_routes = 'yes'\n"),
              ElementsAre("t.toml:12: http.teaching_routes: found \"yes\", must be true or false"));
  EXPECT_THAT(faults_of("[http]\nthreads = 1.5\n"), ElementsAre(HasSubstr("found a number with a fraction")));
  EXPECT_THAT(faults_of("[http]\nthreads = -1\n"), ElementsAre(HasSubstr("found -1, must be an integer")));
  EXPECT_THAT(faults_of("[http.listen]\n"), ElementsAre(HasSubstr("http.listen: found a table, must be a string")));
  EXPECT_THAT(faults_of("[[http]]\n"), ElementsAre("t.toml:11: http: found an array, must be a table [http]"));
  EXPECT_THAT(parse("node = 5\ncluster = 1979-05-27\n", "t.toml").faults,
              ElementsAre("t.toml:1: node: found 5, must be a table [node]",
                          "t.toml:2: cluster: found a date or time, must be a table [cluster]"));
}

TEST(Config, BadMembers) {
  auto faults_with = [](const std::string& members, const std::string& id = "1") {
    return parse("[node]\nid = " + id + "\ndata_dir = 'd'\n[cluster]\nname = 'x'\nmembers = " + members + "\n",
                 "t.toml")
        .faults;
  };
  EXPECT_THAT(faults_with("[]"),
              ElementsAre(HasSubstr(":6: cluster.members: found 0 members, must be 1 to 31 tables")));
  EXPECT_THAT(faults_with("[1, 2]"), ElementsAre(HasSubstr("cluster.members: found an array")));
  EXPECT_THAT(faults_with("{id = 1}"), ElementsAre(HasSubstr("cluster.members: found a table")));
  EXPECT_THAT(faults_with("[{id = 1, peer = 'a:1'}]"),
              ElementsAre("t.toml:6: cluster.members[0].client: is missing, must be given"));
  EXPECT_THAT(faults_with("[{id = 0, peer = 'a:1', client = 'a:2'}]"),
              ElementsAre(HasSubstr("cluster.members[0].id: found 0, must be an integer, 1 to")));
  EXPECT_THAT(faults_with("[{id = 1, peer = 'a:1', client = 'a:1'}]"),
              ElementsAre(HasSubstr("client: found \"a:1\", must differ from that of cluster.members[0].peer")));
  EXPECT_THAT(faults_with("[{id = 1, peer = 'a:1', client = 'a:2', storage = 1}]"),
              ElementsAre(HasSubstr("cluster.members[0].storage: unknown key, allowed here: id name peer client")));
  EXPECT_THAT(faults_with("[{id = 1, peer = 'a:1', client = 'a:2'}, {id = 3, peer = 'b:1', client = 'b:2'}]", "2"),
              ElementsAre("t.toml:2: node.id: found 2, must be one of the ids in cluster.members: 1, 3"));
}

TEST(Config, BadAddresses) {
  for (const char* address : {"", ":", "host", "host:", ":80", "host:0", "host:65536", "host:-1", "host:80x",
                              "host: 80", "::1:80", "[::1]", "[]:80", "[::g]:80", "ho st:80", "http://host:80"}) {
    EXPECT_THAT(faults_of("[http]\nlisten = '" + std::string(address) + "'\n"),
                ElementsAre("t.toml:12: http.listen: found \"" + std::string(address) + "\", must be host:port"));
  }
  for (const char* address : {"host:1", "a-b_c.example:65535", "127.0.0.1:80", "[::1]:80", "[::ffff:1.2.3.4]:80"}) {
    EXPECT_THAT(faults_of("[http]\nlisten = '" + std::string(address) + "'\n"), IsEmpty()) << address;
  }
}

TEST(Config, CombinationsThatCannotWork) {
  EXPECT_THAT(faults_of("[raft]\nheartbeat_interval = '200ms'\n"),
              ElementsAre("t.toml:12: raft.election_timeout_min: is \"250ms\" unless given, must be at least twice "
                          "raft.heartbeat_interval"));
  EXPECT_THAT(
      faults_of("[raft]\nelection_timeout_min = '300ms'\nelection_timeout_max = '200ms'\n"),
      ElementsAre(HasSubstr("t.toml:13: raft.election_timeout_max: found \"200ms\", must be at least 1.5 times")));
  EXPECT_THAT(faults_of("[peer]\nreconnect_min = '2s'\n"), ElementsAre(HasSubstr("t.toml:12: peer.reconnect_max: is")));
  EXPECT_THAT(faults_of("[limits]\nmax_value_bytes = '60MiB'\n"),
              ElementsAre(HasSubstr("t.toml:12: peer.max_frame_bytes: is \"16MiB\" unless given, must be at least "
                                    "limits.max_value_bytes")));
  // A value of the greatest size with its key must get through.
  EXPECT_THAT(faults_of("[limits]\nmax_inflight_bytes = '1MiB'\n"),
              ElementsAre(HasSubstr("t.toml:12: limits.max_inflight_bytes: found \"1MiB\", must be at least "
                                    "limits.max_value_bytes and 16KiB more")));
  EXPECT_THAT(faults_of("[limits]\nmax_inflight_bytes = '1040KiB'\n"), IsEmpty());
  EXPECT_THAT(faults_of("[limits]\nmax_buffered_bytes = '1000KiB'\n"),
              ElementsAre(HasSubstr("limits.max_buffered_bytes: found \"1000KiB\", must be at least")));
  EXPECT_THAT(faults_of("[http]\nlisten = '0.0.0.0:9000'\n[peer]\nlisten = '127.0.0.1:9000'\n"),
              ElementsAre(HasSubstr("t.toml:14: peer.listen: found \"127.0.0.1:9000\", must have another port")));
  EXPECT_THAT(faults_of("[http]\nlisten = 'x:9000'\n[peer]\nlisten = 'x:9000'\n"),
              ElementsAre(HasSubstr("must differ from http.listen")));
}

TEST(Config, AMisspeltKeyBesideTheRealOneHidesNoFault) {
  EXPECT_THAT(faults_of("[http]\nthreads = 0\nthread = 4\n"),
              ElementsAre(HasSubstr("t.toml:12: http.threads: found 0, must be 1 to 256"),
                          HasSubstr("t.toml:13: http.thread: unknown key, did you mean threads?")));
}

TEST(Config, ALimitOfEveryRoomIsChecked) {
  for (const char* text : {"[http]\nthreads = 0", "[peer]\nconnect_timeout = '0s'", "[limits]\nmax_value_bytes = '0B'",
                           "[log]\nlevel = 'loud'", "[log]\nformat = 'xml'", "[raft]\nmax_inflight_appends = 0",
                           "[storage]\nwrite_buffer_bytes = '1B'"}) {
    EXPECT_THAT(faults_of(std::string(text) + "\n"), ElementsAre(HasSubstr("t.toml:12: "))) << text;
  }
}

TEST(Config, ControlCharactersNeverReachTheTerminal) {
  for (const std::string& fault : faults_of("[log]\nlevel = \"a\\u001b[31m\"\n\"x\\ny\" = 1\n[\"\\u0007\"]\n")) {
    EXPECT_EQ(fault.find_first_of(std::string("\x1b\n\x07")), std::string::npos) << fault;
  }
}

TEST(Config, FilesThatCannotBeRead) {
  const std::string folder = testing::TempDir();
  EXPECT_THAT(load(folder + "no-such-file.toml").faults, ElementsAre(HasSubstr("No such file")));
  EXPECT_THAT(load(folder).faults, ElementsAre(HasSubstr("cannot be read")));

  const std::string file = folder + "tenaz_config_test.toml";
  std::ofstream(file) << kThreeNodes;
  EXPECT_TRUE(load(file).config);
  std::ofstream(file) << std::string((1 << 20) + 1, '#');
  EXPECT_THAT(load(file).faults, ElementsAre(HasSubstr("longer than 1MiB")));
  std::remove(file.c_str());
}

TEST(Config, ChangedKeysAreNamed) {
  const Config before = *parse(kThreeNodes, "t.toml").config;
  EXPECT_THAT(changed_keys(before, before), IsEmpty());
  Config after = before;
  after.http.max_connections = 7;
  after.raft.heartbeat_interval = std::chrono::milliseconds(51);
  after.storage.cache_bytes += 1;
  after.log.level = "debug";
  after.cluster.members[1].client = "elsewhere:1";
  after.cluster.join = {"a:1"};
  EXPECT_THAT(changed_keys(before, after), ElementsAre("cluster.members", "cluster.join", "http.max_connections",
                                                       "raft.heartbeat_interval", "storage.cache_bytes", "log.level"));
}

TEST(Config, ASingleNodeIsValid) {
  const Config config = single_node("/tmp/x");
  EXPECT_EQ(config.node.id, 1U);
  EXPECT_EQ(config.node.name, "node-1");
  EXPECT_EQ(config.http.listen, "127.0.0.1:7480");
  EXPECT_EQ(config.peer.listen, "127.0.0.1:7490");
  EXPECT_EQ(config.cluster.members.size(), 1U);
  EXPECT_THAT(config.http.check(), IsEmpty());
  EXPECT_THAT(config.peer.check(), IsEmpty());
  EXPECT_THAT(config.limits.check(), IsEmpty());
  EXPECT_THAT(config.log.check(), IsEmpty());
  EXPECT_THAT(config.raft.check(), IsEmpty());
  EXPECT_THAT(config.storage.check(), IsEmpty());
}

}  // namespace
}  // namespace tenaz::config
