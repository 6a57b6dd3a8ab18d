// Judges histories. Pure functions; deterministic.
#pragma once

#include <cstddef>
#include <string>

#include "tests/model/history.h"

namespace tenaz::model {

struct Verdict {
  enum class Kind {
    correct,
    violated,
    undecided,  // the search gave up; not a proof of anything
  };
  Kind kind = Kind::correct;
  std::string explanation;  // empty when correct

  bool correct() const { return kind == Kind::correct; }
};

// Is there, for every key, one order of its operations that agrees with real time and with a register with
// compare-and-set? Keys are independent (linearizability is local, Herlihy & Wing 1990), so each is searched alone, by
// the algorithm of Wing & Gong with Lowe's memory of (operations done, state) pairs. Revisions in the answers, where
// told, must fit the same order, and cut the search to almost nothing. Values need not be unique; if they are, a write
// that was called not_applied and then read is found out. `max_steps` bounds the search of each key.
Verdict check_keys(const History& history, std::size_t max_steps = 2'000'000);

// What revisions tell about all keys at once: no two writes that changed something share one; an operation never
// carries a lower revision than one that was answered before it was called, a write that changed something always a
// higher one.
Verdict check_revisions(const History& history);

// Both.
Verdict check(const History& history);

}  // namespace tenaz::model
