// What a service manager holds on to: notifications, and exit codes. The unit in packaging/ relies on both.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/json/object.hpp>
#include <csignal>

#include "tests/integration/harness/cluster.h"
#include "tests/unit/server_app/notify_socket.h"

namespace tenaz::harness {
namespace {

// Node 1 of a cluster, started as systemd does.
class Notify : public ::testing::Test {
 protected:
  void start_node_1(int nodes) {
    cluster_.emplace(nodes);
    socket_.emplace((cluster_->directory() / "notify").string());
    for (const int id : cluster_->ids()) {
      if (id != 1) cluster_->start(id);
    }
    write_file(cluster_->config_file(1), cluster_->config_text(1));
    node_.emplace(std::vector<std::string>{tenazd_path(), "--config", cluster_->config_file(1).string()},
                  cluster_->directory() / "node-1.log",
                  std::map<std::string, std::string>{{"NOTIFY_SOCKET", socket_->name()}});
  }

  // Until a message that begins so has come. Later ones stay where they are.
  bool told(const std::string& beginning) {
    return eventually([&] {
      for (std::string message; !(message = socket_->received()).empty();) {
        told_ += message + "\n";
        last_ = message.substr(message.find("STATUS="));
        if (message.starts_with(beginning)) return true;
      }
      return false;
    });
  }
  // The status text, once nothing newer is there.
  std::string last_told() {
    for (std::string message; !(message = socket_->received()).empty();)
      last_ = message.substr(message.find("STATUS="));
    return last_;
  }
  std::string as_its_status_says() const {
    const auto status = cluster_->status(1);
    if (!status) return "no answer";
    const auto number = [&](const char* field) { return std::to_string(status->at(field).to_number<std::uint64_t>()); };
    const std::string role(status->at("role").as_string()), leader = number("leader_id");
    std::string text = "STATUS=" + role + ", term " + number("term");
    if (leader == "0") return text + ", no leader";
    return role == "leader" ? text : text + ", leader node " + leader;
  }

