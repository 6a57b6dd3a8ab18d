// When a majority of a cluster is lost for good: what one of the nodes that are left has on its disk, and a new cluster
// that begins with just that.
//
// What keeps the new cluster apart from the old one:
//   - its id is drawn at random, so nodes of the old cluster are refused, even if they come back as a majority;
//   - its term is above every term that this node has seen: terms never go back (hazards M29);
//   - it has one member, and all other ids are retired: none is ever used again;
//   - the store's revision is raised by a gap, and what lies before counts as compacted, as after a restore: the lost
//     nodes may have given out revisions that this one never saw (hazards M39).
//
// All entries of the own log are applied. The commit index is not on the disk, and any of them may have been
// acknowledged; that one never was is harmless, since its outcome was unknown to whoever sent it. But the lost nodes
// may have committed others in their place. An example, a node that led and was cut off:
//
//      index           7                    8                      the state on this disk is at index 7
//      here            put a "x", rev. 7    put b "mine", rev. 8   never acknowledged
//      on the others   put a "x", rev. 7    put b "theirs", rev. 8 acknowledged with ETag "8"
//
// A client that holds "8" must not match "mine" with it. So what came after the state on the disk, which is what is
// known to be committed, is written once more above the gap: b is "mine", but at revision 8 + gap + 1.
//
// Threads: one call at a time on a directory, which is locked meanwhile.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "raft/types.h"
#include "storage/options.h"
#include "storage/raft_log.h"
#include "storage/status.h"

namespace tenaz::storage {

// A stopped node, as its disk shows it.
struct Survivor {
  raft::NodeId node;
  std::string cluster_id;         // 16 raw bytes; all zero: it never joined one
  std::string storage_id;         // 16 raw bytes
  std::uint64_t incarnation = 0;  // starts on this disk
  raft::HardState hard_state;
  raft::Index first, last;  // of the log; first == last + 1: it is empty
  raft::Term last_term;
  std::uint64_t last_write_ms = 0;  // of the last entry with commands, by its leader's wall clock; 0: the log has none
  raft::Index applied;         // what the state holds durably: entries up to here were committed. More may have been
  std::uint64_t revision = 0;  // of that state
  raft::Configuration configuration;  // the last one in the log, committed or not
  raft::Index configuration_index;
};

// Changes nothing. Errors: those of RaftLog::examine; corruption (a state that is missing, or does not fit the log).
Result<Survivor> inspect(const std::filesystem::path& data_dir, const Identity& identity, const Options& options);

// Whether a new cluster can begin with this node. Errors: invalid (it is no member of its own configuration; or it is
// the only voter, so that no majority is lost).
Result<void> check_survivor(const Survivor& survivor);

struct NewCluster {
  std::string cluster_id;  // 16 raw bytes
  raft::Term term;
  raft::Index index;
  std::uint64_t last_revision = 0;  // with all of the own log
  std::uint64_t raised = 0;         // up to here everything counts as compacted
  std::uint64_t revision = 0;       // raised, and what was written once more
};

// `confirmed`: what inspect() found. Errors: as inspect and check_survivor; invalid (the node was started since, or its
// revision cannot be raised by `revision_gap`); no_space, io. After an error, and after a crash at any point, the node
// is what it was, but for one more start, or the new cluster is complete.
Result<NewCluster> recover_from_minority(const std::filesystem::path& data_dir, const Identity& identity,
                                         const Survivor& confirmed, std::uint64_t revision_gap, const Options& options);

}  // namespace tenaz::storage
