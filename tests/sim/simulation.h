// One run: a cluster lives through its scenario, is then left in peace, and must come together again.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace tenaz::sim {

struct Report {
  std::string failure;  // empty: all is well
  std::uint64_t fingerprint = 0;
  std::uint64_t events = 0;
  double simulated_seconds = 0;
  // What happened, to see that a run is not empty.
  std::size_t nodes = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t reads = 0;
  std::uint64_t refused = 0;
  std::uint64_t applied = 0;
  std::uint64_t leaders = 0;
  std::uint64_t crashes = 0;
  std::uint64_t installs = 0;
};

// The same seed gives the same report, to the last bit. `trace`: where to write what happens, or nothing.
Report simulate(std::uint64_t seed, std::FILE* trace = nullptr);

// What to type to see a seed again.
std::string replay_command(std::uint64_t seed);

}  // namespace tenaz::sim
