// tenaz-bench: the command line of the load generator.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/generator.h"
#include "bench/protocol.h"
#include "bench/report.h"

namespace {

using namespace tenaz::bench;

constexpr int kUsage = 2;  // exit code

struct Command {
  RunOptions run;
  ProtocolOptions protocol;
  std::vector<std::string> urls{"http://127.0.0.1:7480"};
  double duration_seconds = 0;
  double warmup_seconds = 0;
  double timeout_seconds = 10;
  std::string mix = "put=1";
  std::string spread = "even";
  bool etcd = false;
  bool json = false;
};

// "put=50,get=45,list=5". Empty: well formed.
std::string parse_mix(const std::string& text, std::array<unsigned, kOperations>& mix) {
  mix = {};
  for (const std::string& part : CLI::detail::split(text, ',')) {
    const auto equals = part.find('=');
    unsigned weight = 0;
    const bool number = equals != std::string::npos && CLI::detail::lexical_cast(part.substr(equals + 1), weight);
    bool known = false;
    for (std::size_t i = 0; number && i < kOperations; ++i) {
      if (part.substr(0, equals) != name_of(static_cast<Operation>(i))) continue;
      mix[i] = weight;
      known = true;
    }
    if (!known) return "'" + part + "' is not put=WEIGHT, get=WEIGHT or list=WEIGHT";
  }
  for (const unsigned weight : mix) {
    if (weight > 0) return {};
  }
  return "all weights are 0";
}

void declare(CLI::App& app, Command& c) {
  app.description(
      "Load generator for tenaz and for etcd's JSON gateway. Exit 0: ran, even if some requests failed (they are "
      "counted) or it was interrupted (what was measured until then is printed); 1: could not run; 2: wrong usage.");
  app.add_option("--endpoints", c.urls, "Nodes, as http://host:port")->delimiter(',')->capture_default_str();
  app.add_option("--spread", c.spread,
                 "Connections all to the leader (to others once it refuses), or evenly to all endpoints")
      ->check(CLI::IsMember({"leader", "even"}))
      ->capture_default_str();
  app.add_option("-c,--connections", c.run.connections, "Kept busy at once")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  auto* requests = app.add_option("-n,--requests", c.run.requests, "Stop after so many");
  auto* duration =
      app.add_option("-d,--duration", c.duration_seconds, "Stop after so many seconds (10 if nothing is said)");
  app.add_option("--warmup", c.warmup_seconds, "Seconds before measuring begins")->capture_default_str();
  app.add_option("--rate", c.run.rate, "Requests per second (open loop); latency counts from when each was due");
  app.add_option("--timeout", c.timeout_seconds, "Seconds to wait for one answer")->capture_default_str();
  app.add_option("--mix", c.mix, "Weights of the operations: put=50,get=45,list=5")->capture_default_str();
  app.add_option("--value-size", c.run.value_bytes, "Bytes of a value; random, so that nothing compresses them")
      ->check(CLI::Range(0, 64 << 20))
      ->capture_default_str();
  app.add_option("--keys", c.run.keys, "Number of different keys")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--key-prefix", c.protocol.key_prefix, "Before each key's number: letters, digits, - _ . ~ /")
      ->check([](const std::string& prefix) {
        const bool plain =
            prefix.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~/") ==
            std::string::npos;
        return !prefix.empty() && plain ? std::string() : std::string("must be a plain, non-empty word");
      })
      ->capture_default_str();
  const std::map<std::string, Distribution> distributions{
      {"uniform", Distribution::uniform}, {"zipf", Distribution::zipf}, {"sequential", Distribution::sequential}};
  app.add_option("--distribution", c.run.distribution, "uniform, zipf or sequential")
      ->transform(CLI::CheckedTransformer(distributions));
  app.add_option("--zipf-exponent", c.run.zipf_exponent, "Skew of zipf")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--consistency", c.protocol.consistency, "Of gets and lists; the server's default if nothing is said")
      ->check(CLI::IsMember({"linearizable", "local"}));
  app.add_option("--list-limit", c.run.list_limit, "Keys per list")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_flag("--load", c.run.load, "Put every key once, in order, and again those that failed; then stop")
      ->excludes(requests)
      ->excludes(duration);
  app.add_flag("--etcd", c.etcd, "Speak to etcd's JSON gateway (/v3/kv)");
  app.add_flag("--json", c.json, "Print one JSON object");
  app.add_option("--seed", c.run.seed, "Of keys, values and operations")->capture_default_str();
}

std::chrono::nanoseconds from_seconds(double seconds) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
}

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

// The first one ends the run, and what was measured until then is printed; a second one kills.
void end_by_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

int run_command(Command& c) {
  if (c.run.requests == 0 && c.duration_seconds <= 0 && !c.run.load) c.duration_seconds = 10;
  c.run.duration = from_seconds(c.duration_seconds);
  c.run.warmup = from_seconds(c.warmup_seconds);
  c.run.timeout = from_seconds(c.timeout_seconds);
  c.protocol.list_limit = c.run.list_limit;
  std::vector<Endpoint> endpoints;
  for (const std::string& url : c.urls) {
    const auto endpoint = parse_endpoint(url);
    if (!endpoint) throw std::invalid_argument("not an address: " + url);
    endpoints.push_back(*endpoint);
  }
  const auto protocol = c.etcd ? etcd_protocol(c.protocol) : tenaz_protocol(c.protocol);
  if (c.spread == "leader") {
    c.run.even = false;
    const auto is_leader = [leader =
                                find_leader(*protocol, endpoints, std::chrono::seconds(10))](const Endpoint& other) {
      return other.host == leader.host && other.port == leader.port;
    };
    std::partition(endpoints.begin(), endpoints.end(), is_leader);
  }
  end_by_signals();
  c.run.stop = &stop;
  const Report report = run(c.run, *protocol, endpoints);
  std::fputs((c.json ? as_json(report) + "\n" : as_text(report)).c_str(), stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Command command;
  CLI::App app;
  declare(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  const std::string fault = parse_mix(command.mix, command.run.mix);
  if (!fault.empty()) {
    std::fprintf(stderr, "tenaz-bench: --mix: %s\n", fault.c_str());
    return kUsage;
  }
  try {
    return run_command(command);
  } catch (const std::invalid_argument& e) {
    std::fprintf(stderr, "tenaz-bench: %s\n", e.what());
    return kUsage;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "tenaz-bench: %s\n", e.what());
    return 1;
  }
}
