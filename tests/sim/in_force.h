// Which configurations may decide something, now or later: the last committed one, and what stands behind it in
// anybody's log. What a run must survive, and what must work afterwards, is judged by them.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "tests/sim/checker.h"
#include "tests/sim/machine.h"

namespace tenaz::sim {

// The first is the last committed one.
std::vector<raft::Configuration> possible_configurations(const Checker& checker,
                                                         const std::vector<std::unique_ptr<Machine>>& machines);

// These nodes are a majority of each half. Counted here, not by raft/quorum, which is being tested.
bool is_quorum(const raft::Configuration& configuration, const std::function<bool(std::size_t)>& has);

// All its members.
std::vector<std::size_t> members_of(const raft::Configuration& configuration);

}  // namespace tenaz::sim
