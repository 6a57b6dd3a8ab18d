// Faults of links.
//
// What the cluster must survive: partitions into groups, into chains and stars, links that carry one direction only,
// nodes that hear nobody or are heard by nobody, links that come and go at any rate, and storms in which much is lost.
#include <string>

#include "tests/sim/faults.h"

namespace tenaz::sim {

bool Faults::strike_links(Fault& fault) {
  if (scenario_.machines() < 2) return false;
  Random& random = fault.random;
  switch (fault.kind) {
    case FaultKind::break_connections:
      note(fault, "connections of " + node_name(fault.node) + " break");
      for (std::size_t peer = 0; peer < scenario_.machines(); ++peer) {
        if (peer == fault.node) continue;
        if (random.chance(500)) network_.break_connections(fault.node, peer);
        if (random.chance(500)) network_.break_connections(peer, fault.node);
      }
      return true;
    case FaultKind::storm:
      note(fault, "a storm: much is lost and late");
      network_.storm(true);
      later(fault, lasting(random));
      return true;
    case FaultKind::flap: {
      note(fault, "links of " + node_name(fault.node) + " come and go");
      for (const Way& way : isolate(scenario_.machines(), fault.node))
        if (random.chance(700)) fault.ways.push_back(way);
      fault.flaps_until = world_.now() + random.between(milliseconds(500), milliseconds(8000));
      lasting_.insert_or_assign(fault.number, fault);
      flap(lasting_.at(fault.number));
      return true;
    }
    default:
      break;
  }
  fault.ways = draw_ways(fault);
  if (fault.ways.empty()) return false;
  if (world_.tracing()) {
    std::string lost;
    for (const auto& [from, to] : fault.ways) lost += " " + std::to_string(from + 1) + ">" + std::to_string(to + 1);
    note(fault, std::string(to_string(fault.kind)) + ": nothing gets through on" + lost);
  }
  network_.cut(fault.ways);
  later(fault, lasting(random));
  return true;
}

Ways Faults::draw_ways(Fault& fault) {
  const std::size_t nodes = scenario_.machines();
  Random& random = fault.random;
  switch (fault.kind) {
    case FaultKind::isolate:
      return isolate(nodes, fault.node);
    case FaultKind::split:
      return split(nodes, random.next());
    case FaultKind::bridge:
      return bridge(nodes, random.next(), any_node(random));
    case FaultKind::chain:
      return chain(shuffled(nodes, random));
    case FaultKind::star:
      return star(nodes, any_node(random));
    case FaultKind::deaf:
      return deafen(nodes, fault.node);
    case FaultKind::mute:
      return mute(nodes, fault.node);
    case FaultKind::random_links:
      return random_ways(nodes, random, random.between(100, 700));
    default: {
      Ways ways;
      for (std::uint64_t count = random.between(1, nodes); count > 0; --count) {
        const std::size_t from = random.chance(500) ? fault.node : any_node(random);
        const std::size_t to = any_node(random);
        if (from != to) ways.emplace_back(from, to);
      }
      return ways;
    }
  }
}

void Faults::links_recover(Fault& fault) {
  if (fault.kind == FaultKind::storm) {
    note(fault, "the storm ends");
    return network_.storm(false);
  }
  note(fault, "its links work again");
  network_.mend(fault.ways);
}

void Faults::flap(Fault& fault) {
  const bool over = world_.now() >= fault.flaps_until;
  if (fault.flapping_down) {
    network_.mend(fault.ways);
  } else if (!over) {
    network_.cut(fault.ways);
  }
  fault.flapping_down = !fault.flapping_down && !over;
  if (over) {
    lasting_.erase(fault.number);
    return;
  }
  Event event{.number = fault.number, .kind = EventKind::flap};
  world_.post(fault.random.between(milliseconds(5), milliseconds(600)), event);
}

}  // namespace tenaz::sim
