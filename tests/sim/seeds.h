// Runs of seeds inside a gtest program: fails with the first seed that fails, and the command that shows it again.
#pragma once

#include <cstdint>

namespace tenaz::sim {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise);
void run_seeds(std::uint64_t from, std::uint64_t count);

}  // namespace tenaz::sim
