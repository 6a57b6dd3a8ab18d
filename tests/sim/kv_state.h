// A small twin of the storage room's state machine: the same commands, revisions and results, kept in memory, without
// history.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "raft/types.h"
#include "storage/command.h"
#include "storage/state_machine.h"

namespace tenaz::sim {

struct KvState {
  struct Cell {
    std::string value;
    storage::Revision create_revision;
    storage::Revision mod_revision;
    std::uint64_t version = 0;
  };

  raft::Index applied;
  raft::Term term;
  storage::Revision revision;
  storage::Revision compact_revision;
  std::map<std::string, Cell, std::less<>> cells;
  // Of the content; equal contents have equal digests, whatever way they came about.
  std::uint64_t digest = 0;

  storage::CommandResult apply(const storage::pb::Command& command);

 private:
  storage::CommandResult put(const storage::pb::Put& put);
  storage::CommandResult remove(const std::string& key, const storage::pb::Condition& condition);
  storage::CommandResult remove_range(const storage::pb::DeleteRange& range);
  storage::CommandResult compact(storage::Revision upto);
  storage::CommandResult refused(const Cell* cell) const;
  bool holds(const storage::pb::Condition& condition, const Cell* cell) const;
  const Cell* find(const std::string& key) const;
};

}  // namespace tenaz::sim
