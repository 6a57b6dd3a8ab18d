// What one run is made of, all of it drawn from the seed: how many nodes, how they are configured, what may go wrong.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/replica.h"
#include "storage/options.h"
#include "tests/sim/changes.h"
#include "tests/sim/random.h"

namespace tenaz::sim {

// No run has more machines.
inline constexpr std::size_t kMachinesMax = 9;

// What goes wrong at a moment, and for most of them, stays so for a while. Numbered in faults.h.
enum class FaultKind : std::uint8_t {
  // Processes.
  crash,          // one node loses power
  crash_several,  // a random set of nodes at once, all of them too
  crash_at_step,  // one node, at a chosen step of its work (fate.h)
  stop,           // SIGTERM
  pause,          // SIGSTOP: it goes on later, all its timers late
  slow_cpu,
  // Disks.
  disk_stall,
  slow_disk,
  slow_apply,
  fsync_error,     // the node stops
  disk_low,        // little room is left
  corrupt_log,     // a block of the log is found broken when it is read: the node stops for good
  corrupt_state,   // the same in the state, which is then fetched from another node
  lose_state,      // the state's directory is gone, the log is not
  empty_disk,      // the others fence the node
  put_back_disk,   // a copy made before the latest start: they fence it too
  step_back_disk,  // a copy made since the latest start, that lacks nothing which others do not hold
  // Clocks.
  clock_rate,
  wall_jump,
  // Links.
  isolate,
  split,
  one_way,  // single links, one direction
  bridge,   // one node sees both halves
  chain,    // each node hears only its neighbours
  star,     // all hear only one node
  deaf,     // one node hears nobody, and is heard
  mute,     // one node is heard by nobody, and hears
  random_links,
  flap,  // links of a node that come and go
  break_connections,
  storm,  // much is lost and late, everywhere
  // Operators.
  transfer,
  membership,  // a change that an operator asks for (operators.h)
};
inline constexpr std::size_t kFaultKinds = static_cast<std::size_t>(FaultKind::membership) + 1;
const char* to_string(FaultKind kind);

struct NetworkFaults {
  raft::Duration delay_min{};
  raft::Duration delay_max{};
  std::uint64_t slow_in_thousand = 0;  // messages that take up to `slow_max`
  raft::Duration slow_max{};
  std::uint64_t loss_in_thousand = 0;
  std::uint64_t duplicate_in_thousand = 0;  // of messages between cores; the copy may come much later
  std::uint64_t reorder_in_thousand = 0;    // of messages between cores, that others of their lane may overtake
  std::uint64_t break_in_thousand = 0;      // a send that breaks its connection
};

struct DiskFaults {
  raft::Duration sync_min{};
  raft::Duration sync_max{};
  std::uint64_t slow_in_thousand = 0;
  raft::Duration slow_max{};
  // At a crash: a prefix of what was not synced is found on the disk all the same; the rest of the last batch is torn.
  std::uint64_t keep_unsynced_in_thousand = 0;
  std::uint64_t no_image_in_thousand = 0;
  raft::Duration fetch_max{};      // of a snapshot, start to end
  std::uint64_t fetch_pieces = 1;  // each needs its connection
};

struct Scenario {
  std::size_t nodes = 3;   // that found the cluster
  std::size_t guests = 0;  // that wait to be added
  std::size_t machines() const { return nodes + guests; }
  server::ReplicaOptions replica;
  NetworkFaults network;
  DiskFaults disk;
  bool lease_reads = false;             // on at first; otherwise off for good
  std::vector<std::int64_t> clock_ppm;  // [node]: what its clock gains, in microseconds per second
  // A fault of its clock comes on top. With lease reads no clock runs a tenth faster than another (raft/lease.h).
  std::int64_t clock_fault_ppm_max = 200'000;

  std::array<unsigned, kFaultKinds> weights{};  // how often each is drawn among the faults; 0: never in this run
  raft::Duration fault_interval_max{};
  raft::Duration fault_time{};  // how long things go wrong
  bool partial_heal = false;    // afterwards only some majority is well connected for a while

  std::uint64_t log_retain = 0;             // entries kept behind the newest at compaction
  raft::Duration flush_interval{};          // of the state
  std::optional<storage::Options> storage;  // of the real-storage tier
  std::size_t keys = 0;
  raft::Duration call_interval_max{};  // between two calls of clients: uniform from 0, so the mean is half of it
};

// What one run must have in it, or it proves nothing.
inline constexpr raft::Duration kFaultTimeMin = std::chrono::seconds(20);
inline constexpr std::uint64_t kOperationsMin = 100;
inline constexpr std::uint64_t kFaultsMin = 5;
// The mean rate of the clients' calls is 10 per second or more.
inline constexpr raft::Duration kCallIntervalMax = std::chrono::milliseconds(200);

Scenario draw_scenario(std::uint64_t seed, const Changes& changes);
// Nothing goes wrong, and all is as configured by default: what the named scenarios begin with.
Scenario plain_scenario(std::size_t nodes);

}  // namespace tenaz::sim
