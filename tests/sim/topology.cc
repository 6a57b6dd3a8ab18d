#include "tests/sim/topology.h"

namespace tenaz::sim {

void add_both(Ways& ways, std::size_t a, std::size_t b) {
  ways.emplace_back(a, b);
  ways.emplace_back(b, a);
}

Ways isolate(std::size_t nodes, std::size_t node) {
  Ways ways;
  for (std::size_t peer = 0; peer < nodes; ++peer)
    if (peer != node) add_both(ways, node, peer);
  return ways;
}

Ways deafen(std::size_t nodes, std::size_t node) {
  Ways ways;
  for (std::size_t peer = 0; peer < nodes; ++peer)
    if (peer != node) ways.emplace_back(peer, node);
  return ways;
}

Ways mute(std::size_t nodes, std::size_t node) {
  Ways ways;
  for (std::size_t peer = 0; peer < nodes; ++peer)
    if (peer != node) ways.emplace_back(node, peer);
  return ways;
}

Ways split(std::size_t nodes, std::uint64_t side) {
  return bridge(nodes, side, nodes);
}

Ways bridge(std::size_t nodes, std::uint64_t side, std::size_t middle) {
  Ways ways;
  for (std::size_t a = 0; a < nodes; ++a)
    for (std::size_t b = a + 1; b < nodes; ++b)
      if (a != middle && b != middle && ((side >> a) & 1) != ((side >> b) & 1)) add_both(ways, a, b);
  return ways;
}

Ways chain(const std::vector<std::size_t>& order) {
  Ways ways;
  for (std::size_t i = 0; i < order.size(); ++i)
    for (std::size_t k = i + 2; k < order.size(); ++k) add_both(ways, order[i], order[k]);
  return ways;
}

Ways star(std::size_t nodes, std::size_t centre) {
  Ways ways;
  for (std::size_t a = 0; a < nodes; ++a)
    for (std::size_t b = a + 1; b < nodes; ++b)
      if (a != centre && b != centre) add_both(ways, a, b);
  return ways;
}

Ways random_ways(std::size_t nodes, Random& random, std::uint64_t in_thousand) {
  Ways ways;
  for (std::size_t from = 0; from < nodes; ++from)
    for (std::size_t to = 0; to < nodes; ++to)
      if (from != to && random.chance(in_thousand)) ways.emplace_back(from, to);
  return ways;
}

std::vector<std::size_t> shuffled(std::size_t nodes, Random& random) {
  std::vector<std::size_t> order(nodes);
  for (std::size_t node = 0; node < nodes; ++node) order[node] = node;
  for (std::size_t i = nodes; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace tenaz::sim
