#include "tests/sim/simulation.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/model/linearizability.h"
#include "tests/sim/checker.h"
#include "tests/sim/clients.h"
#include "tests/sim/faults.h"
#include "tests/sim/machine.h"
#include "tests/sim/network.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace tenaz::sim {
namespace {

// After the last fault a write must be accepted within this: pauses and stalls end, a few elections may fail.
constexpr raft::Duration kRecovery = seconds(30);
constexpr raft::Duration kProbeTimeout = seconds(2);

class Simulation {
 public:
  Simulation(std::uint64_t seed, std::FILE* trace);
  Report run();

 private:
  template <class Done>
  bool run_until(raft::Instant end, Done done);
  void run_for(raft::Duration time) {
    run_until(world_.now() + time, [] { return false; });
  }
  void handle(const Event& event);
  void to_replica(const Event& event);
  bool accepts_a_write(const std::vector<std::size_t>& nodes);
  void recover();
  void judge();
  bool converged() const;

  Scenario scenario_;
  World world_;
  Network network_;
  std::vector<const Disk*> disks_;
  Checker checker_;
  Counters counters_;
  std::vector<std::unique_ptr<Machine>> machines_;
  Clients clients_;
  Faults faults_;
};

Simulation::Simulation(std::uint64_t seed, std::FILE* trace)
    : scenario_(draw_scenario(seed)),
      world_(seed, trace),
      network_(world_, scenario_.network, scenario_.nodes),
      checker_(world_, disks_, scenario_.nodes),
      clients_(world_, checker_, scenario_, machines_),
      faults_(world_, network_, clients_, scenario_, machines_) {
  for (std::size_t node = 0; node < scenario_.nodes; ++node) {
    machines_.push_back(std::make_unique<Machine>(
        world_, network_, checker_, scenario_, node, [this](std::size_t peer) -> Machine& { return *machines_[peer]; },
        counters_));
    disks_.push_back(&machines_.back()->disk());
  }
}

template <class Done>
bool Simulation::run_until(raft::Instant end, Done done) {
  while (!world_.failed() && !done()) {
    if (world_.idle() || world_.next_at() > end) {
      world_.rest_until(end);
      return false;
    }
    handle(world_.take());
  }
  return !world_.failed();
}

void Simulation::handle(const Event& event) {
  world_.remember(static_cast<std::uint64_t>(event.at.time_since_epoch().count()) * 64 +
                  static_cast<std::uint64_t>(event.kind) + (std::uint64_t{event.node} << 56));
  switch (event.kind) {
    case EventKind::reconnect:
      return network_.on_reconnect(event);
    case EventKind::connection_break:
      return network_.on_break(event);
    case EventKind::client:
      return clients_.act(event);
    case EventKind::call_check:
      return clients_.check_call(event);
    case EventKind::fault:
      return faults_.strike(event);
    case EventKind::restart:
      return faults_.on_restart(event);
    case EventKind::log_synced:
    case EventKind::apply_step:
    case EventKind::flush_begun:
    case EventKind::flush_done:
    case EventKind::install_fetched:
      return machines_[event.node]->handle(event);
    default:
      return to_replica(event);
  }
}

void Simulation::to_replica(const Event& event) {
  Machine& machine = *machines_[event.node];
  if (machine.running() && machine.paused()) return world_.post_at(machine.paused_until(), event);
  if (event.kind == EventKind::deliver) {
    if (auto message = network_.arrives(event)) machine.receive(event.peer, std::move(*message));
  } else if (event.kind == EventKind::unreachable) {
    if (!machine.running()) return;
    machine.replica().on_unreachable(world_.now(), node_id(event.peer));
    machine.attend();
  } else if (event.kind == EventKind::read_state) {
    clients_.read_state(event);
  } else {
    machine.handle(event);
  }
}

bool Simulation::accepts_a_write(const std::vector<std::size_t>& nodes) {
  const raft::Instant end = world_.now() + kRecovery;
  for (std::size_t turn = 0; world_.now() < end && !world_.failed(); ++turn) {
    const std::size_t node = nodes[turn % nodes.size()];
    const auto probe = clients_.probe(node, kProbeTimeout);
    if (!run_until(end, [&] { return probe->answered; })) break;
    if (probe->accepted) return true;
    run_for(milliseconds(20));
  }
  return false;
}

bool Simulation::converged() const {
  const KvState& first = machines_.front()->state();
  return std::all_of(machines_.begin(), machines_.end(), [&](const auto& machine) {
    return machine->state().applied == first.applied && machine->disk().last_index() == first.applied &&
           machine->replica().core().commit() == first.applied;
  });
}

void Simulation::recover() {
  std::vector<std::size_t> all(scenario_.nodes);
  for (std::size_t node = 0; node < scenario_.nodes; ++node) all[node] = node;
  if (scenario_.partial_heal) {
    const auto majority = faults_.heal_majority();
    if (!accepts_a_write(majority) && !world_.failed())
      return world_.fail("a well connected majority accepts no write");
  }
  faults_.heal_all();
  for (const std::size_t node : all)
    if (!accepts_a_write({node}) && !world_.failed()) return world_.fail(node_name(node) + " accepts no write");
  clients_.stop();
  if (!run_until(world_.now() + kRecovery, [this] { return clients_.idle() && converged(); }) && !world_.failed())
    world_.fail("the nodes do not come to the same state");
}

void Simulation::judge() {
  if (world_.failed()) return;
  checker_.check_answers();
  if (world_.failed()) return;
  const model::Verdict verdict = model::check(clients_.take_history());
  if (verdict.kind == model::Verdict::Kind::violated) world_.fail("not linearizable: " + verdict.explanation);
  if (verdict.kind == model::Verdict::Kind::undecided) world_.fail("not decided: " + verdict.explanation);
}

Report Simulation::run() {
  for (auto& machine : machines_) machine->start();
  clients_.start();
  faults_.start();
  run_for(scenario_.fault_time);
  recover();
  judge();

  Report report;
  report.failure = world_.failure();
  for (const auto& machine : machines_) world_.remember(machine->disk().state.digest);
  world_.remember(checker_.commands());
  report.fingerprint = world_.fingerprint();
  report.events = world_.events();
  report.simulated_seconds = std::chrono::duration<double>(world_.now() - raft::Instant(seconds(1))).count();
  report.nodes = scenario_.nodes;
  report.acknowledged = clients_.acknowledged();
  report.reads = clients_.reads();
  report.refused = clients_.refused();
  report.applied = checker_.highest_applied().value;
  report.leaders = checker_.leaders();
  report.crashes = counters_.crashes;
  report.installs = counters_.installs;
  return report;
}

}  // namespace

Report simulate(std::uint64_t seed, std::FILE* trace) {
  return Simulation(seed, trace).run();
}

std::string replay_command(std::uint64_t seed) {
  return "tenaz-sim --seed " + std::to_string(seed) + " --trace";
}

}  // namespace tenaz::sim
