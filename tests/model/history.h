// What clients saw: operations on keys and on ranges of keys, with the time they were called and answered. Recorded by
// the simulator and by the tests of real processes, judged by linearizability.h. Plain values.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace tenaz::model {

// Any monotonic unit, the same for the whole history. Two equal times are taken as overlapping.
using Time = std::int64_t;
inline constexpr Time kNever = std::numeric_limits<Time>::max();

enum class Kind {
  get,
  put,
  remove,
  list,          // a read of a range at one revision
  remove_range,  // removes what the range holds, in one revision
};

enum class Guard {
  none,
  must_exist,
  must_not_exist,
  mod_revision,  // the key's mod revision must be `expected`
};

enum class Outcome {
  done,                 // answered; a put or remove that met its guard, or a read
  precondition_failed,  // answered: the guard did not hold, nothing changed
  not_applied,          // the client was told that it will never take effect
  unknown,              // no answer, or one that promises nothing: may take effect at any time after the call, or never
};

// A key as a list showed it.
struct Item {
  std::string key;
  std::string value;
  std::uint64_t mod_revision = 0;
};

struct Operation {
  std::uint64_t client = 0;
  Kind kind = Kind::get;
  Guard guard = Guard::none;
  Outcome outcome = Outcome::unknown;
  std::uint64_t expected = 0;  // Guard::mod_revision

  std::string key;        // of list and remove_range: where the range begins
  std::string value;      // put: what was written; get: what was read
  std::string range_end;  // list, remove_range: exclusive; empty: the range has no end

  std::vector<Item> items;  // list: what it showed, in that order; all pages of it

  // get, list: asked for the state as it once was ("local", or at a revision of the client's choice). It must be the
  // state at `revision`, whenever that was; without it a read must see all that was answered before it was called.
  bool any_time = false;
  std::uint64_t least_revision = 0;  // get, list: the client asked for no older state than this

  Time called = 0;
  Time answered = kNever;

  // Of the store, as the answer gave it (after the operation). 0: not told.
  std::uint64_t revision = 0;
  // get and precondition_failed: the key's mod revision as the answer gave it. 0: not told, or absent.
  std::uint64_t mod_revision = 0;
  // Whether the key existed before the operation, or, of remove_range, any in the range; nothing: not told.
  std::optional<bool> existed;
};

using History = std::vector<Operation>;

// One line for people.
std::string describe(const Operation& operation);

}  // namespace tenaz::model
