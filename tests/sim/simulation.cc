#include "tests/sim/simulation.h"

#include <algorithm>

#include "raft/describe.h"
#include "tests/sim/cluster.h"
#include "tests/sim/faults.h"
#include "tests/sim/operators.h"

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
  void membership_must_settle();
  void removed_must_stop();
  void must_accept_a_write(const std::function<std::vector<std::size_t>()>& nodes, const std::string& who);
  void must_accept_a_write(const std::vector<std::size_t>& nodes, const std::string& who) {
    must_accept_a_write([&nodes] { return nodes; }, who);
  }
  Report report();

  const Changes& changes_;
  const Scenario scenario_;
  Cluster cluster_;
  Operators operators_;
  Faults faults_;
  bool quorum_lost_ = false;
  raft::Instant faults_ended_;
  double recovery_seconds_ = 0;
};

Simulation::Simulation(std::uint64_t seed, const Changes& changes, std::FILE* trace)
    : changes_(changes),
      scenario_(draw_scenario(seed, changes)),
      cluster_(seed, changes.salt, scenario_, trace, [this](const Event& event) { faults_.handle(event); }),
      operators_(cluster_.world(), scenario_, cluster_.checker(), cluster_.clients(), cluster_.machines()),
      faults_(cluster_.world(), cluster_.network(), cluster_.identities(), cluster_.checker(), cluster_.clients(),
              operators_, scenario_, changes_.skipped, cluster_.machines()) {}

void Simulation::suffer() {
  World& world = cluster_.world();
  cluster_.run_for(changes_.until > raft::Duration{} ? changes_.until : scenario_.fault_time);
  Changes as_drawn;
  as_drawn.real_storage = changes_.real_storage;
  if (changes_ != as_drawn) return;
  const auto enough = [this] {
    return cluster_.clients().operations() >= kOperationsMin && faults_.struck() >= kFaultsMin;
  };
  if (!cluster_.run_until(world.now() + kFaultTimeMax, enough) && !world.failed())
    world.fail("too little happens: " + std::to_string(cluster_.clients().operations()) + " operations, " +
               std::to_string(faults_.struck()) + " faults");
}

void Simulation::must_accept_a_write(const std::function<std::vector<std::size_t>()>& nodes, const std::string& who) {
  World& world = cluster_.world();
  if (world.failed()) return;
  if (!cluster_.accepts_a_write(nodes, kRecoveryBound) && !world.failed()) world.fail(who + " accepts no write");
  if (recovery_seconds_ == 0) recovery_seconds_ = std::chrono::duration<double>(world.now() - faults_ended_).count();
}

void Simulation::recover() {
  World& world = cluster_.world();
  faults_ended_ = world.now();
  if (scenario_.partial_heal) {
    const auto majority = faults_.heal_majority();
    if (!majority.empty()) must_accept_a_write(majority, "a well connected majority");
  }
  faults_.heal_all();
  cluster_.clients().calm_down();
  // Operators take care, but a node can lose what it promised after it was asked for.
  quorum_lost_ = !faults_.quorum_is_sound();
  if (quorum_lost_) return cluster_.clients().stop();
  // Changes that were asked for go on: the last of those who are members now may be gone a moment later.
  must_accept_a_write([this] { return faults_.sound_members(); }, "the cluster");
  membership_must_settle();
  for (const std::size_t node : faults_.sound_members()) {
    // A learner that catches up only now may take its place.
    const auto while_a_member = [this, node]() -> std::vector<std::size_t> {
      const std::vector<std::size_t> members = faults_.sound_members();
      if (std::find(members.begin(), members.end(), node) == members.end()) return members;
      return {node};
    };
    must_accept_a_write(while_a_member, node_name(node));
  }
  removed_must_stop();
  cluster_.clients().stop();
  const auto settled = [&] { return cluster_.clients().idle() && cluster_.converged(faults_.sound_members()); };
  if (!cluster_.run_until(world.now() + kRecoveryBound, settled) && !world.failed())
    world.fail("the nodes do not come to the same state");
}

// What operators have asked for happens, or does not any more; no change is half done; who has caught up votes; and
// only who was removed takes itself for removed.
void Simulation::membership_must_settle() {
  World& world = cluster_.world();
  const auto settled = [this] {
    const auto& [index, last] = cluster_.checker().last_configuration();
    for (const std::size_t node : faults_.sound_members()) {
      Machine& machine = *cluster_.machines()[node];
      if (!machine.serves() || machine.replica().core().configuration_index() != index) return false;
    }
    return operators_.quiet() && !last.joint() && faults_.promotable().empty();
  };
  const bool in_time = cluster_.run_until(world.now() + kRecoveryBound, settled);
  if (world.failed()) return;
  const raft::Configuration& last = cluster_.checker().last_configuration().second;
  for (std::size_t node = 0; node < scenario_.machines(); ++node) {
    const bool removed = std::binary_search(last.retired.begin(), last.retired.end(), node_id(node));
    if (cluster_.identities().of(node).retired && !removed)
      return world.fail(node_name(node) + " takes itself for removed, and was not");
  }
  if (!in_time) world.fail("the membership does not settle: " + raft::describe(last));
}

// Whoever was removed, and calls somebody who knows it.
void Simulation::removed_must_stop() {
  World& world = cluster_.world();
  const auto& machines = cluster_.machines();
  const auto is_told = [&](std::size_t node) {
    for (std::size_t peer = 0; peer < machines.size(); ++peer)
      if (machines[peer]->serves() &&
          (machines[node]->joining() || cluster_.network().admission().speaks_with(node, peer)) &&
          cluster_.network().admission().judge(peer, node, false) == Admission::Verdict::removed)
        return true;
    return false;
  };
  const auto stopped = [&] {
    for (const raft::NodeId id : cluster_.checker().last_configuration().second.retired)
      if (machines[node_of(id)]->running() && is_told(node_of(id))) return false;
    return true;
  };
  if (!cluster_.run_until(world.now() + kRecoveryBound, stopped) && !world.failed())
    world.fail("a node that was removed does not stop");
}

Report Simulation::report() {
  Report report;
  report.failure = cluster_.world().failure();
  report.fingerprint = cluster_.fingerprint();
  report.events = cluster_.world().events();
  report.simulated_seconds = std::chrono::duration<double>(cluster_.world().since_start()).count();
  report.recovery_seconds = recovery_seconds_;
  report.nodes = scenario_.nodes;
  report.changes = operators_.done();
  report.changes_refused = operators_.refused();
  report.configurations = cluster_.checker().configurations();
  for (std::size_t node = 0; node < scenario_.machines(); ++node)
    report.retired += cluster_.identities().of(node).retired ? 1 : 0;
  report.quorums_lost = quorum_lost_ ? 1 : 0;
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
