#include "tests/sim/faults.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <string>

namespace tenaz::sim {
namespace {

constexpr std::uint64_t kStream = 1'000'000;  // of fault 0

}  // namespace

Faults::Faults(World& world, Network& network, Identities& identities, Checker& checker, Clients& clients,
               Operators& operators, const Scenario& scenario, const std::set<std::uint64_t>& skipped,
               std::vector<std::unique_ptr<Machine>>& machines)
    : world_(world),
      network_(network),
      identities_(identities),
      checker_(checker),
      clients_(clients),
      operators_(operators),
      scenario_(scenario),
      skipped_(skipped),
      machines_(machines),
      restarts_(world.salted_seed(), 4) {}

void Faults::start() {
  schedule();
}

void Faults::schedule() {
  Random random(world_.seed(), 2 * kStream + next_);
  Event event{.number = next_++, .kind = EventKind::fault};
  world_.post(random.between(milliseconds(1), scenario_.fault_interval_max), event);
}

void Faults::handle(const Event& event) {
  switch (event.kind) {
    case EventKind::fault:
      if (stopped_) return;
      schedule();
      if (!skipped_.contains(event.number)) strike(event.number);
      return;
    case EventKind::fault_goes_on:
    case EventKind::flap: {
      const auto found = lasting_.find(event.number);
      if (found == lasting_.end()) return;
      if (event.kind == EventKind::flap) return flap(found->second);
      // It stays in the map only if it asks for another turn.
      Fault fault = std::move(found->second);
      lasting_.erase(found);
      return goes_on(fault);
    }
    case EventKind::end_of_process: {
      Machine& machine = *machines_[event.node];
      if (machine.life() != event.life || !machine.fate().ended()) return;
      machine.crash();
      return restart_later(event.node, restarts_);
    }
    default:
      if (!machines_[event.node]->up()) machines_[event.node]->start();
  }
}

FaultKind Faults::draw_kind(Random& random) const {
  const auto& weights = scenario_.weights;
  std::uint64_t drawn = random.below(std::accumulate(weights.begin(), weights.end(), std::uint64_t{0}));
  std::size_t kind = 0;
  while (drawn >= weights[kind]) drawn -= weights[kind++];
  return static_cast<FaultKind>(kind);
}

void Faults::strike(std::uint64_t number) {
  Fault fault(number, Random(world_.seed(), kStream + number));
  fault.kind = draw_kind(fault.random);
  const bool effective = choose_node(fault) && begin(fault);
  world_.remember(number * 64 + static_cast<std::uint64_t>(fault.kind) + (effective ? 1'000'000U : 0U));
  if (effective) ++struck_[static_cast<std::size_t>(fault.kind)];
}

bool Faults::begin(Fault& fault) {
  if (fault.kind >= FaultKind::isolate && fault.kind <= FaultKind::storm) return strike_links(fault);
  if (fault.kind >= FaultKind::disk_stall && fault.kind <= FaultKind::step_back_disk) return strike_disk(fault);
  return strike_node(fault);
}

void Faults::goes_on(Fault& fault) {
  if (fault.kind >= FaultKind::isolate && fault.kind <= FaultKind::storm) return links_recover(fault);
  if (fault.kind >= FaultKind::disk_stall && fault.kind <= FaultKind::step_back_disk) return disk_goes_on(fault);
  node_recovers(fault);
}

// The fault is kept until then.
void Faults::later(const Fault& fault, raft::Duration after) {
  lasting_.insert_or_assign(fault.number, fault);
  Event event{.number = fault.number, .kind = EventKind::fault_goes_on};
  world_.post(after, event);
}

void Faults::note(const Fault& fault, const std::string& what) const {
  world_.note("fault " + std::to_string(fault.number) + ": " + what);
}

bool Faults::choose_node(Fault& fault) {
  const std::size_t first = any_node(fault.random);
  const bool prefer_leader = fault.random.chance(500);
  bool found = false;
  for (std::size_t i = 0; i < scenario_.machines(); ++i) {
    const std::size_t node = (first + i) % scenario_.machines();
    if (!machines_[node]->running()) continue;
    const bool leads = machines_[node]->replica().core().role() == raft::Role::leader;
    if (found && !(prefer_leader && leads)) continue;
    found = true;
    fault.node = node;
    fault.life = machines_[node]->life();
    if (!prefer_leader || leads) break;
  }
  return found;
}

// Mostly about an election timeout, sometimes much longer.
raft::Duration Faults::lasting(Random& random) {
  return random.chance(600) ? random.between(milliseconds(10), milliseconds(1500))
                            : random.between(milliseconds(1000), milliseconds(8000));
}

std::vector<std::size_t> Faults::sound_members() const {
  std::vector<std::size_t> nodes = members_of(checker_.last_configuration().second);
  std::erase_if(nodes, [this](std::size_t node) { return !sound(node); });
  return nodes;
}

bool Faults::quorum_is_sound() const {
  const auto configurations = this->configurations();
  return std::all_of(configurations.begin(), configurations.end(), [this](const raft::Configuration& each) {
    return is_quorum(each, [this](std::size_t node) { return sound(node); });
  });
}

std::vector<std::size_t> Faults::promotable() const {
  std::vector<std::size_t> nodes;
  for (const raft::Member& member : checker_.last_configuration().second.members)
    if (member.promote && sound(node_of(member.id))) nodes.push_back(node_of(member.id));
  return nodes;
}

std::vector<std::size_t> Faults::members() const {
  std::set<std::size_t> nodes;
  for (const raft::Configuration& each : configurations())
    for (const std::size_t node : members_of(each)) nodes.insert(node);
  return {nodes.begin(), nodes.end()};
}

std::vector<std::size_t> Faults::who_may_vote() const {
  const std::vector<std::size_t> now = members();
  std::set<std::size_t> nodes(now.begin(), now.end());
  for (std::size_t node = 0; node < machines_.size(); ++node) {
    const Disk& disk = machines_[node]->disk();
    const bool knows_a_cluster = !disk.configuration.members.empty() || disk.last_index() > raft::Index();
    if (knows_a_cluster && !identities_.of(node).retired) nodes.insert(node);
  }
  return {nodes.begin(), nodes.end()};
}

void Faults::heal_all() {
  stopped_ = true;
  lasting_.clear();
  world_.note("all is well from now on");
  network_.heal();
  for (auto& machine : machines_) {
    machine->calm();
    if (!machine->up()) machine->start();
  }
}

std::vector<std::size_t> Faults::heal_majority() {
  heal_all();
  // Who has lost its state is no voter until others have given it one, and these may lie outside. Who is about to
  // become a voter counts as one.
  const auto configurations = this->configurations();
  std::vector<std::size_t> others = members();
  std::vector<std::size_t> nodes;
  for (const raft::Configuration& each : configurations)
    for (const raft::Member& member : each.members)
      if (member.promote && sound(node_of(member.id))) nodes.push_back(node_of(member.id));
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  const auto inside = [&nodes](std::size_t node) { return std::find(nodes.begin(), nodes.end(), node) != nodes.end(); };
  if (!operators_.quiet() ||
      !std::all_of(nodes.begin(), nodes.end(), [this](std::size_t node) { return reliable(node); }))
    return {};
  std::erase_if(others, [&](std::size_t node) { return inside(node) || !reliable(node); });
  for (std::size_t i = others.size(); i > 1; --i) std::swap(others[i - 1], others[restarts_.below(i)]);
  const auto enough = [&] {
    return std::all_of(configurations.begin(), configurations.end(),
                       [&](const raft::Configuration& each) { return is_quorum(each, inside); });
  };
  while (!others.empty() && !enough()) {
    nodes.push_back(others.back());
    others.pop_back();
  }
  if (!enough()) return {};
  Ways ways;
  for (const auto& [from, to] : random_ways(scenario_.machines(), restarts_, 500)) {
    if (inside(from) && inside(to)) continue;
    world_.note("nothing gets from " + node_name(from) + " to " + node_name(to));
    ways.emplace_back(from, to);
  }
  network_.cut(ways);
  return nodes;
}

std::uint64_t Faults::struck() const {
  return std::accumulate(struck_.begin(), struck_.end(), std::uint64_t{0});
}

}  // namespace tenaz::sim
