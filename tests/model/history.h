// What clients saw: operations on single keys with the time they were called and answered. Recorded by the simulator
// and by the tests of real processes, judged by linearizability.h. Plain values.
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
  get,  // a linearizable read
  put,
  remove,
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

struct Operation {
  std::uint64_t client = 0;
  Kind kind = Kind::get;
  Guard guard = Guard::none;
  Outcome outcome = Outcome::unknown;
  std::uint64_t expected = 0;  // Guard::mod_revision

  std::string key;
  std::string value;  // put: what was written; get: what was read

  Time called = 0;
  Time answered = kNever;

  // Of the store, as the answer gave it (after the operation). 0: not told.
  std::uint64_t revision = 0;
  // get and precondition_failed: the key's mod revision as the answer gave it. 0: not told, or absent.
  std::uint64_t mod_revision = 0;
  // Whether the key existed before the operation; nothing: not told (a member of a range delete, a plain put).
  std::optional<bool> existed;
};

using History = std::vector<Operation>;

// One line for people.
std::string describe(const Operation& operation);

}  // namespace tenaz::model
