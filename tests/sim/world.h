// What all parts of a simulation share: the virtual clock, the queue of events, the first failure, the trace.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "raft/types.h"
#include "tests/sim/random.h"

namespace tenaz::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

enum class EventKind : std::uint8_t {
  // To a replica; they wait while its process is paused.
  deliver,
  unreachable,
  persisted,
  log_compacted,
  applied,
  durable_state,
  image,
  installed,
  install_failed,
  tick,
  carry_out,
  read_state,
  // To a node's disk and applier.
  log_synced,
  apply_step,
  flush_begun,
  flush_done,
  install_fetched,
  state_wanted,
  identity_written,
  end_of_process,
  // To the rest.
  reconnect,
  connection_break,
  client,
  call_check,
  give_up,
  fault,
  fault_goes_on,
  flap,
  restart,
};

struct Event {
  raft::Instant at{};
  std::uint64_t order = 0;
  std::uint64_t number = 0;
  std::uint32_t life = 0;  // of the node's process; an event of an earlier one is dropped
  std::uint32_t slot = 0;
  EventKind kind = EventKind::fault;
  std::uint8_t node = 0;  // counted from 0
  std::uint8_t peer = 0;
  std::uint8_t lane = 0;
};

// Values that an event refers to, reused without going back to the heap.
template <class T>
class Slab {
 public:
  std::uint32_t put(T value) {
    if (free_.empty()) {
      values_.push_back(std::move(value));
      return static_cast<std::uint32_t>(values_.size() - 1);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    values_[slot] = std::move(value);
    return slot;
  }
  T take(std::uint32_t slot) {
    free_.push_back(slot);
    return std::move(values_[slot]);
  }
  const T& peek(std::uint32_t slot) const { return values_[slot]; }

 private:
  std::vector<T> values_;
  std::vector<std::uint32_t> free_;
};

// Ordered by (time, order of posting): nothing else decides what happens next.
class World {
 public:
  // `salt`: gives the same scenario and faults another course (Changes::salt).
  World(std::uint64_t seed, std::uint64_t salt, std::FILE* trace)
      : seed_(seed), salted_(salt == 0 ? seed : mix(seed ^ mix(salt))), trace_(trace) {}

  raft::Instant now() const { return now_; }
  raft::Duration since_start() const { return now_ - raft::Instant(seconds(1)); }
  // For what the run is made of, and for what happens in it.
  std::uint64_t seed() const { return seed_; }
  std::uint64_t salted_seed() const { return salted_; }
  std::uint64_t events() const { return order_; }

  void post(raft::Duration after, Event event) { post_at(now_ + after, event); }
  void post_at(raft::Instant at, Event event) {
    event.at = std::max(at, now_);
    event.order = ++order_;
    queue_.push(event);
  }
  bool idle() const { return queue_.empty(); }
  // The next event; the clock moves to it.
  Event take() {
    const Event event = queue_.top();
    queue_.pop();
    now_ = event.at;
    return event;
  }
  // Nothing happens until then.
  void rest_until(raft::Instant at) { now_ = std::max(now_, at); }
  raft::Instant next_at() const { return queue_.top().at; }

  // The first failure stands; the run ends after the event at hand.
  void fail(std::string what) {
    if (!failure_.empty()) return;
    failure_ = "at " + stamp() + ": " + std::move(what);
    note("FAILURE: " + failure_);
  }
  bool failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }

  bool tracing() const { return trace_ != nullptr; }
  void note(const std::string& line) const {
    if (trace_) std::fprintf(trace_, "%s %s\n", stamp().c_str(), line.c_str());
  }
  // Folds something that must be the same in every run of this seed into a fingerprint.
  void remember(std::uint64_t value) { fingerprint_ = mix(fingerprint_ ^ value) + 0x9e3779b97f4a7c15u; }
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  struct Later {
    bool operator()(const Event& a, const Event& b) const { return a.at != b.at ? a.at > b.at : a.order > b.order; }
  };
  std::string stamp() const {
    const auto us = now_.time_since_epoch().count() / 1000;
    char text[40];
    std::snprintf(text, sizeof text, "%lld.%06llds", static_cast<long long>(us / 1'000'000),
                  static_cast<long long>(us % 1'000'000));
    return text;
  }

  std::uint64_t seed_;
  std::uint64_t salted_;
  std::FILE* trace_;
  raft::Instant now_{seconds(1)};
  std::uint64_t order_ = 0;
  std::uint64_t fingerprint_ = 0;
  std::priority_queue<Event, std::vector<Event>, Later> queue_;
  std::string failure_;
};

inline std::string node_name(std::size_t node) {
  return "n" + std::to_string(node + 1);
}
inline raft::NodeId node_id(std::size_t node) {
  return raft::NodeId(node + 1);
}
inline std::size_t node_of(raft::NodeId id) {
  return static_cast<std::size_t>(id.value - 1);
}

}  // namespace tenaz::sim
