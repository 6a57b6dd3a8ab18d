// A run's results for people and for programs.
#pragma once

#include <string>

#include "bench/generator.h"

namespace tenaz::bench {

std::string as_text(const Report& report);

// One object: throughput, per operation count and latency in seconds, errors by code, the generator's own CPU time.
std::string as_json(const Report& report);

}  // namespace tenaz::bench
