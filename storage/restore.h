// A node of a NEW cluster from a backup: its data directory, ready for its first start. Every first member of that
// cluster is restored from the same file, each on its own disk, and all come to the same state at the same index.
//
// What keeps the new cluster apart from the old one:
//   - its id is a hash of what the configuration says (name, first members, token), of the backup and of the gap. So
//     nodes of the old cluster are refused, though the file may name the same members; and nodes that were restored
//     from different backups, or with different gaps, refuse each other.
//   - its term is above every term of the backup: terms never go back (hazards M29).
//   - the store's revision is raised by a gap, and what lies before counts as compacted (hazards M39). The old cluster
//     may have gone on after the backup: a revision that it gave out then, and that a client still holds for If-Match,
//     must not come to stand for other content. What was not changed since keeps its revisions, content and ETag.
//   - its members are those of the configuration; ids that were removed in the old cluster may be used again, since no
//     node of it can be met.
//
// Threads: one call at a time on a directory, which it locks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "backup/reader.h"
#include "raft/types.h"
#include "storage/options.h"
#include "storage/raft_log.h"
#include "storage/status.h"

namespace tenaz::storage {

// More than a cluster writes between a backup and its loss: 11 days at 1,000 writes a second.
inline constexpr std::uint64_t kRevisionGap = 1'000'000'000;
// JSON readers take numbers up to here for exact.
inline constexpr std::uint64_t kMaxRevision = std::uint64_t{1} << 53;

struct RestoreRequest {
  std::filesystem::path data_dir;  // absent, or empty
  Identity configured;             // cluster id as the configuration has it, and the node
  raft::Configuration members;     // the first ones of the new cluster
  std::uint64_t revision_gap = kRevisionGap;
};

struct Restored {
  backup::Summary backup;
  std::string cluster_id;  // 16 raw bytes
  raft::Term term;
  raft::Index index;
  std::uint64_t revision = 0;
};

// 16 raw bytes: the first half of SHA-256 over "tenaz-restored-1", the configured id (16 raw bytes), the backup's
// sha256 (64 hex digits) and the gap (u64, little-endian).
std::string restored_cluster_id(const std::string& configured_id, const std::string& backup_sha256,
                                std::uint64_t revision_gap);

// The whole backup is checked before anything is written. Errors: corruption or newer_format (of the backup), invalid
// (a directory that holds something, or a gap that is out of range), locked, io, no_space; the directory is as it was
// then. Interrupted, it leaves a directory that RaftLog::open refuses, and that a further restore starts anew.
Result<Restored> restore_backup(const std::string& file, const RestoreRequest& request, const Options& options);

}  // namespace tenaz::storage
