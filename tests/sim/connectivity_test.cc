// Some seeds of every scenario of partial connectivity. How many of each: TENAZ_SIM_SCENARIO_SEEDS.
#include "tests/sim/connectivity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "tests/sim/current_run.h"
#include "tests/sim/seeds.h"

namespace tenaz::sim {
namespace {

class Connected : public ::testing::TestWithParam<std::tuple<std::string, std::size_t>> {};

TEST_P(Connected, WritesAreAcceptedWhereAMajorityCan) {
  const auto& [name, nodes] = GetParam();
  const std::uint64_t seeds = from_environment("TENAZ_SIM_SCENARIO_SEEDS", 200);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const std::string again =
        "tenaz-sim --scenario " + name + " --nodes " + std::to_string(nodes) + " --seed " + std::to_string(seed);
    set_current_run(again);
    ASSERT_EQ(run_connectivity(name, nodes, seed).failure, "") << "again: " << again << " --trace";
  }
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Connectivity& each : connectivities()) all.emplace_back(each.name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Each, Connected, ::testing::Combine(::testing::ValuesIn(names()), ::testing::Values(3, 5)),
                         [](const auto& info) {
                           std::string name = std::get<0>(info.param) + "_" + std::to_string(std::get<1>(info.param));
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace tenaz::sim
