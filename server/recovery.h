// What tenazd does instead of serving: it makes a data directory from a backup, or a new cluster from what one node
// has. On the main thread, with nothing else running in the process. Each says on stdout what was done, on stderr why
// not, and gives an ExitCode.
#pragma once

#include <cstdint>
#include <string>

#include "config/config.h"

namespace tenaz::server {

// tenazd --restore FILE.
int restore(const config::Config& config, const std::string& file, std::uint64_t revision_gap);

// tenazd --inspect: shows what a stopped node has. Changes nothing.
int inspect(const config::Config& config);

// tenazd --recover-from-minority. `accepted`: the loss was accepted on the command line; else the cluster's name must
// be typed on a terminal.
int recover_from_minority(const config::Config& config, bool accepted);

}  // namespace tenaz::server
