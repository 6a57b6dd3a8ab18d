#include "tests/sim/cluster.h"

#include <algorithm>

#include "raft/membership.h"
#include "tests/model/linearizability.h"

namespace tenaz::sim {
namespace {

constexpr raft::Duration kProbeTimeout = seconds(2);
// Of the search for an order of each key's operations.
constexpr std::size_t kAllSteps = 2'000'000;
constexpr std::size_t kSomeSteps = 20'000;

}  // namespace

Cluster::Cluster(std::uint64_t seed, std::uint64_t salt, const Scenario& scenario, std::FILE* trace,
                 std::function<void(const Event&)> others)
    : others_(std::move(others)),
      world_(seed, salt, trace),
      network_(world_, scenario.network, scenario.machines(),
               [this](std::size_t dialer, std::size_t listener) { return greet(dialer, listener); }),
      identities_(world_, scenario.machines(),
                  {[this](std::size_t node) { (void)machines_[node]->fate().ends_at(Step::peer_remembered); },
                   [this](std::size_t node) {
                     ++counters_.fenced;
                     machines_[node]->fate().end("stops: its disk is fenced");
                   },
                   [this](std::size_t node, std::size_t peer) {
                     network_.break_connections(node, peer);
                     network_.break_connections(peer, node);
                   },
                   [this](std::size_t node) { machines_[node]->leave(); },
                   [this](std::size_t node, std::size_t peer) {
                     Identities::Recorded recorded;
                     if (!machines_[node]->running()) return recorded;
                     const raft::Core& core = machines_[node]->replica().core();
                     const raft::Member* member = raft::find_member(core.committed_configuration(), node_id(peer));
                     recorded.member = member != nullptr;
                     if (member) recorded.committed = member->storage_id;
                     member = raft::find_member(core.configuration(), node_id(peer));
                     if (member) recorded.coming = member->storage_id;
                     return recorded;
                   },
                   [this](std::size_t node) { return machines_[node]->life(); }}),
      checker_(world_, disks_, scenario.machines(), configuration_of_a_new_disk(scenario, 0)),
      clients_(world_, checker_, scenario, machines_) {
  for (std::size_t node = 0; node < scenario.machines(); ++node) {
    machines_.push_back(std::make_unique<Machine>(
        world_, network_, identities_, checker_, scenario, node,
        [this](std::size_t peer) -> Machine& { return *machines_[peer]; }, counters_));
    disks_.push_back(&machines_.back()->disk());
  }
}

void Cluster::start() {
  for (auto& machine : machines_) machine->start();
}

// Whoever is frozen or gone shakes no hands.
bool Cluster::greet(std::size_t dialer, std::size_t listener) {
  for (const std::size_t node : {dialer, listener})
    if (!machines_[node]->running() || machines_[node]->paused()) return false;
  return welcomes(listener, dialer, false) && welcomes(dialer, listener, true) && identities_.greet(dialer, listener);
}

// Who is refused as removed is told so.
bool Cluster::welcomes(std::size_t node, std::size_t other, bool called) {
  const Admission::Verdict verdict = network_.admission().judge(node, other, called);
  if (verdict == Admission::Verdict::removed) machines_[other]->note_removal("says " + node_name(node));
  return verdict == Admission::Verdict::welcome;
}

void Cluster::handle(const Event& event) {
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
    case EventKind::give_up:
      return clients_.give_up(event);
    case EventKind::identity_written:
      return identities_.on_written(event);
    case EventKind::fault:
    case EventKind::fault_goes_on:
    case EventKind::flap:
    case EventKind::restart:
    case EventKind::end_of_process:
      return others_(event);
    // A disk's controller goes on while the processor is busy, and while the process is frozen.
    case EventKind::log_synced:
      return machines_[event.node]->handle(event);
    default:
      return to_machine(event);
  }
}

void Cluster::to_machine(const Event& event) {
  Machine& machine = *machines_[event.node];
  // The threads that apply, flush and fetch are frozen with the process, but not kept busy by the replica's.
  const bool of_other_threads = event.kind >= EventKind::apply_step && event.kind <= EventKind::state_wanted;
  const raft::Instant free_at = of_other_threads ? machine.paused_until() : machine.busy_until();
  if (machine.running() && free_at > world_.now()) return world_.post_at(free_at, event);
  if (event.kind == EventKind::deliver) {
    if (auto message = network_.arrives(event)) machine.receive(event.peer, std::move(*message));
  } else if (event.kind == EventKind::unreachable) {
    if (!machine.running()) return;
    machine.replica().on_unreachable(machine.local_now(), node_id(event.peer));
    machine.attend();
  } else if (event.kind == EventKind::read_state) {
    clients_.read_state(event);
  } else {
    machine.handle(event);
  }
}

bool Cluster::accepts_a_write(const std::function<std::vector<std::size_t>()>& nodes, raft::Duration bound) {
  const raft::Instant end = world_.now() + bound;
  for (std::size_t turn = 0; world_.now() < end && !world_.failed(); ++turn) {
    const std::vector<std::size_t> now = nodes();
    const std::size_t node = now[turn % now.size()];
    Machine& machine = *machines_[node];
    if (machine.serves()) {
      const auto probe = clients_.probe(node, kProbeTimeout);
      if (!run_until(end, [&] { return probe->answered; })) break;
      if (probe->accepted) return true;
    }
    run_for(milliseconds(20));
  }
  return false;
}

bool Cluster::converged(const std::vector<std::size_t>& nodes) const {
  if (!machines_[nodes.front()]->running()) return false;
  const raft::Index applied = machines_[nodes.front()]->state().applied;
  return std::all_of(nodes.begin(), nodes.end(), [&](std::size_t node) {
    Machine& machine = *machines_[node];
    return machine.running() && machine.state().applied == applied && machine.disk().last_index() == applied &&
           machine.replica().core().commit() == applied;
  });
}

void Cluster::judge() {
  if (world_.failed()) return;
  checker_.check_answers();
  if (world_.failed()) return;
  // With all known that can be known the search is short, and must end. As the clients know it, it may be too long.
  const auto check = [this](const model::History& history, std::size_t max_steps, bool must_end) {
    model::Verdict verdict = model::check_revisions(history);
    if (verdict.correct()) verdict = model::check_keys(history, max_steps);
    if (verdict.kind == model::Verdict::Kind::violated) world_.fail("not linearizable: " + verdict.explanation);
    if (verdict.kind == model::Verdict::Kind::undecided && must_end) world_.fail("not decided: " + verdict.explanation);
  };
  check(clients_.history(true), kAllSteps, true);
  if (!world_.failed()) check(clients_.history(false), kSomeSteps, false);
}

std::uint64_t Cluster::fingerprint() {
  for (const auto& machine : machines_) {
    world_.remember(machine->disk().state.digest);
    if (machine->stored_fingerprint() != 0) world_.remember(machine->stored_fingerprint());
  }
  world_.remember(checker_.commands());
  return world_.fingerprint();
}

}  // namespace tenaz::sim
