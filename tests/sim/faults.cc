#include "tests/sim/faults.h"

#include <algorithm>
#include <string>

namespace tenaz::sim {

Faults::Faults(World& world, Network& network, Clients& clients, const Scenario& scenario,
               std::vector<std::unique_ptr<Machine>>& machines)
    : world_(world),
      network_(network),
      clients_(clients),
      scenario_(scenario),
      machines_(machines),
      random_(world.seed(), 4) {}

void Faults::start() {
  next();
}

void Faults::next() {
  world_.post(random_.between(milliseconds(1), scenario_.fault_interval_max), Event{.kind = EventKind::fault});
}

std::size_t Faults::prominent_node() {
  if (random_.chance(600))
    for (std::size_t node = 0; node < scenario_.nodes; ++node)
      if (machines_[node]->running() && machines_[node]->replica().core().role() == raft::Role::leader) return node;
  return any_node();
}

void Faults::strike(const Event&) {
  if (stopped_) return;
  next();
  const FaultWeights& w = scenario_.faults;
  const unsigned weights[] = {w.crash,   w.crash_all, w.stop,    w.pause,  w.disk_stall,        w.disk_low,
                              w.isolate, w.split,     w.one_way, w.bridge, w.break_connections, w.transfer,
                              w.heal};
  std::uint64_t total = 0;
  for (const unsigned weight : weights) total += weight;
  std::uint64_t drawn = random_.below(total);
  std::size_t kind = 0;
  while (drawn >= weights[kind]) drawn -= weights[kind++];
  const std::size_t node = prominent_node();
  Machine& machine = *machines_[node];
  switch (kind) {
    case 0:
      return crash(node);
    case 1:
      for (std::size_t each = 0; each < scenario_.nodes; ++each) crash(each);
      return;
    case 2:
      return stop(node);
    case 3:
      world_.note(node_name(node) + " pauses");
      return machine.pause(world_.now() + random_.between(milliseconds(10), milliseconds(3000)));
    case 4:
      if (machine.running()) machine.stall_disk(world_.now() + random_.between(milliseconds(10), milliseconds(3000)));
      return;
    case 5:
      if (machine.running()) machine.set_disk_low(random_.chance(500));
      return;
    case 6:
      return isolate();
    case 7:
      return split();
    case 8:
      return one_way();
    case 9:
      return bridge();
    case 10:
      for (std::size_t peer = 0; peer < scenario_.nodes; ++peer)
        if (peer != node && random_.chance(500)) network_.break_connections(node, peer);
      return;
    case 11:
      return transfer();
    default:
      world_.note("links heal");
      return network_.heal();
  }
}

void Faults::crash(std::size_t node) {
  if (!machines_[node]->running()) return;
  machines_[node]->crash();
  restart_later(node);
}

void Faults::stop(std::size_t node) {
  if (!machines_[node]->running() || machines_[node]->paused()) return;
  machines_[node]->stop();
  restart_later(node);
}

void Faults::restart_later(std::size_t node) {
  Event event{.kind = EventKind::restart};
  event.node = static_cast<std::uint8_t>(node);
  world_.post(random_.chance(500) ? random_.between(milliseconds(1), milliseconds(300))
                                  : random_.between(milliseconds(300), milliseconds(6000)),
              event);
}

void Faults::on_restart(const Event& event) {
  if (!machines_[event.node]->running()) machines_[event.node]->start();
}

void Faults::cut_both(std::size_t a, std::size_t b) {
  network_.cut(a, b, true);
  network_.cut(b, a, true);
}

void Faults::isolate() {
  const std::size_t node = prominent_node();
  world_.note(node_name(node) + " is isolated");
  for (std::size_t peer = 0; peer < scenario_.nodes; ++peer)
    if (peer != node) cut_both(node, peer);
}

void Faults::split() {
  world_.note("the network splits");
  const std::uint64_t side = random_.next();
  for (std::size_t a = 0; a < scenario_.nodes; ++a)
    for (std::size_t b = a + 1; b < scenario_.nodes; ++b)
      if (((side >> a) & 1) != ((side >> b) & 1)) cut_both(a, b);
}

void Faults::one_way() {
  for (std::uint64_t count = random_.between(1, scenario_.nodes); count > 0; --count) {
    const std::size_t from = prominent_node();
    const std::size_t to = any_node();
    if (from == to) continue;
    world_.note("nothing gets from " + node_name(from) + " to " + node_name(to));
    network_.cut(from, to, true);
  }
}

void Faults::bridge() {
  const std::size_t middle = any_node();
  world_.note("only " + node_name(middle) + " sees both halves");
  const std::uint64_t side = random_.next();
  for (std::size_t a = 0; a < scenario_.nodes; ++a)
    for (std::size_t b = a + 1; b < scenario_.nodes; ++b)
      if (a != middle && b != middle && ((side >> a) & 1) != ((side >> b) & 1)) cut_both(a, b);
}

void Faults::transfer() {
  const std::size_t node = prominent_node();
  if (!machines_[node]->running()) return;
  const std::uint64_t target = random_.below(scenario_.nodes + 1);
  world_.note(node_name(node) + " is asked to hand leadership to " + std::to_string(target));
  clients_.transfer(node, raft::NodeId(target));
}

void Faults::heal_all() {
  stopped_ = true;
  world_.note("all is well from now on");
  network_.heal();
  network_.calm();
  for (auto& machine : machines_) {
    if (!machine->running()) machine->start();
    machine->set_disk_low(false);
  }
}

std::vector<std::size_t> Faults::heal_majority() {
  heal_all();
  const std::size_t size = scenario_.nodes / 2 + 1;
  std::vector<std::size_t> nodes(scenario_.nodes);
  for (std::size_t node = 0; node < scenario_.nodes; ++node) nodes[node] = node;
  for (std::size_t i = nodes.size() - 1; i > 0; --i) std::swap(nodes[i], nodes[random_.below(i + 1)]);
  std::vector<bool> inside(scenario_.nodes);
  for (std::size_t i = 0; i < size; ++i) inside[nodes[i]] = true;
  for (std::size_t from = 0; from < scenario_.nodes; ++from)
    for (std::size_t to = 0; to < scenario_.nodes; ++to)
      if (from != to && !(inside[from] && inside[to]) && random_.chance(500)) {
        world_.note("nothing gets from " + node_name(from) + " to " + node_name(to));
        network_.cut(from, to, true);
      }
  nodes.resize(size);
  return nodes;
}

}  // namespace tenaz::sim
