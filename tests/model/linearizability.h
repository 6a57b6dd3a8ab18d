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

inline constexpr std::size_t kMaxSteps = 2'000'000;

// Is there one order of all operations that agrees with real time, with a register with compare-and-set for every key,
// and with lists and range deletes that see and change many keys at one revision? Revisions in the answers order the
// writes of the whole store (check_revisions); with that settled, each key is searched alone (linearizability is local,
// Herlihy & Wing 1990), a list counting as a read of each key of its range at the list's revision. The search is Wing &
// Gong's with Lowe's memory of (operations done, state) pairs. Operations whose outcome is unknown may take effect at
// any time after their call, or never. Values need not be unique; if they are, a write that was called not_applied and
// then read is found out, and reads tell the revisions of unknown writes. What it does not notice: two unknown writes
// that nobody ever read and that would both need the only revision that is free. `max_steps` bounds the search of each
// key.
Verdict check(const History& history, std::size_t max_steps = kMaxSteps);

// The two halves of it.
//
// Each key by itself.
Verdict check_keys(const History& history, std::size_t max_steps = kMaxSteps);

// All keys at once: no two writes share a revision, whether the answer or a read told it; an operation never carries a
// lower revision than one that was answered before it was called, a write that changed something always a higher one;
// reads are no older than they asked for; lists are in order and within their range.
Verdict check_revisions(const History& history);

}  // namespace tenaz::model
