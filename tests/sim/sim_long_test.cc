// Many seeds, others than sim_test's. How many: TENAZ_SIM_LONG_SEEDS; the first one: TENAZ_SIM_FROM.
#include <gtest/gtest.h>

#include "tests/sim/seeds.h"

namespace tenaz::sim {
namespace {

TEST(SimulationLong, Seeds) {
  run_seeds(from_environment("TENAZ_SIM_FROM", 1'000'000), from_environment("TENAZ_SIM_LONG_SEEDS", 40'000));
}

}  // namespace
}  // namespace tenaz::sim
