// A short run of each kind of fault, and one of all. The same seeds every time; tests/chaos/run takes others, for as
// long as you like.
#include "tests/chaos/chaos.h"

#include <gtest/gtest.h>

#include <iostream>

namespace tenaz::chaos {
namespace {

void expect_survived(const Plan& plan) {
  std::cout << "again with: " << command(plan) << std::endl;
  const Report report = run(plan);
  if (!report.skipped.empty()) GTEST_SKIP() << report.skipped;
  EXPECT_GE(report.rounds, plan.rounds);
  EXPECT_GT(report.operations, 100u);
  EXPECT_GT(report.writes, 100u);
}

class Chaos : public ::testing::TestWithParam<std::string> {};

TEST_P(Chaos, ClientsSeeOneHistory) {
  Plan plan;
  plan.nodes = 3;
  plan.rounds = 2;
  plan.hold_max = std::chrono::milliseconds(1500);
  plan.faults = {GetParam()};
  expect_survived(plan);
}

std::vector<std::string> names_of_kinds() {
  std::vector<std::string> names;
  for (const FaultKind& kind : fault_kinds()) names.emplace_back(kind.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Each, Chaos, ::testing::ValuesIn(names_of_kinds()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(ChaosOfAll, FiveNodes) {
  Plan plan;
  plan.rounds = 8;
  expect_survived(plan);
}

}  // namespace
}  // namespace tenaz::chaos
