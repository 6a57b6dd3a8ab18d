#include "tests/sim/current_run.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace tenaz::sim {
namespace {

std::string current_run;

extern "C" void on_abort(int) {
  const bool written = write(STDERR_FILENO, current_run.data(), current_run.size()) >= 0;
  std::_Exit(written ? 1 : 3);
}

}  // namespace

void announce_run_on_abort() {
  std::signal(SIGABRT, on_abort);
}

void set_current_run(const std::string& replay_command) {
  current_run = "the run aborts\nagain: " + replay_command + "\n";
}

}  // namespace tenaz::sim
