// What many runs add up to, for people.
#pragma once

#include <vector>

#include "tests/sim/simulation.h"

namespace tenaz::sim {

struct Totals {
  std::uint64_t runs = 0;
  std::uint64_t failed = 0;
  std::uint64_t of_five = 0;  // with five founders
  double simulated_seconds = 0;
  std::vector<double> recoveries;  // seconds, of the runs that went well
  Report sum;                      // its numbers added up; nodes, failure and fingerprint have no meaning

  void add(const Report& report);
};

// The smallest value that is not below `percent` of them; sorts them. 0 if there are none.
double percentile(std::vector<double>& values, double percent);

// `cpu_seconds`: of one core, that it took.
std::string summary(Totals& totals, double cpu_seconds);
// How often each fault struck, and how often a process crashed at each step.
std::string fault_table(const Totals& totals);

}  // namespace tenaz::sim
