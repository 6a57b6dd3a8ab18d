// A chaos run: a cluster under load, faults drawn from one seed, begun and undone one after the other or two together;
// and the judgement of what clients saw. Failures are reported as test failures.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/chaos/fault.h"
#include "tests/integration/harness/cluster.h"

namespace tenaz::chaos {

struct Plan {
  int nodes = 5;
  std::uint64_t seed = 1;
  std::vector<std::string> faults;           // names of kinds; empty: all
  std::uint64_t rounds = 0;                  // at least so many
  std::chrono::seconds time{0};              // and at least so long
  std::uint64_t rounds_per_epoch = 12;       // after which what clients saw is judged, and forgotten
  std::chrono::milliseconds hold_max{2700};  // how long faults last
  harness::Settings settings{};              // of the nodes
};

struct Report {
  std::string skipped;  // why nothing could be done here; empty: it was
  std::uint64_t rounds = 0;
  std::uint64_t operations = 0;                   // judged
  std::uint64_t writes = 0;                       // acknowledged
  std::uint64_t unknown = 0;                      // operations without a certain outcome
  std::map<std::string, std::uint64_t> faults{};  // that had an effect, by the name of their kind
};

// Ends early with the first failure.
Report run(const Plan& plan);

// The one command that does it again.
std::string command(const Plan& plan);

}  // namespace tenaz::chaos
