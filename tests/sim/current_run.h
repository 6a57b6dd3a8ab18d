// A run that violates an invariant of the core aborts the process: the command that replays it is printed on the way
// out.
#pragma once

#include <string>

namespace tenaz::sim {

void announce_run_on_abort();
// What is running now; kept until the next call.
void set_current_run(const std::string& replay_command);

}  // namespace tenaz::sim
