// What must hold in every run, whatever goes wrong. It sees all disks, all applied entries and all answers, and keeps
// the one true history against which each node is held:
//   - one leader per term, whose own vote is durable; nobody grants two votes in a term; terms and votes on disk never
//   go back
//   - two logs that share (index, term) are equal up to there (log matching); a new leader's log holds all that is
//   committed
//   - what a leader commits is durable on a majority; an acknowledgement never promises more than the disk holds
//   - all nodes apply the same entries in the same order, only when they are durable in the own log, each command once;
//   states
//     are equal at equal indexes
//   - a write that was answered was applied with that very result; one that was called not_applied never was
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "raft/types.h"
#include "server/messages.h"
#include "server/node.h"
#include "tests/sim/kv_state.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

struct Disk;

class Checker {
 public:
  Checker(World& world, const std::vector<const Disk*>& disks, std::size_t nodes)
      : world_(world), disks_(disks), led_(nodes) {}

  // A node's disk.
  void hard_state_written(std::size_t node, const raft::HardState& before, const raft::HardState& after);
  void entry_written(std::size_t node, const raft::Entry& entry, raft::Term term_before);

  // A node says something.
  void sends(std::size_t node, std::size_t to, const server::PeerMessage& message);
  // After every call of a replica.
  void replica_state(std::size_t node, raft::Role role, raft::Term term, raft::Index commit, raft::Index last);

  // A node applies.
  void applies(std::size_t node, const raft::Entry& entry);
  void applied_command(std::size_t node, raft::Index index, std::size_t position, const storage::pb::Command& command,
                       const storage::CommandResult& result);
  void applied_state(std::size_t node, const KvState& state);

  // A client was answered.
  void answered(const storage::CommandOrigin& origin, const server::WriteResult& result);
  // Before the run ends: all that clients were told, against what was applied.
  void check_answers();

  raft::Index highest_applied() const { return raft::Index(committed_.size()); }
  std::size_t leaders() const { return leaders_.size(); }
  std::size_t commands() const { return commands_.size(); }

 private:
  struct Command {
    raft::Index index;
    std::size_t position = 0;
    storage::CommandResult result;
  };
  using Origin = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;  // node, boot, sequence
  struct Answer {
    Origin origin;
    bool applied = false;
    storage::CommandResult result;
  };
  struct Applied {
    raft::Term term;
    std::uint64_t content = 0;
    std::optional<std::uint64_t> digest;  // of the state after it
  };

  void fail(std::size_t node, const std::string& what) { world_.fail(node_name(node) + ": " + what); }
  raft::Index majority_checked() const { return raft::Index(committed_in_.size()); }
  std::size_t durable_copies(raft::Index index, raft::Term term) const;
  void new_leader(std::size_t node, raft::Term term, raft::Index last);

  World& world_;
  const std::vector<const Disk*>& disks_;
  std::map<raft::Term, std::size_t> leaders_;
  std::vector<raft::Term> led_;  // [node]: the last term that it was seen to lead in
  std::map<std::pair<raft::Term, std::size_t>, std::size_t> votes_;  // (term, voter) -> candidate
  std::unordered_map<std::uint64_t, std::uint64_t> entries_;         // (index, term) -> content and the term before
  std::vector<Applied> committed_;                                   // [index - 1]
  std::map<Origin, Command> commands_;
  std::vector<Answer> answers_;
  std::vector<raft::Term> committed_in_;  // [index - 1]: the leader's term at its commit
};

}  // namespace tenaz::sim
