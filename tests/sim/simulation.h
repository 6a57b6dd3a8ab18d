// One run: a cluster lives through what its seed has for it, is then left in peace, and must come together again.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

#include "tests/sim/changes.h"
#include "tests/sim/fate.h"
#include "tests/sim/scenario.h"

namespace tenaz::sim {

struct Report {
  std::string failure;  // empty: all is well
  // Of all events, messages, writes and answers.
  std::uint64_t fingerprint = 0;
  std::uint64_t events = 0;
  double simulated_seconds = 0;
  double recovery_seconds = 0;  // from the end of the faults to the first write that was accepted
  // What happened, to see that a run is not empty.
  std::size_t nodes = 0;
  std::uint64_t changes = 0;          // of the membership, done
  std::uint64_t changes_refused = 0;  // or without an answer
  std::uint64_t configurations = 0;   // committed
  std::uint64_t retired = 0;          // nodes that were removed and have stopped
  std::uint64_t quorums_lost = 0;     // runs in which too many of those that became needed had lost what they promised
  std::uint64_t operations = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t reads = 0;
  std::uint64_t lease_reads = 0;  // answered by leases, lists and followers' questions too
  std::uint64_t lists = 0;
  std::uint64_t refused = 0;
  std::uint64_t unknown = 0;
  std::uint64_t applied = 0;
  std::uint64_t leaders = 0;
  std::uint64_t crashes = 0;
  std::uint64_t installs = 0;
  std::uint64_t states_restored = 0;
  std::uint64_t fenced = 0;
  std::uint64_t faults = 0;         // that had an effect
  std::uint64_t fault_numbers = 0;  // drawn
  std::array<std::uint64_t, kFaultKinds> struck{};
  std::array<std::uint64_t, kSteps> ended_at{};  // processes that crashed at a step
};

// The same seed and changes give the same report, to the last bit. `trace`: where to write what happens, or nothing.
Report simulate(std::uint64_t seed, const Changes& changes = {}, std::FILE* trace = nullptr);

// What to type to see a run again.
std::string replay_command(std::uint64_t seed, const Changes& changes = {});

// After the last fault has ended and the links are whole, a write is accepted within this.
inline constexpr raft::Duration kRecoveryBound = std::chrono::seconds(30);

}  // namespace tenaz::sim