  std::optional<Cluster> cluster_;
  std::optional<NotifySocket> socket_;
  std::optional<Process> node_;
  std::string last_;
  std::string told_;  // all of it, for failures
};

TEST_F(Notify, ReadyOnlyWhenClientsAndPeersAreServed) {
  start_node_1(1);
  ASSERT_TRUE(told("READY=1\nSTATUS=")) << cluster_->log(1);
  // No second attempt: both ports are there.
  const auto alive = cluster_->request(1, "GET", "/livez");
  ASSERT_TRUE(alive);
  EXPECT_EQ(alive->status, 200u);
  EXPECT_NO_THROW(RawConnection{cluster_->peer_address(1)});
  EXPECT_TRUE(eventually([&] { return last_told() == "STATUS=leader, term 1"; })) << last_;

  node_->signal(SIGHUP);
  EXPECT_TRUE(told("RELOADING=1\nMONOTONIC_USEC=")) << told_;
  EXPECT_TRUE(told("READY=1\nSTATUS=leader, term 1")) << told_;
  node_->signal(SIGTERM);
  EXPECT_TRUE(told("STOPPING=1\nSTATUS=stopping (SIGTERM)")) << told_;
  EXPECT_EQ(node_->wait(), (Exit{0, 0}));
}

TEST_F(Notify, WhatCannotStartSaysWhyAndIsNeverReady) {
  Cluster holder(1);
  holder.start_all();
  ASSERT_EQ(holder.wait_leader(), 1);
  cluster_.emplace(1);
  socket_.emplace((cluster_->directory() / "notify").string());
  cluster_->set_data_dir(1, holder.data_dir(1));
  write_file(cluster_->config_file(1), cluster_->config_text(1));
  node_.emplace(std::vector<std::string>{tenazd_path(), "--config", cluster_->config_file(1).string()},
                cluster_->directory() / "node-1.log",
                std::map<std::string, std::string>{{"NOTIFY_SOCKET", socket_->name()}});
  EXPECT_EQ(node_->wait(), (Exit{3, 0}));
  EXPECT_TRUE(told("STATUS=cannot start: ")) << told_;
  EXPECT_EQ(told_.find("READY=1"), std::string::npos) << told_;
}

TEST_F(Notify, TheStatusFollowsElections) {
  start_node_1(3);
  const auto agrees = [&] {
    const std::string now = as_its_status_says();
    return now.find("leader") != std::string::npos && last_told() == now && as_its_status_says() == now;
  };
  ASSERT_TRUE(eventually(agrees)) << last_ << " / " << as_its_status_says();
  // Whoever leads, another one leads then.
  const std::string before = last_;
  ASSERT_TRUE(eventually([&] {
    const auto moved = cluster_->request(2, "POST", "/v1/leadership", "{}", {{"Content-Type", "application/json"}});
    return moved && moved->status == 200;
  }));
  EXPECT_TRUE(eventually([&] { return agrees() && last_ != before; })) << last_ << " / " << as_its_status_says();
  // Alone it leads nothing: that is news too.
  cluster_->kill(2);
  cluster_->kill(3);
  EXPECT_TRUE(eventually([&] { return last_told().ends_with("no leader"); })) << last_;
}

// As systemd says where standard error goes.
std::string journal_stream(const std::filesystem::path& file) {
  struct stat found {};
  EXPECT_EQ(::stat(file.c_str(), &found), 0);
  return std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino);
}

TEST(Journal, LinesCarryTheirPriorityAndNoTime) {
  Cluster cluster(1);
  const auto log = cluster.directory() / "node-1.log", elsewhere = cluster.directory() / "elsewhere.log";
  write_file(log, "");
  const std::string config = cluster.config_file(1).string();
  for (const char* format : {"", "json"}) {
    cluster.set(1, "log.format", *format ? "\"json\"" : "");
    write_file(config, cluster.config_text(1));
    const std::size_t before = read_file(log).size();
    Process node({tenazd_path(), "--config", config}, log, {{"JOURNAL_STREAM", journal_stream(log)}});
    EXPECT_TRUE(eventually([&] { return read_file(log).find("leads term", before) != std::string::npos; }));
    node.signal(SIGTERM);
    EXPECT_EQ(node.wait(), (Exit{0, 0}));
    const std::string text = read_file(log).substr(before);
    EXPECT_TRUE(text.starts_with(*format ? "<6>{\"time\":" : "<6>info: tenazd ")) << text;
  }
  cluster.set(1, "log.format", "");
  write_file(config, cluster.config_text(1));
  Process taken({tenazd_path(), "--config", config}, log, {{"JOURNAL_STREAM", journal_stream(log)}});
  EXPECT_TRUE(eventually([&] { return cluster.status(1).has_value(); }));
  const std::size_t before = read_file(log).size();
  Process second({tenazd_path(), "--config", config}, log, {{"JOURNAL_STREAM", journal_stream(log)}});
  EXPECT_EQ(second.wait(), (Exit{3, 0}));
  EXPECT_NE(read_file(log).find("<2>critical: cannot start: ", before), std::string::npos) << read_file(log);

  // Inherited, but this one's standard error is another file.
  Process other({tenazd_path(), "--config", config}, elsewhere, {{"JOURNAL_STREAM", journal_stream(log)}});
  EXPECT_EQ(other.wait(), (Exit{3, 0}));
  EXPECT_NE(read_file(elsewhere).find("Z critical cannot start: "), std::string::npos) << read_file(elsewhere);
}

// 0 is in lifecycle_test.cc, 5 is for nodes that are removed, 6 is in identity_test.cc and damage_test.cc too.
TEST(ExitCode, OneForTheConfigurationTwoForTheCommandLine) {
  Cluster cluster(1);
  write_file(cluster.config_file(1), cluster.config_text(1) + "[nonsense]\nkey = 1\n");
  EXPECT_EQ(run({tenazd_path(), "--config", cluster.config_file(1).string()}).exit, (Exit{1, 0}));
  EXPECT_EQ(run({tenazd_path(), "--config", "/nonexistent/tenaz.toml"}).exit, (Exit{1, 0}));
  EXPECT_EQ(run({tenazd_path()}).exit, (Exit{2, 0}));
  EXPECT_EQ(run({tenazd_path(), "--config"}).exit, (Exit{2, 0}));
}

TEST(ExitCode, ThreeForWhatMayPass) {
  Cluster cluster(1);
  write_file(cluster.directory() / "in-the-way", "a file");
  cluster.set_data_dir(1, cluster.directory() / "in-the-way" / "data");
  write_file(cluster.config_file(1), cluster.config_text(1));
  const Finished done = run({tenazd_path(), "--config", cluster.config_file(1).string()});
  EXPECT_EQ(done.exit, (Exit{3, 0})) << done.output;
}

// No file may grow beyond 4 MiB: a disk that fails while the node runs.
TEST(ExitCode, FourForADiskThatFails) {
  Cluster cluster(1);
  std::filesystem::create_directories(cluster.data_dir(1));
  write_file(cluster.config_file(1), cluster.config_text(1));
  Process node({"sh", "-c", "trap '' XFSZ; exec prlimit --fsize=4194304 \"$0\" --config \"$1\"", tenazd_path(),
                cluster.config_file(1).string()},
               cluster.directory() / "node-1.log");
  const std::string value(256 << 10, 'x');
  EXPECT_TRUE(eventually([&] {
    cluster.request(1, "PUT", "/v1/kv/k", value);
    return !node.running();
  })) << cluster.log(1);
  EXPECT_EQ(node.wait(), (Exit{4, 0})) << cluster.log(1);
  EXPECT_TRUE(cluster.logged(1, "storage failed, this node stops")) << cluster.log(1);
}

TEST(ExitCode, SixForADirectoryThatMustNotBeUsed) {
  Cluster cluster(1);
  cluster.start_all();
  ASSERT_EQ(cluster.wait_leader(), 1);
  cluster.terminate(1);
  ASSERT_EQ(cluster.wait_exit(1), (Exit{0, 0}));
  cluster.set(1, "cluster.name", "\"another\"");
  cluster.start(1);
  EXPECT_EQ(cluster.wait_exit(1), (Exit{6, 0})) << cluster.log(1);
}

TEST(ExitCode, TheHelpListsThemAll) {
  const Finished help = run({tenazd_path(), "--help"});
  EXPECT_EQ(help.exit, (Exit{0, 0}));
  for (const char* code : {"0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 "})
    EXPECT_NE(help.output.find(std::string("\n  ") + code), std::string::npos) << code << "\n" << help.output;
}

}  // namespace
}  // namespace tenaz::harness
