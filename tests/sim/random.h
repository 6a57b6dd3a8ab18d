// Numbers from a seed (splitmix64), the same on every machine. Each part of the simulation draws from a stream of its
// own, so that a change in one does not shift the others.
#pragma once

#include <cstdint>

#include "raft/types.h"

namespace tenaz::sim {

constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t stream) : state_(mix(seed * 0x9e3779b97f4a7c15u + mix(stream + 1))) {}

  std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15u); }
  // In [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  // In [low, high].
  std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low + 1); }
  raft::Duration between(raft::Duration low, raft::Duration high) {
    return low + raft::Duration(static_cast<std::int64_t>(below(static_cast<std::uint64_t>((high - low).count()) + 1)));
  }
  bool chance(std::uint64_t in_thousand) { return below(1000) < in_thousand; }
  template <class T>
  const T& one_of(const std::vector<T>& choices) {
    return choices[below(choices.size())];
  }

 private:
  std::uint64_t state_;
};

}  // namespace tenaz::sim
