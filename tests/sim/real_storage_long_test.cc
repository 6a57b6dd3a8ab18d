// Many seeds of the real-storage tier, in parts that can run beside each other. How many in each:
// TENAZ_SIM_REAL_LONG_SEEDS.
#include <gtest/gtest.h>

#include "tests/sim/seeds.h"

namespace tenaz::sim {
namespace {

class RealStorageLong : public testing::TestWithParam<std::uint64_t> {};

TEST_P(RealStorageLong, Seeds) {
  Changes changes;
  changes.real_storage = true;
  const std::uint64_t count = from_environment("TENAZ_SIM_REAL_LONG_SEEDS", 250);
  run_seeds(2'000'000 + GetParam() * count, count, changes);
}

INSTANTIATE_TEST_SUITE_P(Parts, RealStorageLong, testing::Range<std::uint64_t>(0, 4));

}  // namespace
}  // namespace tenaz::sim
