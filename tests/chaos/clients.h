// Clients of a cluster that record all that they ask and are told, for tests/model to judge: puts, deletes and range
// deletes, with and without conditions, linearizable, local and historical reads and lists, on a few keys that all of
// them share. Each client stays with a node while it is answered, and looks for another when it is not.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/harness/cluster.h"
#include "tests/model/history.h"

namespace tenaz::chaos {

struct ClientOptions {
  int clients = 6;
  int keys = 8;
  std::uint64_t seed = 1;
  std::chrono::milliseconds timeout{1000};         // of a request
  std::chrono::microseconds think_time_max{4000};  // between two requests of one client
};

class Clients {
 public:
  // Keys are `prefix` and a digit. Starts at once.
  Clients(const harness::Cluster& cluster, std::string prefix, const ClientOptions& options);
  ~Clients();

  void stop();
  std::uint64_t acknowledged() const { return acknowledged_; }  // writes
  // Until so many more writes than now are acknowledged.
  bool wait_progress(std::uint64_t writes, std::chrono::nanoseconds patience = harness::kPatience) const;

  // After stop(): each of these nodes is asked for everything, by a linearizable list and by one of its own state.
  // A test failure if it does not answer within the patience.
  void read_all(const std::vector<int>& nodes);
  // What was recorded, once. After stop().
  model::History take_history();

 private:
  class Client;

  const harness::Cluster& cluster_;
  const std::string prefix_;
  const ClientOptions options_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> acknowledged_{0};
  std::vector<std::thread> threads_;
  std::vector<model::History> histories_;
};

}  // namespace tenaz::chaos
