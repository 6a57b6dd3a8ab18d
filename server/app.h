// One tenazd process: builds the parts from a Config once, starts and stops them in order.
#pragma once

#include <string>

#include "config/config.h"

namespace tenaz::server {

// What tenazd exits with; stable.
enum ExitCode : int {
  kExitStopped = 0,        // asked to stop, and did
  kExitBadConfig = 1,      // faults in the configuration file
  kExitUsage = 2,          // wrong command line
  kExitCannotStart = 3,    // data directory, port: the message says which
  kExitStorageFailed = 4,  // the disk failed while running: nothing more is acknowledged
  kExitRemoved = 5,        // this node was removed from its cluster: starting it again does not help
};

// Runs until SIGTERM or SIGINT, then hands leadership over, drains and returns an ExitCode. `config_file`: read again
// on SIGHUP; empty: there is none.
int run(const config::Config& config, const std::string& config_file);

}  // namespace tenaz::server
