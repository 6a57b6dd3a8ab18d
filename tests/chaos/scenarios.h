// Named situations in which links or leaders fail, and how long no write is taken in each. Partial connectivity is that
// of Ng, Haridi and Carbone, "Omni-Paxos" (EuroSys 2023), section 2: quorum-loss, constrained election, chained.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/chaos/ground.h"

namespace tenaz::chaos {

struct Measured {
  int nodes = 0;
  bool taken = false;         // writes went on being acknowledged while it lasted (or after its relief)
  double outage_ms = 0;       // the longest time without an acknowledged write, from its beginning (relief) to its end
  std::uint64_t terms = 0;    // that passed
  int serving = 0;            // nodes through which writes were acknowledged at its end
  std::uint64_t blocked = 0;  // constrained: writes acknowledged before the relief, which should be none
};

struct Scene;

struct Scenario {
  const char* name;
  const char* what;         // a line for people
  std::vector<int> nodes;   // of the clusters that it is tried with
  bool whole_node = false;  // not of single links
  bool preload = false;     // needs GroundOptions::preload
  void (*prepare)(Scene&) = nullptr;
  void (*strike)(Scene&);
  void (*go_on)(Scene&) = nullptr;    // every few hundred milliseconds while it lasts
  void (*relieve)(Scene&) = nullptr;  // there is no progress until this is done; null where there must be
};

const std::vector<Scenario>& scenarios();
const Scenario* find_scenario(const std::string& name);

// On a cluster that runs and is well; leaves it so. `lasting`: how long the situation is watched after the first write,
// and how long it is watched without relief.
Measured measure(Ground& ground, const Scenario& scenario, std::chrono::milliseconds lasting);

}  // namespace tenaz::chaos
