#include "tests/sim/current_seed.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace tenaz::sim {
namespace {

std::uint64_t current_seed = 0;

extern "C" void on_abort(int) {
  char text[96];
  const auto seed = static_cast<unsigned long long>(current_seed);
  const int length =
      std::snprintf(text, sizeof text, "seed %llu aborts\nagain: tenaz-sim --seed %llu --trace\n", seed, seed);
  if (write(STDERR_FILENO, text, static_cast<std::size_t>(length)) < 0) std::_Exit(1);
  std::_Exit(1);
}

}  // namespace

void announce_seed_on_abort() {
  std::signal(SIGABRT, on_abort);
}

void set_current_seed(std::uint64_t seed) {
  current_seed = seed;
}

}  // namespace tenaz::sim
