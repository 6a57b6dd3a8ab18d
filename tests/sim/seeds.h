// Shared by the tests that run many seeds.
#pragma once

#include <cstdint>

#include "tests/sim/changes.h"

namespace tenaz::sim {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise);
// Fails, with the command that replays it, at the first seed that does.
void run_seeds(std::uint64_t from, std::uint64_t count, const Changes& changes = {});

}  // namespace tenaz::sim
