// tenaz-sim: runs seeds of the simulation, replays and shrinks failures. Exit 0: all went well; 1: a run failed; 2:
// usage.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "tests/sim/connectivity.h"
#include "tests/sim/current_run.h"
#include "tests/sim/shrink.h"
#include "tests/sim/simulation.h"
#include "tests/sim/totals.h"

namespace {

using namespace tenaz::sim;

int usage() {
  std::fprintf(stderr, R"(usage: tenaz-sim --seeds N [--from S] [--storage real] [--keep-going] [--table]
           runs N seeds from S (default 1) on; stops at the first failure unless told otherwise
           --table: how often each kind of fault struck
       tenaz-sim --seed S [CHANGES] [--trace] [--fingerprint] [--shrink]
           one run; --trace writes what happens to stdout; --fingerprint prints a number that stands for all of it;
           --shrink looks for a smaller run that fails in the same way
       tenaz-sim --scenario NAME [--nodes N] [--seeds N] [--from S] | --scenario NAME --seed S [--nodes N] [--trace]
           partial connectivity: how long until writes are accepted again, and the longest pause afterwards.
           NAME: one of those below, or all; N nodes: 3, 5 or 7 (default: 3 and 5)
CHANGES (as printed by a failure or by --shrink):
           --nodes N        another size of the cluster
           --skip 3,5-9     without these faults
           --calm NAME,...  without loss, delays, duplicates, reorder, breaks, slow-syncs, no-images, clock-drift,
                            small-limits
           --until-ms N     faults and clients end then
           --salt N         other draws of everything but the scenario and its faults
           --storage real   production storage on a file system in memory, beside the model of a disk; or model
)");
  for (const Connectivity& each : connectivities()) std::fprintf(stderr, "%-20s %s\n", each.name, each.story);
  return 2;
}

struct Request {
  std::uint64_t from = 1;
  std::uint64_t seeds = 0;
  bool one = false;
  bool trace = false;
  bool fingerprint = false;
  bool shrink = false;
  bool keep_going = false;
  bool table = false;
  std::string scenario;
  Changes changes;
};

bool parse(int argc, char** argv, Request& request) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    const auto flag = [&name](const char* its_name, bool& which) { return name == its_name && (which = true); };
    if (flag("--trace", request.trace) || flag("--keep-going", request.keep_going) || flag("--table", request.table) ||
        flag("--fingerprint", request.fingerprint) || flag("--shrink", request.shrink))
      continue;
    ++i;
    if (name == "--seed" || name == "--seeds" || name == "--from") {
      char* end = nullptr;
      const std::uint64_t number = std::strtoull(value.c_str(), &end, 10);
      if (value.empty() || *end != 0) return false;
      (name == "--seeds" ? request.seeds : request.from) = number;
      request.one |= name == "--seed";
    } else if (name == "--scenario") {
      request.scenario = value;
      if (value != "all" && !is_connectivity(value)) return false;
    } else if (value.empty() || !parse_option(name, value, request.changes)) {
      return false;
    }
  }
  if (!request.scenario.empty() && request.seeds == 0) request.seeds = request.one ? 1 : 1000;
  return !request.scenario.empty() || request.one != (request.seeds > 0);
}

