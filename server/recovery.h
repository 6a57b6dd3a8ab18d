// What tenazd does instead of serving: it makes a data directory from a backup. On the main thread, with nothing else
// running in the process.
#pragma once

#include <cstdint>
#include <string>

#include "config/config.h"

namespace tenaz::server {

// tenazd --restore FILE. Says on stdout what was done, on stderr why not; an ExitCode.
int restore(const config::Config& config, const std::string& file, std::uint64_t revision_gap);

}  // namespace tenaz::server
