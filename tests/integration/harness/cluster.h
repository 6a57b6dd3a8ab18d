// N tenazd processes on this machine, each with a configuration, a data directory and a log below one temporary
// directory. Node ids are 1..N; further nodes, which join the cluster, go on from there. Every test process has a
// loopback address of its own, so that tests beside each other, and the connections they make, never take each other's
// ports; or each node is placed on a host of its own (tests/chaos/network.h).
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/harness/http_client.h"
#include "tests/integration/harness/node_control.h"
#include "tests/integration/harness/process.h"

namespace tenaz::harness {

// "section.key" -> TOML value, for instance {"storage.log_retain_bytes", "\"64KiB\""}.
using Settings = std::map<std::string, std::string>;

class Cluster {
 public:
  // Writes the configurations; starts nothing.
  explicit Cluster(int nodes, Settings settings = {}, std::string name = "test");
  // Ends all nodes. A sanitizer's report in a log fails the test.
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // A node that asks the others to be admitted (cluster.join); its id. At most kSpareNodes; it is not started. Not
  // while other threads use the cluster.
  static constexpr int kSpareNodes = 8;
  int add_node();
  // An address of this process at which nobody listens.
  Address free_address();

  int size() const { return static_cast<int>(nodes_.size()); }
  std::vector<int> ids() const;

  void start_all();
  void start(int id);
  void signal(int id, int number);
  void kill(int id);       // kill -9
  void kill_all();         // all before any is reaped
  void restart(int id);    // kill -9 and start
  void pause(int id);      // SIGSTOP
  void resume(int id);     // SIGCONT
  void terminate(int id);  // SIGTERM; returns at once
  bool running(int id);
  std::optional<Exit> wait_exit(int id, std::chrono::nanoseconds patience = kPatience);

  // The node may open so many files, at its next start.
  void limit_open_files(int id, int files) { node(id).open_files = files; }
  // Lets control() reach nodes that are started from now on.
  void prepare_controls();
  // The node's wall clock and disk. After prepare_controls().
  NodeControl& control(int id) const { return *node(id).control; }
  // Changes one node's configuration; in force at its next start. An empty value removes the setting.
  void set(int id, const std::string& key, const std::string& value);
  // Writes that configuration now and sends SIGHUP.
  void reload(int id);
  // Moves a node's data elsewhere, for instance to another file system; at its next start.
  void set_data_dir(int id, const std::filesystem::path& path);
  // Other addresses than those of this process, and a command that starts the node there. Before any node starts.
  void place(int id, Address http, Address peer, std::vector<std::string> launcher);

  Address http_address(int id) const;
  Address peer_address(int id) const;
  std::filesystem::path data_dir(int id) const;
  std::filesystem::path config_file(int id) const;
  std::string config_text(int id) const;
  std::string log(int id) const;
  bool logged(int id, const std::string& text) const { return log(id).find(text) != std::string::npos; }

  std::optional<HttpAnswer> request(int id, const std::string& method, const std::string& target,
                                    std::string_view body = {}, const Headers& headers = {}) const;
  // PUT of a key, which must be plain text; true if it was acknowledged.
  bool put(int id, const std::string& key, std::string_view value) const;
  // Linearizable; nothing if it was not answered with a value.
  std::optional<std::string> get(int id, const std::string& key) const;

  // GET /v1/status. Nothing: no answer.
  std::optional<boost::json::object> status(int id) const;
  std::uint64_t number(int id, std::string_view field) const;  // of the status; 0 without an answer
  // A series of /metrics, spelled as it is shown there. Nothing: no answer, or no such series.
  std::optional<double> metric(int id, const std::string& series) const;
  std::string role(int id) const;
  // 0 if none of the running nodes says so, or more than one of them in the highest term.
  int leader();
  // Until one leads, all running nodes (paused ones aside) agree on it, and it takes a write. Its id, or 0 with a test
  // failure that shows every node's log.
  int wait_leader(std::chrono::nanoseconds patience = kPatience);
  // Until the node answers linearizable reads.
  bool wait_ready(int id, std::chrono::nanoseconds patience = kPatience) const;
  // Until the node has applied everything that `to` had applied when this was called.
  bool wait_caught_up(int id, int to, std::chrono::nanoseconds patience = kPatience) const;

  // What the logs say of who led: term -> nodes. More than one node in a term is the end of safety.
  std::map<std::uint64_t, std::set<int>> leaders_by_term() const;
  // Test failure if any term had two leaders.
  void expect_one_leader_per_term() const;

  // --- who belongs to it: requests to node `through`
  // What POST /v1/members takes for node `id`; `more`: further members of the object, ,"learner":true for instance.
  std::string member_json(int id, const std::string& more = "") const;
  std::optional<HttpAnswer> add_member(int through, int id, const std::string& more = "") const;
  std::optional<HttpAnswer> promote_member(int through, int id) const;
  std::optional<HttpAnswer> remove_member(int through, int id) const;
  // Starts a node that joins, and admits it; asks again where that is safe and of use. Test failure if it fails.
  bool admit(int through, int id, const std::string& more = "");
  // Id -> role, as committed. Empty without an answer.
  std::map<int, std::string> members(int through) const;
  // Until exactly these are members, all of them voters, and no change is under way.
  bool wait_voters(int through, const std::set<int>& ids) const;

  const std::filesystem::path& directory() const { return directory_.path(); }

 private:
  struct Node {
    Settings settings;
    Address http, peer;
    std::filesystem::path data_dir;
    std::vector<std::string> launcher;
    std::unique_ptr<NodeControl> control;
    std::unique_ptr<Process> process;
    bool paused = false;
    bool joins = false;
    int open_files = 0;  // 0: as many as this process
  };

  Node& node(int id) { return nodes_.at(static_cast<std::size_t>(id - 1)); }
  const Node& node(int id) const { return nodes_.at(static_cast<std::size_t>(id - 1)); }
  std::filesystem::path log_file(int id) const;
  bool agreed_on(int leader);
  void show_logs() const;

  TempDirectory directory_;
  std::string name_;
  std::vector<Node> nodes_;
  std::vector<Address> spare_;
};

// The program under test.
std::string tenazd_path();

}  // namespace tenaz::harness
