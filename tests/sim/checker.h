// What must hold in every run, whatever goes wrong. It sees all disks, all applied entries and all answers, and keeps
// the one true history against which each node is held. Raft's five properties (figure 3.2 of the thesis):
//   - election safety: one leader per term, whose own vote is durable and who has a majority; nobody grants two votes
//   - leader append-only: who leads never writes over an entry of its own
//   - log matching: two logs that share (index, term) are equal up to there
//   - leader completeness: a new leader's log holds all that is committed
//   - state machine safety: all nodes apply the same entries in the same order, each command once, and their states are
//     equal at equal indexes and at equal revisions
// And what makes them last:
//   - terms and votes on disk never go back, also over restarts; no node forgets a term in which it promised something
//   - what a leader commits is durable on a majority; an acknowledgement never promises more than the disk holds;
//   nobody
//     applies what is not durable in the own log
//   - a write that was answered was applied with that very result; one that was called not_applied never was
//   - what is read at a revision is what was written at it
//   - a lease does not outlive the election of another leader; who promises something would remember it
// And of the membership (thesis 4; checker_members.cc), where a majority is one of the configuration in force, of both
// halves of a joint one:
//   - a leader appends one change at a time, the next once the one before is committed, and the first after an entry of
//     its own term
//   - each committed configuration follows from the one before by a step that joint consensus knows, and no two of them
//     in a row have disjoint majorities; an id that was used is never used again
//   - a change that was answered is in force; one that was called not_applied never is
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "raft/core.h"
#include "raft/types.h"
#include "server/messages.h"
#include "server/node.h"
#include "tests/sim/kv_state.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

struct Disk;

class Checker {
 public:
  // `machines`: nodes that there may be; the first ones are the cluster's founders.
  Checker(World& world, const std::vector<const Disk*>& disks, std::size_t machines, raft::Configuration founding)
      : world_(world), disks_(disks), led_(machines), promised_(machines), remembered_(machines), seen_(machines) {
    configurations_.emplace_back(raft::Index{}, std::move(founding));
  }

  // A node's disk.
  void hard_state_written(std::size_t node, const raft::HardState& before, const raft::HardState& after);
  void entry_written(std::size_t node, const raft::Entry& entry, raft::Term term_before);

  // A node's process begins, with this term on its disk, and asks for a write.
  void starts(std::size_t node, raft::Term term);
  void writes(std::size_t node, const raft::Persist& write);
  // What its disk holds is about to be lost, and with it what it promised: others must see to it that this does no
  // harm.
  void disk_is_lost(std::size_t node);

  // A node says something.
  void sends(std::size_t node, std::size_t to, const server::PeerMessage& message);
  // After every call of a replica.
  void replica_state(std::size_t node, const raft::Core& core);

  // A node answers reads without asking the others (raft/lease.h): nobody led a later term when it found, at `judged`,
  // that its lease holds. The answer itself may come later, after a pause.
  void reads_by_lease(std::size_t node, raft::Term term, raft::Instant judged);

  // A node applies.
  void applies(std::size_t node, const raft::Entry& entry);
  void applied_command(std::size_t node, raft::Index index, std::size_t position, const storage::pb::Command& command,
                       const storage::CommandResult& result);
  void applied_state(std::size_t node, const KvState& state);

  // A client was answered.
  void answered(const storage::CommandOrigin& origin, const server::WriteResult& result);
  // Whoever asked for a change was answered.
  void change_answered(const raft::MembershipChange& change, const server::ChangeResult& result);
  // A client was shown these cells as all that lie in [start, end) (`end` empty: no end) at `revision`.
  void read(std::size_t node, storage::Revision revision, const std::string& start, const std::string& end,
            const KvState::Cells& cells);
  // What this write did; null: it was not applied.
  const storage::CommandResult* result_of(const storage::CommandOrigin& origin) const;
  // Before the run ends: all that clients were told, against what was applied.
  void check_answers();

  // The last one that anybody has applied, and where it stands.
  const std::pair<raft::Index, raft::Configuration>& last_configuration() const { return configurations_.back(); }
  std::size_t configurations() const { return configurations_.size() - 1; }

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
  void new_leader(std::size_t node, const raft::Core& core);
  void commits(std::size_t node, const raft::Core& core, bool fresh);

  // checker_members.cc
  bool held_by_quorum(const raft::Configuration& configuration, raft::Index index, raft::Term term) const;
  bool held_by_some_quorum(const raft::Core& leader, raft::Index index, raft::Term term, bool fresh) const;
  void changes_one_at_a_time(std::size_t node, const raft::Core& core);
  void configuration_committed(std::size_t node, const raft::Entry& entry);
  void check_change_answers();

  World& world_;
  const std::vector<const Disk*>& disks_;
  std::map<raft::Term, std::size_t> leaders_;
  std::map<raft::Term, raft::Instant> elected_;
  std::vector<raft::Term> led_;             // [node]: the last term that it was seen to lead in
  std::vector<raft::Term> promised_;        // [node]: the last term in which it gave a vote or acknowledged something
  std::vector<raft::Duration> remembered_;  // [node]: the longest promise to a leader that was ever on its disk
  // [node]: of its present process.
  struct Seen {
    bool leads = false;
    bool overwrote = false;  // entries, since it was last looked at
    raft::Term term;
    raft::Index commit;
    raft::Index written;   // the last entry that a write was asked for
    raft::Term noop_term;  // of the last no-op that it wrote, and where that stands
    raft::Index noop;
    raft::Index configuration;  // where the one in force stands
  };
  std::vector<Seen> seen_;
  std::vector<std::pair<std::size_t, std::shared_ptr<const Disk>>> lost_;  // disks, with their node, as they once were
  std::map<std::pair<raft::Term, std::size_t>, std::size_t> votes_;        // (term, voter) -> candidate
  std::unordered_map<std::uint64_t, std::uint64_t> entries_;  // (index, term) -> content and the term before
  std::vector<Applied> committed_;                            // [index - 1]
  KvState truth_;                                             // after all of them
  std::vector<std::uint64_t> digests_;                        // [revision - 1], of the cells
  std::map<Origin, Command> commands_;
  std::vector<Answer> answers_;
  std::vector<raft::Term> committed_in_;  // [index - 1]: the leader's term at its commit
  std::vector<std::pair<raft::Index, raft::Configuration>> configurations_;  // applied, the founding one first
  struct ChangeAnswer {
    raft::MembershipChange change;
    bool done = false;
    raft::Configuration configuration;
    raft::Index index;
  };
  std::vector<ChangeAnswer> change_answers_;
};

}  // namespace tenaz::sim
