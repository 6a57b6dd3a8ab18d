// What must hold of one core at any time, and between two moments of it. The core checks itself with them after every
// output, in release builds too; tests check many cores against each other.
#pragma once

#include <string>

#include "raft/core.h"

namespace tenaz::raft {

// Stops the process with a message: for what Raft or a contract of this room rules out.
[[noreturn]] void fail(const char* what);

inline void require(bool holds, const char* what) {
  if (!holds) [[unlikely]]
    fail(what);
}

// The numbers of a core that its invariants speak of.
struct Vitals {
  NodeId self;
  HardState hard_state;
  bool leads = false;
  Index base;  // the compaction point: first index - 1
  Index last;
  Index durable;
  Index commit;
  Index handed_out;  // for apply
  Index applied;
};

// Null if all is well, otherwise what is wrong.
const char* broken_state(const Vitals& now);
const char* broken_transition(const Vitals& before, const Vitals& now);

}  // namespace tenaz::raft
