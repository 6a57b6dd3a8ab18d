// What one run is made of, all of it drawn from the seed: how many nodes, how they are configured, what may go wrong.
#pragma once

#include <cstdint>

#include "server/replica.h"
#include "tests/sim/random.h"

namespace tenaz::sim {

struct NetworkFaults {
  raft::Duration delay_min{};
  raft::Duration delay_max{};
  std::uint64_t slow_in_thousand = 0;  // messages that take up to `slow_max`
  raft::Duration slow_max{};
  std::uint64_t loss_in_thousand = 0;
  std::uint64_t duplicate_in_thousand = 0;  // of messages between cores; the copy may come much later
  std::uint64_t break_in_thousand = 0;      // a send that breaks its connection
};

struct DiskFaults {
  raft::Duration sync_min{};
  raft::Duration sync_max{};
  std::uint64_t slow_in_thousand = 0;
  raft::Duration slow_max{};
  // At a crash: a prefix of what was not synced is found on the disk all the same.
  std::uint64_t keep_unsynced_in_thousand = 0;
  std::uint64_t no_image_in_thousand = 0;
  raft::Duration fetch_max{};  // of a snapshot, start to end
};

// Each is how often it is drawn among the faults; 0: never in this run.
struct FaultWeights {
  unsigned crash = 0;
  unsigned crash_all = 0;
  unsigned stop = 0;
  unsigned pause = 0;
  unsigned disk_stall = 0;
  unsigned disk_low = 0;
  unsigned isolate = 0;  // one node, the leader for preference
  unsigned split = 0;    // into two groups
  unsigned one_way = 0;  // single links, one direction
  unsigned bridge = 0;   // one node sees both halves
  unsigned break_connections = 0;
  unsigned transfer = 0;
  unsigned heal = 0;
};

struct Scenario {
  std::size_t nodes = 3;
  server::ReplicaOptions replica;
  NetworkFaults network;
  DiskFaults disk;
  FaultWeights faults;
  raft::Duration fault_interval_max{};
  raft::Duration fault_time{};      // how long things go wrong
  bool partial_heal = false;        // afterwards only some majority is well connected for a while
  std::uint64_t log_retain = 0;     // entries kept behind the newest at compaction
  raft::Duration flush_interval{};  // of the state
  std::size_t clients = 0;
  std::size_t keys = 0;
  raft::Duration think_time_max{};
};

Scenario draw_scenario(std::uint64_t seed);

}  // namespace tenaz::sim