// Of the processor: other work on the machine makes the simulator no slower by this measure.
double seconds_since(std::clock_t begin) {
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

void print_failure(std::uint64_t seed, const Changes& changes, const Report& report) {
  std::fflush(stdout);
  std::fprintf(stderr, "seed %llu (%zu nodes) fails %s\nagain: %s\n", static_cast<unsigned long long>(seed),
               report.nodes, report.failure.c_str(), replay_command(seed, changes).c_str());
}

int run(const Request& request) {
  const auto begin = std::clock();
  Totals totals;
  const std::uint64_t count = request.one ? 1 : request.seeds;
  for (std::uint64_t seed = request.from; seed < request.from + count; ++seed) {
    set_current_run(replay_command(seed, request.changes));
    const Report report = simulate(seed, request.changes, request.trace ? stdout : nullptr);
    totals.add(report);
    if (request.fingerprint) std::printf("%016llx\n", static_cast<unsigned long long>(report.fingerprint));
    if (report.failure.empty()) continue;
    print_failure(seed, request.changes, report);
    if (!request.keep_going) break;
  }
  if (!request.fingerprint) std::printf("%s", summary(totals, seconds_since(begin)).c_str());
  if (request.table) std::printf("%s", fault_table(totals).c_str());
  return totals.failed == 0 ? 0 : 1;
}

int shrink_one(const Request& request) {
  const std::uint64_t seed = request.from;
  set_current_run(replay_command(seed, request.changes));
  const Shrunk shrunk = shrink(
      request.changes, [seed](const Changes& changes) { return run_apart(seed, changes); },
      [seed](const Changes& changes) {
        std::fprintf(stderr, "still fails: %s\n", replay_command(seed, changes).c_str());
      });
  if (shrunk.ending.kind.empty()) {
    std::printf("seed %llu does not fail\n", static_cast<unsigned long long>(seed));
    return 0;
  }
  std::printf("fails %s\nafter %llu attempts, the smallest: %s\n", shrunk.ending.failure.c_str(),
              static_cast<unsigned long long>(shrunk.attempts), replay_command(seed, shrunk.changes).c_str());
  return 1;
}

struct Times {
  std::vector<double> seconds;

  void add(const std::optional<tenaz::raft::Duration>& time) {
    if (time) seconds.push_back(std::chrono::duration<double>(*time).count());
  }
  std::string text() {
    if (seconds.empty()) return "never";
    char line[96];
    std::snprintf(line, sizeof line, "p50 %.3f s, p99 %.3f s, max %.3f s", percentile(seconds, 50),
                  percentile(seconds, 99), percentile(seconds, 100));
    return line;
  }
};

bool run_scenario(const Request& request, const std::string& name, std::size_t nodes) {
  Times recoveries, gaps, by_one_link;
  bool well = true;
  for (std::uint64_t seed = request.from; seed < request.from + request.seeds; ++seed) {
    const std::string again = "tenaz-sim --scenario " + name + " --nodes " + std::to_string(nodes) + " --seed " +
                              std::to_string(seed) + " --trace";
    set_current_run(again);
    const ConnectivityOutcome outcome = run_connectivity(name, nodes, seed, request.trace ? stdout : nullptr);
    recoveries.add(outcome.recovery);
    if (outcome.recovery) gaps.add(outcome.longest_gap);
    by_one_link.add(outcome.recovery_by_one_link);
    if (request.fingerprint) std::printf("%016llx\n", static_cast<unsigned long long>(outcome.fingerprint));
    if (outcome.failure.empty()) continue;
    well = false;
    std::fprintf(stderr, "%s, %zu nodes, seed %llu fails %s\nagain: %s\n", name.c_str(), nodes,
                 static_cast<unsigned long long>(seed), outcome.failure.c_str(), again.c_str());
    if (!request.keep_going) break;
  }
  if (request.fingerprint) return well;
  std::printf("%-18s %zu nodes, %llu seeds, %zu recover: %s", name.c_str(), nodes,
              static_cast<unsigned long long>(request.seeds), recoveries.seconds.size(), recoveries.text().c_str());
  if (!recoveries.seconds.empty()) std::printf("; longest pause afterwards %s", gaps.text().c_str());
  if (!by_one_link.seconds.empty()) std::printf("; after one link has healed %s", by_one_link.text().c_str());
  std::printf("\n");
  return well;
}

int run_scenarios(const Request& request) {
  bool well = true;
  std::vector<std::size_t> sizes = {3, 5};
  if (request.changes.nodes != 0) sizes = {request.changes.nodes};
  for (const Connectivity& each : connectivities())
    if (request.scenario == "all" || request.scenario == each.name)
      for (const std::size_t nodes : sizes) well &= run_scenario(request, each.name, nodes);
  return well ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Request request;
  if (!parse(argc, argv, request)) return usage();
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // whoever waits for hours behind a pipe sees how far it is
  announce_run_on_abort();
  if (!request.scenario.empty()) return run_scenarios(request);
  return request.shrink ? shrink_one(request) : run(request);
}
