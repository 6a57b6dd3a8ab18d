// Seeds of the real-storage tier. How many: TENAZ_SIM_REAL_SEEDS; the first one: TENAZ_SIM_FROM.
#include <gtest/gtest.h>

#include "tests/sim/seeds.h"
#include "tests/sim/simulation.h"

namespace tenaz::sim {
namespace {

Changes real_storage() {
  Changes changes;
  changes.real_storage = true;
  return changes;
}

TEST(RealStorage, Seeds) {
  run_seeds(from_environment("TENAZ_SIM_FROM", 1), from_environment("TENAZ_SIM_REAL_SEEDS", 20), real_storage());
}

TEST(RealStorage, ASeedGivesTheSameRunEveryTime) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Report first = simulate(seed, real_storage());
    const Report second = simulate(seed, real_storage());
    EXPECT_EQ(first.fingerprint, second.fingerprint) << "seed " << seed;
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tenaz::sim
