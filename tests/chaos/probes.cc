#include "tests/chaos/probes.h"

#include <algorithm>

namespace tenaz::chaos {

namespace {

constexpr std::chrono::milliseconds kTimeout(300);  // of a write
constexpr std::chrono::milliseconds kPause(4);      // between two
constexpr int kPerNode = 2;

}  // namespace

Probes::Probes(const harness::Cluster& cluster) : cluster_(cluster) {
  for (const int node : cluster.ids()) {
    for (int number = 0; number < kPerNode; ++number)
      threads_.emplace_back([this, node, number] { probe(node, number); });
  }
}

Probes::~Probes() {
  stop();
}

void Probes::stop() {
  stop_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Probes::probe(int node, int number) {
  std::optional<Recorder> recorder;
  for (std::uint64_t n = 0; !stop_; ++n) {
    if (!recorder) recorder.emplace(cluster_.http_address(node), kTimeout);
    model::Operation write;
    write.kind = model::Kind::put;
    write.key = "probe/" + std::to_string(node) + "/" + std::to_string(number);
    write.value = std::to_string(n);
    recorder->perform(write);
    if (write.outcome == model::Outcome::done) {
      const std::lock_guard lock(mutex_);
      acknowledged_.push_back({write.called, write.answered, node});
    } else {
      recorder.reset();
    }
    std::this_thread::sleep_for(kPause);
  }
}

std::uint64_t Probes::count(model::Time since) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint64_t>(std::count_if(acknowledged_.begin(), acknowledged_.end(),
                                                  [since](const auto& each) { return each.called >= since; }));
}

model::Time Probes::longest_gap(model::Time since, model::Time until) const {
  std::vector<model::Time> times{since, until};
  {
    const std::lock_guard lock(mutex_);
    for (const Acknowledged& each : acknowledged_) {
      if (each.called >= since && each.answered <= until) times.push_back(each.answered);
    }
  }
  std::sort(times.begin(), times.end());
  model::Time longest = 0;
  for (std::size_t i = 1; i < times.size(); ++i) longest = std::max(longest, times[i] - times[i - 1]);
  return longest;
}

std::set<int> Probes::through(model::Time since) const {
  const std::lock_guard lock(mutex_);
  std::set<int> nodes;
  for (const Acknowledged& each : acknowledged_) {
    if (each.called >= since) nodes.insert(each.node);
  }
  return nodes;
}

}  // namespace tenaz::chaos
