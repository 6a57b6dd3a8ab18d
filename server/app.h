// One tenazd process: builds the parts from a Config once, starts and stops them in order.
#pragma once

#include <string>

#include "config/config.h"
#include "raft/types.h"
#include "storage/status.h"

namespace tenaz::server {

// What tenazd exits with; stable. docs/operations.md, tenazd(8) and the systemd unit rely on it: after 1, 2, 5 and 6 a
// restart is of no use until somebody has done something.
enum ExitCode : int {
  kExitStopped = 0,        // asked to stop, and did
  kExitBadConfig = 1,      // faults in the configuration file
  kExitUsage = 2,          // wrong command line
  kExitCannotStart = 3,    // a port, a lock, the disk: the message says which; or what was asked for was not done
  kExitStorageFailed = 4,  // the disk failed while running: nothing more is acknowledged
  kExitRemoved = 5,        // this node was removed from its cluster
  kExitUnusableData = 6,   // the data directory is fenced, damaged, another node's or a later version's
};

// What an error of the node's data means; `otherwise`: if it is one that a restart may help.
ExitCode exit_code(const storage::Error& error, ExitCode otherwise);

// The first members of the cluster, as the configuration has them.
raft::Configuration founding_of(const config::Config& config);

// Runs until SIGTERM or SIGINT, then hands leadership over, drains and returns an ExitCode. `config_file`: read again
// on SIGHUP; empty: there is none.
int run(const config::Config& config, const std::string& config_file);

}  // namespace tenaz::server
