// The replicated state: the RocksDB instance in <data_dir>/<state directory>, without WAL. Applied index, membership
// and data change in one batch; after a crash the state is that of the last flush and the Raft log replays the rest.
//
// Destruction does not flush: what is not durable by then is applied again from the log at the next start.
//
// Threads: apply() and flush() on one thread (the applier); everything const from any.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "raft/types.h"
#include "storage/figure.h"
#include "storage/kv/store.h"
#include "storage/options.h"
#include "storage/status.h"

namespace tenaz::storage {

// Who asked for a command: see pb::Origin.
struct CommandOrigin {
  raft::NodeId node;
  std::uint64_t boot = 0;
  std::uint64_t sequence = 0;
};

// What a command came to. The same on every replica.
struct CommandResult {
  enum class Code {
    ok,                   // done, or nothing to do (a delete of what was not there)
    precondition_failed,  // nothing changed; the current state is in the fields below
    too_many_keys,        // a range delete over its max_keys; nothing changed
    compacted,            // Compact: already compacted that far
    future_revision,      // Compact: beyond the store's revision
  };
  Code code = Code::ok;
  Revision revision;          // of the store after this command
  Revision create_revision;   // put: of the key
  Revision mod_revision;      // precondition_failed: of the key as it stands; 0 if absent
  std::uint64_t version = 0;  // put: of the key; 1 means created
  std::uint64_t deleted = 0;
};

struct Reply {
  CommandOrigin origin;
  CommandResult result;
};

struct ApplyOutcome {
  raft::Index index;  // the last one applied
  raft::Term term;    // of that entry
  Revision revision;
  std::vector<Reply> replies;  // in log order, only of commands with origin.node == the `self` given to apply
};

// The last entry that a state holds.
struct Position {
  raft::Index index;
  raft::Term term;
};

class StateMachine {
 public:
  // Errors: corruption, newer_format, io, no_space. A directory that is not there begins empty, at index 0.
  static Result<std::unique_ptr<StateMachine>> open(const std::filesystem::path& directory, const Options& options);
  ~StateMachine();

  // What is visible now, and what would stand after a crash.
  raft::Index applied_index() const;
  raft::Term applied_term() const;
  raft::Index durable_index() const;

  // Applies consecutive entries, the first at applied_index() + 1, in one atomic batch. A pure function of state and
  // entries. A payload that does not verify, an unknown apply version or an I/O error is an Error after which the node
  // stops.
  Result<ApplyOutcome> apply(std::span<const raft::Entry> entries, raft::NodeId self);

  // Makes everything applied durable. Blocks for as long as the disk takes.
  Result<void> flush();
  // Called from RocksDB's threads when durable_index() has moved by itself.
  void on_durable(std::function<void(raft::Index)> callback);

  const kv::Reader& reader() const;

  // The last configuration entry that was applied, and its index; nothing if none ever was.
  Result<std::optional<std::pair<raft::Index, raft::Configuration>>> configuration() const;

  // A digest of the live keys and their versions at the latest revision; equal on replicas at equal revisions. Reads
  // everything: for tests and tools.
  Result<std::string> digest() const;

  // An instant image of the state, flushed, in the new directory `path` on the same file system (hard links); where it
  // stands. For snapshots: see snapshot.h. Any thread but never two at once.
  Result<Position> checkpoint(const std::filesystem::path& path);

  // What compaction by age goes by: see kv/history_clock.h. Any thread; reads no disk.
  std::uint64_t history_clock_ms() const;
  Revision revision_at(std::uint64_t clock_ms) const;

  std::vector<Figure> figures() const;

  Platform& platform() const;

 private:
  class Impl;
  explicit StateMachine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenaz::storage
