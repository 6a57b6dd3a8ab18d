// Many seeds of the real-storage tier, in parts that can run beside each other: four founded by five nodes, one by as
// many as are drawn. How many in each: TENAZ_SIM_REAL_LONG_SEEDS.
#include <gtest/gtest.h>

#include "tests/sim/seeds.h"

namespace tenaz::sim {
namespace {

constexpr std::uint64_t kPartsOfFive = 4;

class RealStorageLong : public testing::TestWithParam<std::uint64_t> {};

TEST_P(RealStorageLong, Seeds) {
  Changes changes;
  changes.real_storage = true;
  if (GetParam() < kPartsOfFive) changes.nodes = 5;
  const std::uint64_t count = from_environment("TENAZ_SIM_REAL_LONG_SEEDS", 250);
  run_seeds(2'000'000 + GetParam() * count, count, changes);
}

INSTANTIATE_TEST_SUITE_P(Parts, RealStorageLong, testing::Range<std::uint64_t>(0, kPartsOfFive + 1));

}  // namespace
}  // namespace tenaz::sim
