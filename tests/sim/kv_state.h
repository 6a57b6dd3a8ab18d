// A small twin of the storage room's state machine: the same commands, revisions and results, kept in memory. Copies
// share their history.
#pragma once

#include <map>
#include <memory>
#include <optional>
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

  using Cells = std::map<std::string, Cell, std::less<>>;

  raft::Index applied;
  raft::Term term;
  storage::Revision revision;
  storage::Revision compact_revision;
  Cells cells;
  // Of the content; equal contents have equal digests, whatever way they came about.
  std::uint64_t digest = 0;

  storage::CommandResult apply(const storage::pb::Command& command);
  // What the cells were at a revision that is not above this state's; compacted ones too.
  Cells at(storage::Revision wanted) const;

 private:
  // What a revision replaced, and the one before it.
  struct Change {
    storage::Revision revision;
    std::vector<std::pair<std::string, std::optional<Cell>>> before;
    std::shared_ptr<const Change> earlier;
  };
  storage::CommandResult put(const storage::pb::Put& put);
  storage::CommandResult remove(const std::string& key, const storage::pb::Condition& condition);
  storage::CommandResult remove_range(const storage::pb::DeleteRange& range);
  storage::CommandResult compact(storage::Revision upto);
  storage::CommandResult refused(const Cell* cell) const;
  bool holds(const storage::pb::Condition& condition, const Cell* cell) const;
  const Cell* find(const std::string& key) const;
  void remember(std::vector<std::pair<std::string, std::optional<Cell>>> before);

  std::shared_ptr<const Change> last_;
};

}  // namespace tenaz::sim
