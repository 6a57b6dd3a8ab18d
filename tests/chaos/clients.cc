#include "tests/chaos/clients.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "tests/chaos/recorder.h"

namespace tenaz::chaos {

using harness::Cluster;
using harness::eventually;
using model::Guard;
using model::History;
using model::Kind;
using model::Operation;
using model::Outcome;

namespace {

constexpr std::uint64_t kReader = 1000;  // numbers of readers begin here
constexpr std::chrono::nanoseconds kAvoid = std::chrono::seconds(2);

}  // namespace

class Clients::Client {
 public:
  Client(Clients& all, std::uint64_t number)
      : all_(all),
        number_(number),
        random_(all.options_.seed * 1000 + number),
        node_(static_cast<int>(number) % all.cluster_.size() + 1),
        avoided_until_(static_cast<std::size_t>(all.cluster_.size())),
        known_(static_cast<std::size_t>(all.options_.keys)) {}

  void run(History& history) {
    while (!all_.stop_) {
      Operation operation = draw();
      const bool past = operation.any_time && operation.least_revision == 0;
      const std::uint64_t at = past ? seen_ - below(std::min<std::uint64_t>(seen_, 40)) : 0;
      act(operation, at, history);
      std::this_thread::sleep_for(
          std::chrono::microseconds(below(static_cast<std::uint64_t>(all_.options_.think_time_max.count()) + 1)));
    }
  }

 private:
  std::uint64_t below(std::uint64_t n) { return n == 0 ? 0 : random_() % n; }

  std::string key(std::uint64_t index) const { return all_.prefix_ + std::to_string(index); }
  std::size_t index_of(const std::string& key) const { return std::stoul(key.substr(all_.prefix_.size())); }

  Operation draw() {
    Operation operation;
    operation.client = number_;
    operation.key = key(below(known_.size()));
    const std::uint64_t kind = below(100);
    if (kind < 40) {
      operation.kind = Kind::put;
      operation.value = std::to_string(number_) + "-" + std::to_string(++values_);
      guard(operation);
    } else if (kind < 48) {
      operation.kind = Kind::remove;
      guard(operation);
    } else if (kind < 50) {
      operation.kind = Kind::remove_range;
      operation.range_end = operation.key + "~";
    } else if (kind < 85) {
      operation.kind = Kind::get;
      draw_freshness(operation);
    } else {
      operation.kind = Kind::list;
      operation.key = all_.prefix_;
      operation.range_end = all_.prefix_ + "~";
      draw_freshness(operation);
    }
    return operation;
  }

  void guard(Operation& operation) {
    switch (below(6)) {
      case 0:
        operation.guard = Guard::must_exist;
        break;
      case 1:
        if (operation.kind == Kind::put) operation.guard = Guard::must_not_exist;
        break;
      case 2:
      case 3:
        operation.expected = known_[index_of(operation.key)];
        if (operation.expected != 0) operation.guard = Guard::mod_revision;
        break;
      default:
        break;
    }
  }

  // Linearizable mostly; local and never going back for this client, whichever node it asks; or a state of the past.
  void draw_freshness(Operation& operation) {
    const std::uint64_t kind = below(10);
    if (kind < 6 || seen_ == 0) return;
    operation.any_time = true;
    if (kind < 9) operation.least_revision = seen_;
  }

  // With its own node mostly, now and then with another, just this once. One that did not answer is left alone for a
  // while, or all clients would wait for the same dead node all the time.
  void act(Operation& operation, std::uint64_t at, History& history) {
    const int asked = below(6) == 0 ? other_node() : node_;
    std::optional<Recorder> visit;
    if (asked != node_) visit.emplace(all_.cluster_.http_address(asked), all_.options_.timeout);
    if (!visit && !home_) home_ = std::make_unique<Recorder>(all_.cluster_.http_address(node_), all_.options_.timeout);
    Recorder& recorder = visit ? *visit : *home_;
    const bool reached = recorder.perform(operation, at);
    record(reached, recorder, operation, history);
    if (reached && operation.outcome != Outcome::unknown && operation.outcome != Outcome::not_applied) return;
    avoided_until_[static_cast<std::size_t>(asked - 1)] = now() + kAvoid.count();
    if (asked == node_) {
      home_.reset();
      node_ = other_node();
    }
    if (!reached) std::this_thread::sleep_for(std::chrono::milliseconds(20));  // do not spin on closed ports
  }

