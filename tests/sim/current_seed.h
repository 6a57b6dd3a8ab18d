// The core stops the process when it finds the impossible: this says which seed did it.
#pragma once

#include <cstdint>

namespace tenaz::sim {

void announce_seed_on_abort();
void set_current_seed(std::uint64_t seed);

}  // namespace tenaz::sim
