// tenaz-outage: how long writes fail when something happens to the leader. Starts a cluster of real processes, keeps
// one writer busy at each node, strikes the leader, and measures the longest time for which none of the other nodes
// acknowledged a write. Over and over, on the same cluster; prints each outage and a summary, in milliseconds.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/harness/cluster.h"

namespace tenaz::harness {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Arguments {
  std::string fault = "disk-stall";
  int nodes = 3;
  int repeats = 10;
  milliseconds lasting{5000};
  Settings settings;
};

int usage() {
  std::fputs(
      "usage: tenaz-outage [--fault disk-stall|kill|pause|transfer|none] [--nodes N] [--repeats K] [--lasting MS]\n"
      "                    [--set section.key=VALUE]...\n"
      "  disk-stall  the leader's syncs do not return for --lasting\n"
      "  kill        kill -9, started again after --lasting\n"
      "  pause       SIGSTOP for --lasting\n"
      "  transfer    POST /v1/leadership\n",
      stderr);
  return 2;
}

// Writes at one node without a pause, and notes when each was acknowledged.
class Writer {
 public:
  Writer(const Cluster& cluster, int node) : cluster_(cluster), node_(node), thread_([this] { run(); }) {}
  ~Writer() {
    stop_ = true;
    thread_.join();
  }

  std::vector<Clock::time_point> acknowledged() const {
    const std::lock_guard lock(mutex_);
    return acknowledged_;
  }

 private:
  void run() {
    HttpClient client(cluster_.http_address(node_), std::chrono::seconds(10));
    const std::string target = "/v1/kv/outage/" + std::to_string(node_) + "?timeout=2s";
    for (std::uint64_t n = 0; !stop_; ++n) {
      const auto answer = client.request("PUT", target, std::to_string(n));
      if (answer && (answer->status == 200 || answer->status == 201)) {
        const std::lock_guard lock(mutex_);
        acknowledged_.push_back(Clock::now());
      } else {
        std::this_thread::sleep_for(milliseconds(5));
      }
    }
  }

  const Cluster& cluster_;
  const int node_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<Clock::time_point> acknowledged_;
  std::thread thread_;
};

void strike(Cluster& cluster, const Arguments& arguments, int leader) {
  if (arguments.fault == "disk-stall") cluster.control(leader).stall_syncs();
  if (arguments.fault == "kill") cluster.kill(leader);
  if (arguments.fault == "pause") cluster.pause(leader);
  if (arguments.fault == "transfer")
    cluster.request(leader, "POST", "/v1/leadership", "{}", {{"Content-Type", "application/json"}});
}

void undo(Cluster& cluster, const Arguments& arguments, int leader) {
  if (arguments.fault == "disk-stall") cluster.control(leader).free_syncs();
  if (arguments.fault == "kill") cluster.start(leader);
  if (arguments.fault == "pause") cluster.resume(leader);
}

// The longest time without an acknowledgement in [begin, end].
double longest_gap(std::vector<Clock::time_point> times, Clock::time_point begin, Clock::time_point end) {
  times.push_back(end);
  std::sort(times.begin(), times.end());
  Clock::time_point last = begin;
  Clock::duration longest{};
  for (const auto at : times) {
    if (at < begin || at > end) continue;
    longest = std::max(longest, at - last);
    last = at;
  }
  return std::chrono::duration<double, std::milli>(longest).count();
}

// Nothing: no leader, or no writes to begin with.
std::optional<double> measure(Cluster& cluster, const Arguments& arguments) {
  const int leader = cluster.wait_leader();
  if (leader == 0) return std::nullopt;
  for (const int id : cluster.ids())
    if (!cluster.wait_caught_up(id, leader)) return std::nullopt;
  std::vector<std::unique_ptr<Writer>> writers;
  for (const int id : cluster.ids()) writers.push_back(std::make_unique<Writer>(cluster, id));
  for (const auto& writer : writers)
    if (!eventually([&] { return writer->acknowledged().size() > 50; })) return std::nullopt;
  const auto begin = Clock::now();
  strike(cluster, arguments, leader);
  std::this_thread::sleep_until(begin + arguments.lasting);
  const auto end = Clock::now();
  undo(cluster, arguments, leader);
  std::vector<Clock::time_point> times;
  for (const int id : cluster.ids()) {
    if (id == leader) continue;
    const auto more = writers[static_cast<std::size_t>(id - 1)]->acknowledged();
    times.insert(times.end(), more.begin(), more.end());
  }
  return longest_gap(std::move(times), begin, end);
}

int repeat(const Arguments& arguments) {
  Cluster cluster(arguments.nodes, arguments.settings, "outage");
  cluster.prepare_controls();
  cluster.start_all();
  std::vector<double> outages;
  for (int turn = 1; turn <= arguments.repeats; ++turn) {
    const auto outage = measure(cluster, arguments);
    if (!outage) {
      std::fprintf(stderr, "turn %d: the cluster does not take writes\n", turn);
      return 1;
    }
    std::printf("%s %d: %.0f ms\n", arguments.fault.c_str(), turn, *outage);
    std::fflush(stdout);
    outages.push_back(*outage);
  }
  std::sort(outages.begin(), outages.end());
  std::printf("%s of the leader, %d nodes, %zu times: outage of writes min %.0f, median %.0f, max %.0f ms\n",
              arguments.fault.c_str(), arguments.nodes, outages.size(), outages.front(), outages[outages.size() / 2],
              outages.back());
  return 0;
}

}  // namespace
}  // namespace tenaz::harness

int main(int argc, char** argv) {
  tenaz::harness::Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--fault") {
      arguments.fault = value;
    } else if (name == "--nodes") {
      arguments.nodes = std::atoi(value.c_str());
    } else if (name == "--repeats") {
      arguments.repeats = std::atoi(value.c_str());
    } else if (name == "--lasting") {
      arguments.lasting = std::chrono::milliseconds(std::atoi(value.c_str()));
    } else if (const auto equals = value.find('='); name == "--set" && equals != std::string::npos) {
      arguments.settings[value.substr(0, equals)] = value.substr(equals + 1);
    } else {
      return tenaz::harness::usage();
    }
  }
  constexpr const char* kFaults[] = {"disk-stall", "kill", "pause", "transfer", "none"};
  const bool known = std::find(std::begin(kFaults), std::end(kFaults), arguments.fault) != std::end(kFaults);
  if (argc % 2 == 0 || !known || arguments.nodes < 2 || arguments.repeats < 1 || arguments.lasting.count() < 1)
    return tenaz::harness::usage();
  return tenaz::harness::repeat(arguments);
}
