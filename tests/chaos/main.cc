// tenaz-chaos: chaos runs for as long as you like, and the table of outages. Exit 0: all went well; 1: a failure, which
// is printed with the command that repeats it; 2: usage; 3: not possible here.
#include <gtest/gtest.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <random>

#include "tests/chaos/chaos.h"
#include "tests/chaos/scenarios.h"

namespace {

using namespace tenaz::chaos;
namespace json = boost::json;

struct Arguments {
  std::uint64_t seed = std::random_device()();
  int nodes = 0;  // 0: as is usual
  double minutes = 0;
  std::uint64_t rounds = 0;
  std::vector<std::string> faults;
  std::string scenario;
  int repeat = 5;
  int lasting_ms = 3000;
  std::vector<std::string> settings;
  bool as_json = false;
  bool list = false;
};

// The machine, and how busy it is.
json::object circumstances() {
  json::object out;
  utsname system{};
  ::uname(&system);
  out["kernel"] = system.release;
  out["cores"] = ::sysconf(_SC_NPROCESSORS_ONLN);
  std::ifstream cpu("/proc/cpuinfo");
  for (std::string line; std::getline(cpu, line);) {
    if (line.starts_with("model name")) {
      out["cpu"] = line.substr(line.find(':') + 2);
      break;
    }
  }
  std::ifstream load("/proc/loadavg");
  double one = 0;
  load >> one;
  out["load_average"] = one;
  char date[32];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", std::gmtime(&now));
  out["date"] = date;
  return out;
}

// Of --set; checked before.
tenaz::harness::Settings settings_of(const Arguments& arguments) {
  tenaz::harness::Settings settings;
  for (const std::string& each : arguments.settings)
    settings[each.substr(0, each.find('='))] = each.substr(each.find('=') + 1);
  return settings;
}

std::string text_of(const json::object& circumstances) {
  char load[32];
  std::snprintf(load, sizeof load, "%.1f", circumstances.at("load_average").as_double());
  const json::value* cpu = circumstances.if_contains("cpu");
  return std::to_string(circumstances.at("cores").to_number<int>()) + " cores (" +
         (cpu == nullptr ? "unknown" : std::string(cpu->as_string())) + "), Linux " +
         std::string(circumstances.at("kernel").as_string()) + ", " +
         std::string(circumstances.at("date").as_string()) + ", load average " + load;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// One line of the table.
struct Row {
  const Scenario* scenario;
  int nodes;
  std::vector<Measured> runs;

  bool as_it_should_be() const {
    return std::all_of(runs.begin(), runs.end(), [](const Measured& run) { return run.taken && run.blocked == 0; });
  }

  json::object to_json() const {
    json::array all;
    for (const Measured& run : runs)
      all.push_back({{"taken", run.taken},
                     {"outage_ms", run.outage_ms},
                     {"terms", run.terms},
                     {"serving", run.serving},
                     {"blocked", run.blocked}});
    return {{"scenario", scenario->name}, {"nodes", nodes}, {"runs", std::move(all)}};
  }

  void print() const {
    std::vector<double> outages;
    std::uint64_t terms = 0;
    int serving = nodes;
    for (const Measured& run : runs) {
      outages.push_back(run.outage_ms);
      terms = std::max(terms, run.terms);
      serving = std::min(serving, run.serving);
    }
    std::printf("| %s: %s | %d | %.0f | %.0f | %llu | %d |%s\n", scenario->name, scenario->what, nodes, median(outages),
                *std::max_element(outages.begin(), outages.end()), static_cast<unsigned long long>(terms), serving,
                as_it_should_be() ? "" : " not as it should be");
    std::fflush(stdout);
  }
};

int run_scenarios(const Arguments& arguments) {
  std::vector<const Scenario*> wanted;
  for (const Scenario& each : scenarios())
    if (arguments.scenario == "all" || arguments.scenario == each.name) wanted.push_back(&each);
  const json::object before = circumstances();
  if (!arguments.as_json)
    std::printf(
        "%s\n\n| situation | nodes | outage of writes, median of %d, ms | worst, ms | terms passed, at most | nodes "
        "that "
        "take writes, at least |\n|---|---|---|---|---|---|\n",
        text_of(before).c_str(), arguments.repeat);
  json::array rows;
  bool all_well = true;
  for (const Scenario* scenario : wanted) {
    for (const int nodes : scenario->nodes) {
      if (arguments.nodes != 0 && arguments.nodes != nodes) continue;
      GroundOptions options;
      options.nodes = nodes;
      options.seed = arguments.seed;
      options.preload = scenario->preload;
      options.settings = settings_of(arguments);
      Ground ground(options);
      if (!ground.possible()) {
        std::cerr << "not possible here: " << ground.why_not() << "\n";
        return 3;
      }
      ground.cluster().start_all();
      Row row{scenario, nodes, {}};
      for (int i = 0; i < arguments.repeat && !::testing::Test::HasFailure(); ++i)
        row.runs.push_back(measure(ground, *scenario, std::chrono::milliseconds(arguments.lasting_ms)));
      if (::testing::Test::HasFailure()) return 1;
      all_well &= row.as_it_should_be();
      if (arguments.as_json)
        rows.push_back(row.to_json());
      else
        row.print();
    }
  }
  const json::object after = circumstances();
  if (arguments.as_json)
    std::puts(json::serialize(json::object{{"before", before}, {"after", after}, {"rows", std::move(rows)}}).c_str());
  else
    std::printf("\nAt the end: %s\n", text_of(after).c_str());
  return all_well ? 0 : 1;
}

int run_chaos(const Arguments& arguments) {
  Plan plan;
  plan.nodes = arguments.nodes == 0 ? plan.nodes : arguments.nodes;
  plan.seed = arguments.seed;
  plan.faults = arguments.faults;
  plan.settings = settings_of(arguments);
  plan.rounds = arguments.rounds;
  plan.time = std::chrono::seconds(static_cast<long>(arguments.minutes * 60));
  if (plan.rounds == 0 && plan.time.count() == 0) plan.rounds = 20;
  std::cout << "again with: " << command(plan) << std::endl;
  const Report report = run(plan);
  if (!report.skipped.empty()) {
    std::cerr << "not possible here: " << report.skipped << "\n";
    return 3;
  }
  std::cout << report.rounds << " rounds, " << report.operations << " operations judged (" << report.unknown
            << " of unknown outcome), " << report.writes << " writes acknowledged\nfaults:";
  for (const auto& [name, times] : report.faults) std::cout << " " << name << " " << times;
  std::cout << std::endl;
  if (!::testing::Test::HasFailure()) return 0;
  std::cout << "FAILED; again with: " << command(plan) << std::endl;
  return 1;
}

void print_lists() {
  std::puts("faults:");
  for (const FaultKind& kind : fault_kinds()) std::printf("  %-20s %s\n", kind.name, kind.what);
  std::puts("scenarios:");
  for (const Scenario& each : scenarios()) std::printf("  %-20s %s\n", each.name, each.what);
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest();  // not of the arguments: --help is about this program
  Arguments arguments;
  CLI::App app{"Hurts a cluster of real processes at random, and judges what its clients saw; or measures outages."};
  app.add_option("--minutes", arguments.minutes, "How long; default: 20 rounds");
  app.add_option("--rounds", arguments.rounds, "How many rounds at least");
  app.add_option("--seed", arguments.seed, "Picks the faults; default: by chance, printed");
  app.add_option("--nodes", arguments.nodes, "Default: 5; scenarios: as each is meant")->check(CLI::Range(1, 7));
  app.add_option("--faults", arguments.faults, "Names, separated by commas; default: all")->delimiter(',');
  app.add_option("--scenario", arguments.scenario, "Measures this one, or \"all\", and prints a table of outages");
  app.add_option("--repeat", arguments.repeat, "How often each")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--lasting", arguments.lasting_ms, "Milliseconds that each is watched")->capture_default_str();
  app.add_option("--set", arguments.settings, "section.key=VALUE of the nodes' configuration, VALUE as in TOML");
  app.add_flag("--json", arguments.as_json, "The table as JSON, with every run");
  app.add_flag("--list", arguments.list, "Names of faults and scenarios, and exit");
  try {
    app.parse(argc, argv);
    for (const std::string& name : arguments.faults)
      if (find_fault_kind(name) == nullptr) throw CLI::ValidationError("--faults", "there is no fault " + name);
    for (const std::string& each : arguments.settings)
      if (each.find('=') == std::string::npos || each.find('.') > each.find('='))
        throw CLI::ValidationError("--set", each + " is not section.key=VALUE");
    if (!arguments.scenario.empty() && arguments.scenario != "all" && find_scenario(arguments.scenario) == nullptr)
      throw CLI::ValidationError("--scenario", "there is no scenario " + arguments.scenario);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (arguments.list) {
    print_lists();
    return 0;
  }
  try {
    return arguments.scenario.empty() ? run_chaos(arguments) : run_scenarios(arguments);
  } catch (const std::exception& error) {
    std::cerr << "FAILED: " << error.what() << std::endl;
    return 1;
  }
}
