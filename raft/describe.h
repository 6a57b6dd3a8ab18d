// Stable, one-line texts of what the core says and is: for golden tests and debug logs.
#pragma once

#include <string>

#include "raft/core.h"

namespace tenaz::raft {

std::string describe(const Entry& entry);  // "5@t2 commands(12)": index, term, kind, payload size
std::string describe(const Configuration& configuration);
std::string describe(const Message& message);
// One line per thing to do, in the order of Output's fields; empty for an empty output.
std::string describe(const Output& output);
// One line, and one more per peer of a leader.
std::string describe(const Status& status);

}  // namespace tenaz::raft
