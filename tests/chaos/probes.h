// Writers that never stop asking, two at each node, so that it is seen when the cluster took writes and through whom.
// Timings are of this machine, under whatever else it does.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "tests/chaos/recorder.h"
#include "tests/integration/harness/cluster.h"

namespace tenaz::chaos {

class Probes {
 public:
  explicit Probes(const harness::Cluster& cluster);
  ~Probes();
  void stop();

  // Times are those of now(). A write counts for the time at which it was acknowledged, if it was asked for at or after
  // `since`.
  std::uint64_t count(model::Time since) const;
  // The longest time without any, from `since` to `until`.
  model::Time longest_gap(model::Time since, model::Time until) const;
  // Through which nodes.
  std::set<int> through(model::Time since) const;

 private:
  struct Acknowledged {
    model::Time called;
    model::Time answered;
    int node;
  };

  void probe(int node, int number);

  const harness::Cluster& cluster_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<Acknowledged> acknowledged_;
  std::vector<std::thread> threads_;
};

}  // namespace tenaz::chaos
