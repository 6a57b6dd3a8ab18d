// The register of one key, with compare-and-set, and what an operation as answered does to it: the sequential side of
// linearizability. Pure values and functions.
#pragma once

#include <cstdint>
#include <optional>

#include "tests/model/history.h"

namespace tenaz::model {

std::uint64_t mix(std::uint64_t x);

// At one place in an order. `mod` is 0 while the write that made it was never answered and nobody has read it since; it
// is then at least `mod_at_least`.
struct Register {
  bool exists = false;
  std::uint32_t value = 0;
  std::uint64_t mod = 0;
  std::uint64_t mod_at_least = 0;
  // The store's revision is at least this.
  std::uint64_t floor = 0;

  std::uint64_t hash() const;
  // Learns the mod revision; false if it cannot be that one.
  bool learn_mod(std::uint64_t told);
};

// One operation on the key, with what all operations together tell about it.
struct Step {
  const Operation* operation;
  std::uint32_t value;         // of a put, or read by a get
  bool optional;               // nobody knows whether it happened
  Time called;                 // not before this
  std::uint64_t revision = 0;  // as answered, or as others' reads show; 0: not known
  std::uint64_t at_least = 0;  // a write that nobody was told the revision of: no lower one
};

bool is_read(Kind kind);

// The state after `step`, or nothing if the step as answered is impossible here. A step that nobody knows about is only
// ever asked to change something: without effect it is the same as never.
std::optional<Register> after(const Step& step, Register state);

}  // namespace tenaz::model