  int other_node() {
    const int nodes = all_.cluster_.size();
    const int from = static_cast<int>(below(static_cast<std::uint64_t>(nodes)));
    for (int i = 0; i < nodes; ++i) {
      const int node = (from + i) % nodes + 1;
      if (node != node_ && avoided_until_[static_cast<std::size_t>(node - 1)] < now()) return node;
    }
    return node_ % nodes + 1;
  }

  void record(bool reached, const Recorder& by, const Operation& operation, History& history) {
    EXPECT_FALSE(by.nonsense()) << describe(operation) << ": " << by.remark();
    if (!reached) return;
    history.push_back(operation);
    seen_ = std::max(seen_, operation.revision);
    const bool write = operation.kind == Kind::put || operation.kind == Kind::remove;
    if (operation.outcome == Outcome::done && operation.kind == Kind::put)
      known_[index_of(operation.key)] = operation.revision;
    else if (operation.mod_revision != 0 && (write || !operation.any_time))
      known_[index_of(operation.key)] = operation.mod_revision;
    if (operation.outcome == Outcome::done && (write || operation.kind == Kind::remove_range)) ++all_.acknowledged_;
  }

  Clients& all_;
  std::uint64_t number_;
  std::mt19937_64 random_;
  int node_;
  std::unique_ptr<Recorder> home_;          // with node_
  std::vector<model::Time> avoided_until_;  // by node
  std::uint64_t values_ = 0;
  std::uint64_t seen_ = 0;            // the highest revision that it was told of
  std::vector<std::uint64_t> known_;  // of each key, a revision that it may still have
};

Clients::Clients(const Cluster& cluster, std::string prefix, const ClientOptions& options)
    : cluster_(cluster),
      prefix_(std::move(prefix)),
      options_(options),
      histories_(static_cast<std::size_t>(options.clients) + 1) {
  for (std::size_t number = 0; number < static_cast<std::size_t>(options.clients); ++number)
    threads_.emplace_back([this, number] { Client(*this, number).run(histories_[number]); });
}

Clients::~Clients() {
  stop();
}

void Clients::stop() {
  stop_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

bool Clients::wait_progress(std::uint64_t writes, std::chrono::nanoseconds patience) const {
  const std::uint64_t goal = acknowledged_ + writes;
  return eventually([&] { return acknowledged_ >= goal; }, patience);
}

void Clients::read_all(const std::vector<int>& nodes) {
  for (const int node : nodes) {
    std::uint64_t revision = 0;
    for (const bool own_state : {false, true}) {
      Recorder recorder(cluster_.http_address(node), std::chrono::seconds(5));
      Operation operation;
      EXPECT_TRUE(eventually([&] {
        operation = {};
        operation.client = kReader + static_cast<std::uint64_t>(node);
        operation.kind = Kind::list;
        operation.key = prefix_;
        operation.range_end = prefix_ + "~";
        operation.any_time = own_state;
        operation.least_revision = own_state ? revision : 0;
        recorder.perform(operation);
        return operation.outcome == Outcome::done;
      })) << "node "
          << node << " does not list: " << recorder.remark();
      if (operation.outcome != Outcome::done) continue;
      revision = operation.revision;
      histories_.back().push_back(operation);
    }
  }
}

History Clients::take_history() {
  History all;
  for (History& each : histories_) {
    std::move(each.begin(), each.end(), std::back_inserter(all));
    each.clear();
  }
  return all;
}

}  // namespace tenaz::chaos
