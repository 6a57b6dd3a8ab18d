// Whom a log knows. For a node that needs another one before its core can tell which configuration is in force.
#pragma once

#include <vector>

#include "raft/log_reader.h"
#include "raft/types.h"

namespace tenaz::raft {

// Everybody whom a log names, by id: in the configuration at its beginning and in all that follow, committed or not
// (the later one says where a node is). Reads the whole log.
std::vector<Member> members_named(const LogReader& log, const Configuration& at_its_beginning);

}  // namespace tenaz::raft
