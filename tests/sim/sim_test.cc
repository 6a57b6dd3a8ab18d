// A few thousand seeds. How many: TENAZ_SIM_SEEDS; the first one: TENAZ_SIM_FROM.
#include <gtest/gtest.h>

#include "tests/sim/seeds.h"
#include "tests/sim/simulation.h"

namespace tenaz::sim {
namespace {

TEST(Simulation, Seeds) {
  run_seeds(from_environment("TENAZ_SIM_FROM", 1), from_environment("TENAZ_SIM_SEEDS", 3000));
}

TEST(Simulation, ASeedGivesTheSameRunEveryTime) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Report first = simulate(seed);
    const Report second = simulate(seed);
    EXPECT_EQ(first.fingerprint, second.fingerprint) << "seed " << seed;
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
  }
  EXPECT_NE(simulate(1).fingerprint, simulate(2).fingerprint);
}

}  // namespace
}  // namespace tenaz::sim
