#include "tests/sim/seeds.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "tests/sim/current_run.h"
#include "tests/sim/simulation.h"
#include "tests/sim/totals.h"

namespace tenaz::sim {
namespace {

// Runs in which nothing happens prove nothing.
void check_that_things_happened(const Totals& totals) {
  const Report& sum = totals.sum;
  EXPECT_GT(sum.acknowledged, 50 * totals.runs);
  EXPECT_GT(sum.reads, 30 * totals.runs);
  EXPECT_GT(sum.lists, 10 * totals.runs);
  EXPECT_GT(sum.lease_reads, 5 * totals.runs);
  EXPECT_GT(sum.refused, totals.runs);
  EXPECT_GT(sum.unknown, totals.runs);
  EXPECT_GT(sum.leaders, 2 * totals.runs);
  EXPECT_GT(sum.installs, totals.runs / 2);
  EXPECT_GT(sum.fenced, 0U);
  EXPECT_GT(sum.states_restored, 0U);
  EXPECT_GT(sum.configurations, 2 * totals.runs);
  EXPECT_GT(sum.changes, totals.runs / 2);
  EXPECT_GT(sum.retired, totals.runs / 10);
  EXPECT_LT(sum.quorums_lost, totals.runs / 100);
  for (std::size_t kind = 0; kind < kFaultKinds; ++kind)
    EXPECT_GT(sum.struck[kind], 0U) << "nothing was struck by " << to_string(static_cast<FaultKind>(kind));
  for (std::size_t step = 0; step < kSteps; ++step)
    EXPECT_GT(sum.ended_at[step], 0U) << "nothing crashed at the step " << to_string(static_cast<Step>(step));
}

}  // namespace

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

void run_seeds(std::uint64_t from, std::uint64_t count, const Changes& changes) {
  announce_run_on_abort();
  const std::clock_t begin = std::clock();
  Totals totals;
  for (std::uint64_t seed = from; seed < from + count; ++seed) {
    set_current_run(replay_command(seed, changes));
    const Report report = simulate(seed, changes);
    ASSERT_TRUE(report.failure.empty()) << "seed " << seed << " fails " << report.failure
                                        << "\nagain: " << replay_command(seed, changes);
    ASSERT_GE(report.operations, kOperationsMin) << "seed " << seed;
    ASSERT_GE(report.faults, kFaultsMin) << "seed " << seed;
    ASSERT_GE(report.simulated_seconds, std::chrono::duration<double>(kFaultTimeMin).count()) << "seed " << seed;
    totals.add(report);
  }
  std::printf("%s", summary(totals, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC).c_str());
  if (count >= 500) check_that_things_happened(totals);
}

}  // namespace tenaz::sim
