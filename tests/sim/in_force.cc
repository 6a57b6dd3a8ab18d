#include "tests/sim/in_force.h"

#include <algorithm>

#include "raft/membership.h"

namespace tenaz::sim {

std::vector<raft::Configuration> possible_configurations(const Checker& checker,
                                                         const std::vector<std::unique_ptr<Machine>>& machines) {
  const auto& [committed_at, committed] = checker.last_configuration();
  std::vector<raft::Configuration> out = {committed};
  const auto add = [&out](const raft::Configuration& configuration) {
    if (std::find(out.begin(), out.end(), configuration) == out.end()) out.push_back(configuration);
  };
  for (const auto& machine : machines) {
    const Disk& disk = machine->disk();
    const raft::Index from = std::max(committed_at, disk.base).next();
    for (raft::Index index = from; index <= disk.last_index(); index = index.next())
      if (disk.at(index).kind == raft::EntryKind::configuration)
        add(*raft::decode_configuration(*disk.at(index).payload));
    if (!machine->running()) continue;
    const raft::Core& core = machine->replica().core();
    if (core.configuration_index() > committed_at) add(core.configuration());
  }
  return out;
}

bool is_quorum(const raft::Configuration& configuration, const std::function<bool(std::size_t)>& has) {
  const auto majority = [&has](const std::vector<raft::NodeId>& ids) {
    const auto count = std::count_if(ids.begin(), ids.end(), [&has](raft::NodeId id) { return has(node_of(id)); });
    return 2 * static_cast<std::size_t>(count) > ids.size();
  };
  return majority(configuration.voters) && (!configuration.joint() || majority(configuration.outgoing));
}

std::vector<std::size_t> members_of(const raft::Configuration& configuration) {
  std::vector<std::size_t> nodes;
  for (const raft::Member& member : configuration.members) nodes.push_back(node_of(member.id));
  return nodes;
}

}  // namespace tenaz::sim
