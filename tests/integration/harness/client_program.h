// The programs of the client package.
#pragma once

#include <string>
#include <vector>

#include "tests/integration/harness/process.h"

namespace tenaz::harness {

// Run to its end.
Finished tenazctl(std::vector<std::string> arguments);

std::string tenaz_bench_path();

}  // namespace tenaz::harness
