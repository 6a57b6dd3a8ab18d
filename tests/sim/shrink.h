// Makes a failing run smaller: fewer nodes, fewer faults and conditions, an earlier end. Every attempt runs in a
// process of its own, since a run may abort.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tests/sim/changes.h"

namespace tenaz::sim {

// How a run ended: empty if all went well; else its failure without what differs from run to run (times, numbers), so
// that a smaller run can be held against it.
struct Ending {
  std::string kind;
  std::string failure;  // in full
  double seconds = 0;   // simulated, until the end
  std::uint64_t fault_numbers = 0;
  std::size_t nodes = 0;
};

// The failure without numbers, up to its first line's end.
std::string kind_of(const std::string& failure);

// Runs it in a child process.
Ending run_apart(std::uint64_t seed, const Changes& changes);

struct Shrunk {
  Changes changes;
  Ending ending;
  std::uint64_t attempts = 0;
};

// The smallest run found that ends like `seed` with `changes` does. `run`: how to try one; `progress`: told of every
// step that succeeded.
Shrunk shrink(const Changes& changes, const std::function<Ending(const Changes&)>& run,
              const std::function<void(const Changes&)>& progress);

}  // namespace tenaz::sim
