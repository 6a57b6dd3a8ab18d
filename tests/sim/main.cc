// tenaz-sim: runs seeds of the simulation. Exit 0: all went well; 1: a seed failed; 2: usage.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/sim/current_seed.h"
#include "tests/sim/simulation.h"

namespace {

int usage() {
  std::fprintf(stderr,
               "usage: tenaz-sim --seed S [--trace]            one run; --trace writes every event to stdout\n"
               "       tenaz-sim --seeds N [--from S] [--keep-going]\n");
  return 2;
}

struct Totals {
  double simulated = 0;
  std::uint64_t runs = 0, failed = 0, events = 0, acknowledged = 0, reads = 0, leaders = 0, crashes = 0, installs = 0;
};

bool run(std::uint64_t seed, std::FILE* trace, Totals& totals) {
  tenaz::sim::set_current_seed(seed);
  const auto report = tenaz::sim::simulate(seed, trace);
  ++totals.runs;
  totals.simulated += report.simulated_seconds;
  totals.events += report.events;
  totals.acknowledged += report.acknowledged;
  totals.reads += report.reads;
  totals.leaders += report.leaders;
  totals.crashes += report.crashes;
  totals.installs += report.installs;
  if (report.failure.empty()) return true;
  ++totals.failed;
  std::fflush(stdout);
  std::fprintf(stderr, "seed %llu (%zu nodes) fails %s\nagain: %s\n", static_cast<unsigned long long>(seed),
               report.nodes, report.failure.c_str(), tenaz::sim::replay_command(seed).c_str());
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t from = 1;
  std::uint64_t count = 0;
  bool trace = false;
  bool keep_going = false;
  for (int i = 1; i < argc; ++i) {
    const bool value = i + 1 < argc;
    if (std::strcmp(argv[i], "--seed") == 0 && value) {
      from = std::strtoull(argv[++i], nullptr, 10);
      count = 1;
    } else if (std::strcmp(argv[i], "--seeds") == 0 && value) {
      count = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--from") == 0 && value) {
      from = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--trace") == 0) {
      trace = true;
    } else if (std::strcmp(argv[i], "--keep-going") == 0) {
      keep_going = true;
    } else {
      return usage();
    }
  }
  if (count == 0) return usage();

  tenaz::sim::announce_seed_on_abort();
  const auto begin = std::chrono::steady_clock::now();
  Totals totals;
  for (std::uint64_t seed = from; seed < from + count; ++seed)
    if (!run(seed, trace ? stdout : nullptr, totals) && !keep_going) break;
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf(
      "%llu runs, %llu failed; %.0f simulated seconds in %.1f s (%.0f per second), %.1f M events; %llu writes "
      "acknowledged, %llu reads, %llu leaders, %llu crashes, %llu snapshots installed\n",
      static_cast<unsigned long long>(totals.runs), static_cast<unsigned long long>(totals.failed), totals.simulated,
      wall, totals.simulated / wall, static_cast<double>(totals.events) / 1e6,
      static_cast<unsigned long long>(totals.acknowledged), static_cast<unsigned long long>(totals.reads),
      static_cast<unsigned long long>(totals.leaders), static_cast<unsigned long long>(totals.crashes),
      static_cast<unsigned long long>(totals.installs));
  return totals.failed == 0 ? 0 : 1;
}
