#include "tests/sim/seeds.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "tests/sim/current_seed.h"
#include "tests/sim/simulation.h"

namespace tenaz::sim {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

void run_seeds(std::uint64_t from, std::uint64_t count) {
  announce_seed_on_abort();
  const auto begin = std::chrono::steady_clock::now();
  double simulated = 0;
  std::uint64_t acknowledged = 0, reads = 0, refused = 0, leaders = 0, crashes = 0, installs = 0;
  for (std::uint64_t seed = from; seed < from + count; ++seed) {
    set_current_seed(seed);
    const Report report = simulate(seed);
    ASSERT_TRUE(report.failure.empty()) << "seed " << seed << " fails " << report.failure
                                        << "\nagain: " << replay_command(seed);
    simulated += report.simulated_seconds;
    acknowledged += report.acknowledged;
    reads += report.reads;
    refused += report.refused;
    leaders += report.leaders;
    crashes += report.crashes;
    installs += report.installs;
  }
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%llu seeds: %.0f simulated seconds in %.1f s, %.0f per second\n", static_cast<unsigned long long>(count),
              simulated, wall, simulated / wall);
  if (count < 100) return;
  // Runs in which nothing happens prove nothing.
  EXPECT_GT(acknowledged, 20 * count);
  EXPECT_GT(reads, 10 * count);
  EXPECT_GT(refused, 0U);
  EXPECT_GT(leaders, 2 * count);
  EXPECT_GT(crashes, count);
  EXPECT_GT(installs, count / 10);
}

}  // namespace tenaz::sim
