// Partial connectivity: named scenarios in which nothing fails but links (and in one of them disks), and the time that
// the cluster takes to accept writes again. Three of them are those of Omni-Paxos (Ng, Haridi, Carbone, EuroSys 2023,
// section 2).
//
// What the cluster must survive (design promise 3): whatever the other links do, one-way, flapping or cut, as long as
// some majority of the voters is pairwise connected in both directions and has disks that answer. What Raft cannot
// survive is shown too: a single node that reaches a quorum and lacks committed entries (constrained, five nodes).
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "raft/types.h"

namespace tenaz::sim {

struct Connectivity {
  const char* name;
  const char* story;  // one sentence
};
const std::vector<Connectivity>& connectivities();
bool is_connectivity(const std::string& name);

struct ConnectivityOutcome {
  std::string failure;  // empty: it went as the scenario says that it must
  std::uint64_t fingerprint = 0;
  double simulated_seconds = 0;
  // From the moment at which the links changed to the first write that was asked for later and is accepted; nothing if
  // there was none while they stood.
  std::optional<raft::Duration> recovery;
  // The longest time without an accepted write after that, while the links stood (flapped, and so on).
  raft::Duration longest_gap{};
  // constrained: from the moment at which one link healed.
  std::optional<raft::Duration> recovery_by_one_link;
};

// `nodes`: 3, 5 or 7. The same arguments give the same outcome, to the last bit.
ConnectivityOutcome run_connectivity(const std::string& name, std::size_t nodes, std::uint64_t seed,
                                     std::FILE* trace = nullptr);

// Whether `name` with so many nodes recovers while the links stand.
bool must_recover(const std::string& name, std::size_t nodes);

// A write is accepted within this after links have changed, and never is there a longer pause, while some majority is
// pairwise connected. The options are the defaults: an election timeout of 250 ms to 1.5 s.
inline constexpr raft::Duration kConnectivityBound = std::chrono::seconds(10);
// The same for working-majority: a leader waits for disks for longer than for answers, and a link that is up for some
// milliseconds at a time brings the answer to a heartbeat now and then, and none to an append.
inline constexpr raft::Duration kWorkingMajorityBound = std::chrono::seconds(15);

}  // namespace tenaz::sim
