#include "tests/sim/simulation.h"

#include <algorithm>

#include "tests/sim/cluster.h"
#include "tests/sim/faults.h"

namespace tenaz::sim {
namespace {

// If by then less has happened than a run must have in it, something is wrong with the simulation.
constexpr raft::Duration kFaultTimeMax = seconds(120);

class Simulation {
 public:
  Simulation(std::uint64_t seed, const Changes& changes, std::FILE* trace);
  Report run();

 private:
  void suffer();
  void recover();
  void must_accept_a_write(const std::vector<std::size_t>& nodes, const std::string& who);
  Report report();

  const Changes& changes_;
  const Scenario scenario_;
  Cluster cluster_;
  Faults faults_;
  raft::Instant faults_ended_;
  double recovery_seconds_ = 0;
};

Simulation::Simulation(std::uint64_t seed, const Changes& changes, std::FILE* trace)
    : changes_(changes),
      scenario_(draw_scenario(seed, changes)),
      cluster_(seed, changes.salt, scenario_, trace, [this](const Event& event) { faults_.handle(event); }),
      faults_(cluster_.world(), cluster_.network(), cluster_.identities(), cluster_.checker(), cluster_.clients(),
              scenario_, changes_.skipped, cluster_.machines()) {}

void Simulation::suffer() {
  World& world = cluster_.world();
  cluster_.run_for(changes_.until > raft::Duration{} ? changes_.until : scenario_.fault_time);
  if (changes_ != Changes{}) return;
  const auto enough = [this] {
    return cluster_.clients().operations() >= kOperationsMin && faults_.struck() >= kFaultsMin;
  };
  if (!cluster_.run_until(world.now() + kFaultTimeMax, enough) && !world.failed())
    world.fail("too little happens: " + std::to_string(cluster_.clients().operations()) + " operations, " +
               std::to_string(faults_.struck()) + " faults");
}

void Simulation::must_accept_a_write(const std::vector<std::size_t>& nodes, const std::string& who) {
  World& world = cluster_.world();
  if (world.failed()) return;
  if (!cluster_.accepts_a_write(nodes, kRecoveryBound) && !world.failed()) world.fail(who + " accepts no write");
  if (recovery_seconds_ == 0)
    recovery_seconds_ = std::chrono::duration<double>(world.now() - faults_ended_).count();
}

void Simulation::recover() {
  World& world = cluster_.world();
  faults_ended_ = world.now();
  if (scenario_.partial_heal) must_accept_a_write(faults_.heal_majority(), "a well connected majority");
  faults_.heal_all();
  const std::vector<std::size_t> sound = faults_.sound_nodes();
  must_accept_a_write(sound, "the cluster");
  for (const std::size_t node : sound) must_accept_a_write({node}, node_name(node));
  cluster_.clients().stop();
  const auto settled = [&] { return cluster_.clients().idle() && cluster_.converged(sound); };
  if (!cluster_.run_until(world.now() + kRecoveryBound, settled) && !world.failed())
    world.fail("the nodes do not come to the same state");
}

Report Simulation::report() {
  Report report;
  report.failure = cluster_.world().failure();
  report.fingerprint = cluster_.fingerprint();
  report.events = cluster_.world().events();
  report.simulated_seconds = std::chrono::duration<double>(cluster_.world().since_start()).count();
  report.recovery_seconds = recovery_seconds_;
  report.nodes = scenario_.nodes;
  const Clients& clients = cluster_.clients();
  report.operations = clients.operations();
  report.acknowledged = clients.acknowledged();
  report.reads = clients.reads();
  report.lists = clients.lists();
  report.refused = clients.refused();
  report.unknown = clients.unknown();
  report.applied = cluster_.checker().highest_applied().value;
  report.leaders = cluster_.checker().leaders();
  report.crashes = cluster_.counters().crashes;
  report.installs = cluster_.counters().installs;
  report.states_restored = cluster_.counters().states_restored;
  report.lease_reads = cluster_.counters().lease_reads;
  report.fenced = cluster_.counters().fenced;
  report.faults = faults_.struck();
  report.fault_numbers = faults_.numbers();
  for (std::size_t kind = 0; kind < kFaultKinds; ++kind)
    report.struck[kind] = faults_.struck(static_cast<FaultKind>(kind));
  for (const auto& machine : cluster_.machines())
    for (std::size_t step = 0; step < kSteps; ++step) report.ended_at[step] += machine->fate().taken()[step];
  return report;
}

Report Simulation::run() {
  cluster_.start();
  cluster_.clients().start();
  faults_.start();
  suffer();
  recover();
  cluster_.judge();
  return report();
}

}  // namespace

Report simulate(std::uint64_t seed, const Changes& changes, std::FILE* trace) {
  return Simulation(seed, changes, trace).run();
}

std::string replay_command(std::uint64_t seed, const Changes& changes) {
  return "tenaz-sim --seed " + std::to_string(seed) + to_options(changes) + " --trace";
}

}  // namespace tenaz::sim
