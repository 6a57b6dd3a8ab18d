// What a replay changes about a seed: the way to a smaller run that fails just as well. They stand on the command line
// of tenaz-sim, so that what shrinking finds can be typed again.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "raft/types.h"

namespace tenaz::sim {

// What goes wrong all the time in a run, as the seed draws it; each can be left out by name.
enum class Condition : std::uint8_t {
  loss,
  delays,
  duplicates,
  reorder,
  breaks,
  slow_syncs,
  no_images,
  clock_drift,
  small_limits,
};
inline constexpr std::size_t kConditions = static_cast<std::size_t>(Condition::small_limits) + 1;
const char* to_string(Condition condition);

struct Changes {
  std::size_t nodes = 0;            // 0: as drawn
  std::set<std::uint64_t> skipped;  // faults, by number
  std::set<Condition> calm;         // conditions that are left out
  raft::Duration until{};           // faults and clients end then; 0: as drawn
  bool real_storage = false;        // production storage beside the model of a disk
  std::uint64_t salt = 0;           // other draws of everything but scenario and faults

  bool left_out(Condition condition) const { return calm.contains(condition); }
  bool operator==(const Changes&) const = default;
};

// As options of tenaz-sim, each with a space before it; empty if nothing is changed.
std::string to_options(const Changes& changes);
// Understands one option and its value; false: it is not one of these, or the value makes no sense.
bool parse_option(const std::string& name, const std::string& value, Changes& changes);

}  // namespace tenaz::sim
