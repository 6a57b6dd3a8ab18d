// The named situations of partial connectivity (scenarios.h): links that fail without cutting anybody off: what a
// majority can still do, it does by itself. Where Raft cannot (constrained: the only well-connected node lacks what was
// committed), nothing is acknowledged, and one link that comes back is enough.
#include <gtest/gtest.h>

#include <iostream>

#include "tests/chaos/scenarios.h"

namespace tenaz::chaos {
namespace {

struct Case {
  const Scenario* scenario;
  int nodes;
};
void PrintTo(const Case& each, std::ostream* out) {
  *out << each.nodes << " nodes, " << each.scenario->what;
}

class PartialConnectivity : public ::testing::TestWithParam<Case> {};

TEST_P(PartialConnectivity, WritesAreTaken) {
  const auto& [scenario, nodes] = GetParam();
  GroundOptions options;
  options.nodes = nodes;
  options.preload = scenario->preload;
  Ground ground(options);
  if (!ground.possible()) GTEST_SKIP() << ground.why_not();
  ground.cluster().start_all();
  const Measured measured = measure(ground, *scenario, std::chrono::milliseconds(1500));
  EXPECT_TRUE(measured.taken) << "no writes were taken while this lasted: " << scenario->what;
  EXPECT_EQ(measured.blocked, 0u) << "no majority can have taken these writes";
  ground.cluster().expect_one_leader_per_term();
  std::cout << "outage " << measured.outage_ms << " ms, " << measured.terms << " terms" << std::endl;
}

// Those of whole nodes are in chaos_test.cc already.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Scenario& scenario : scenarios()) {
    if (scenario.whole_node) continue;
    for (const int nodes : scenario.nodes) all.push_back({&scenario, nodes});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Each, PartialConnectivity, ::testing::ValuesIn(cases()), [](const auto& info) {
  std::string name = info.param.scenario->name + std::string("_") + std::to_string(info.param.nodes);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace tenaz::chaos
