// Which links a partition takes away: directed links between nodes counted from 0. Pure; shared by the seeded faults
// and the named scenarios.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "tests/sim/random.h"

namespace tenaz::sim {

using Way = std::pair<std::size_t, std::size_t>;  // from, to
using Ways = std::vector<Way>;

// Both directions between two nodes.
void add_both(Ways& ways, std::size_t a, std::size_t b);

Ways isolate(std::size_t nodes, std::size_t node);
// What goes to this node is lost; what it says arrives.
Ways deafen(std::size_t nodes, std::size_t node);
// What it says is lost; it hears all.
Ways mute(std::size_t nodes, std::size_t node);
// Two groups that do not hear each other; a node belongs to the group that its bit in `side` says.
Ways split(std::size_t nodes, std::uint64_t side);
// The same, but `middle` hears and is heard by all.
Ways bridge(std::size_t nodes, std::uint64_t side, std::size_t middle);
// Only neighbours in `order` hear each other (OmniPaxos: "chained").
Ways chain(const std::vector<std::size_t>& order);
// All hear only `centre`, which hears all (OmniPaxos: "quorum-loss").
Ways star(std::size_t nodes, std::size_t centre);
// Each direction of each link with this chance.
Ways random_ways(std::size_t nodes, Random& random, std::uint64_t in_thousand);

// 0 .. nodes - 1 in a random order.
std::vector<std::size_t> shuffled(std::size_t nodes, Random& random);

}  // namespace tenaz::sim
