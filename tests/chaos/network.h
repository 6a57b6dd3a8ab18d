// Several hosts on one machine: each node in a network namespace of its own, all on one bridge, with a firewall of its
// own (nftables) that loses what the test wants lost. Needs root, iproute2 and nftables; says why when it is not
// possible.
//
// The namespaces have no names: they are held by open files of this process alone, so they go, with all that is in
// them, when the process ends, however it ends. Nothing of them is seen outside, and tests beside each other do not
// meet.
//
// Not thread-safe. The thread that makes a Network enters the bridge's namespace, and so do the threads and processes
// that it starts from then on: make it before clients.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/harness/cluster.h"

namespace tenaz::chaos {

// What gets lost on the way from one host to another.
struct Loss {
  enum class What {
    // What the one sends over connections that it has dialed itself to the other's peer port. A node sends each of its
    // messages on such a connection: so its messages get lost, while those of the other arrive.
    messages,
    // Every packet, those of the other's connections too: no connection lasts, either way.
    packets,
  };
  enum class How { drop, reset, sometimes };

  What what = What::packets;
  How how = How::drop;
  int percent = 100;  // How::sometimes

  bool operator==(const Loss&) const = default;
};

inline constexpr Loss kDropPackets{};
inline constexpr Loss kDropMessages{Loss::What::messages, Loss::How::drop, 100};
inline constexpr Loss kResetMessages{Loss::What::messages, Loss::How::reset, 100};

class Network {
 public:
  // Hosts 1..hosts, all connected. Its files go into `directory`.
  Network(int hosts, std::filesystem::path directory);
  ~Network();  // the thread returns to where it came from
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  bool possible() const { return why_not_.empty(); }
  const std::string& why_not() const { return why_not_; }

  // Each node of the cluster on its host.
  void place(harness::Cluster& cluster) const;
  std::string address(int host) const;
  // The command, run on that host.
  std::vector<std::string> inside(int host, std::vector<std::string> command) const;

  // These say what shall be; apply() makes it so, on all hosts at about the same time. Throws std::runtime_error if it
  // cannot.
  void lose(int from, int to, const Loss& loss);
  void lose_both_ways(int a, int b, const Loss& loss);
  void mend(int a, int b);  // both ways
  void mend_all();
  // Only these pairs are connected, all others are not, in either direction.
  void connect_only(const std::vector<std::pair<int, int>>& pairs);
  void isolate(int host);
  void apply();

  // Whether the two hear each other, in both directions and without any loss, as last applied.
  bool connected(int a, int b) const;

 private:
  std::string rules(int host) const;
  bool set_up();
  bool run(const std::vector<std::string>& command);
  bool batch(const std::string& name, const std::vector<std::string>& lines, int host);

  int hosts_;
  std::filesystem::path directory_;
  std::string why_not_;
  int original_ = -1;  // open files of namespaces
  int hub_ = -1;
  std::vector<int> namespaces_;                           // of host i at i - 1
  std::map<std::pair<int, int>, Loss> wanted_, applied_;  // (from, to)
};

}  // namespace tenaz::chaos
