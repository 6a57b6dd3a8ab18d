// The Raft log, hard state and identity of this node: the RocksDB instance in <data_dir>/raft, with WAL, every write
// synced.
//
// Threads: write(), compact() and reset() on one thread (the log writer); LogReader calls and accessors from any. A
// reader sees an entry only once it is durable.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "raft/log_reader.h"
#include "raft/output.h"
#include "storage/figure.h"
#include "storage/options.h"
#include "storage/status.h"

namespace tenaz::storage {

// Whose directory this is. Written at first start, compared at every later one.
struct Identity {
  // 16 raw bytes, as the configuration has it: a cluster that came from a backup has another, which only the
  // directory knows. Empty: of whichever cluster the node joins or has joined. A new directory is given none
  // then, until set_cluster().
  std::string cluster_id;
  raft::NodeId node_id;
};

// What is known durably about a peer's disk (design: identity).
struct PeerPin {
  raft::NodeId id;
  std::string storage_id;         // 16 raw bytes
  std::uint64_t incarnation = 0;  // the highest that it has shown
  std::uint64_t boot = 0;         // of that start

  // No disk ever shows it: one pinned with it has lost what it acknowledged and is never trusted again.
  static constexpr std::uint64_t kDistrusted = ~std::uint64_t{0};
};

class RaftLog final : public raft::LogReader {
 public:
  // Opens or founds <data_dir>/raft. A new one is founded with `founding` as the configuration at index 0 and a fresh
  // random storage id; an existing one must carry the same identity and keeps its own configuration. Every successful
  // open raises the incarnation by one, durably.
  // Errors: locked, wrong_identity (a fenced directory too), removed, newer_format, corruption (a damaged log, or
  // synced bytes that are missing: the message says to remove the node and add it anew), io, no_space.
  static Result<std::unique_ptr<RaftLog>> open(const std::filesystem::path& data_dir, const Identity& identity,
                                               const raft::Configuration& founding, const Options& options);
  ~RaftLog() override;

  // Founds <data_dir>/raft for a cluster that begins with a state at `meta`, in `term`: open() finds it later, whatever
  // comes in between. `configured`: the node, and the cluster id as its configuration has it; the cluster is
  // `cluster_id`. The caller holds the lock on `data_dir`. Nothing may be there but that state, in `state_directory`.
  static Result<void> found_restored(const std::filesystem::path& data_dir, const Identity& configured,
                                     const std::string& cluster_id, const raft::SnapshotMeta& meta, raft::Term term,
                                     const std::string& state_directory, const Options& options);

  // The log of a stopped node, to be looked at: nothing is changed, and nobody else can open it meanwhile. Errors:
  // those of open(), and invalid (no node was ever founded here).
  static Result<std::unique_ptr<const RaftLog>> examine(const std::filesystem::path& data_dir, const Identity& identity,
                                                        const Options& options);

  // --- what stands at start ---------------------------------------------------------------------------------------
  raft::HardState hard_state() const;
  // The configuration at the compaction point (first_index() - 1) and where it was appended.
  raft::Configuration configuration() const;
  raft::Index configuration_index() const;
  std::string cluster_id() const;     // 16 raw bytes; all zero: not known yet
  std::string storage_id() const;     // 16 raw bytes, drawn once per disk
  std::uint64_t incarnation() const;  // starts of this node on this disk
  // A random number for each of the last starts on this disk, the present one first; at most kBootsKept. A copy that
  // was put back and started again shows another number for the same start.
  static constexpr std::size_t kBootsKept = 64;
  const std::vector<std::uint64_t>& boots() const;
  std::string state_directory() const;  // name below <data_dir> of the state machine's directory in force
  std::optional<PeerPin> pin_of(raft::NodeId node) const;

  // --- raft::LogReader ----------------------------------------------------------------------------------------------
  raft::Index first_index() const override;
  raft::Index last_index() const override;
  std::optional<raft::Term> term(raft::Index index) const override;
  // Empty only if `from` has been compacted since the caller looked. Stops the process if an entry cannot be read.
  std::vector<raft::Entry> entries(raft::Index from, raft::Index to, std::size_t max_bytes) const override;

  // --- writing ------------------------------------------------------------------------------------------------------
  // Makes all of `writes` durable, in order, in one synced batch. After an error nothing more may be written: the node
  // stops.
  Result<void> write(std::span<const raft::Persist> writes);

  // Forgets entries up to `index` (durable in the state machine and <= last_index()). `configuration`: in force at
  // `index`.
  Result<void> compact(raft::Index index, const raft::Configuration& configuration, raft::Index configuration_index);

  // A snapshot replaces everything: in one synced batch the log becomes empty behind `meta`, and `state_directory` is
  // in force. Entries after meta.index are dropped too.
  Result<void> reset(const raft::SnapshotMeta& meta, const std::string& state_directory);

  // For a node whose state, and nothing else, was lost: `state_directory`, with a state that others hold as committed
  // at `meta`, comes in force in one synced batch. A log that holds the very entry (index, term) agrees with the others
  // up to there (thesis 3.5), and stays as it is: what follows has been acknowledged and must not be forgotten.
  // Otherwise it ends before, or went another way, and what it holds of that is committed in the state or never will
  // be: as reset(). Nothing may be running on this log. Requires meta.index >= first_index() - 1.
  Result<void> replace_state(const raft::SnapshotMeta& meta, const std::string& state_directory);

  // The node leaves its cluster and begins another, `cluster_id`, with the state at `meta` in `state_directory`: in one
  // synced batch, the term is the next one, without a vote, the log is empty behind `meta`, and no peer's disk is
  // known. The id that the configuration file stands for stays with the log, so that the same file fits. Nothing may be
  // running on this log.
  Result<void> begin_cluster(const std::string& cluster_id, const raft::SnapshotMeta& meta,
                             const std::string& state_directory);

  // Remembers a peer's disk, synced. A distrusted one stays so.
  Result<void> pin(const PeerPin& pin);

  // The other members have shown that this disk forgot what it promised: open() refuses it from now on, with `reason`.
  // Synced.
  Result<void> fence(const std::string& reason);

  // The node was removed from its cluster: open() says so from now on. Synced.
  Result<void> retire(const std::string& reason);

  // A node that joins has learned which cluster it is. Synced. Requires that cluster_id() is all zero.
  Result<void> set_cluster(const std::string& cluster_id);

  std::vector<Figure> figures() const;

  // Bytes of entries between first_index() and last_index(), about.
  std::uint64_t bytes() const;
  // The first index whose removal still leaves about `retain_bytes` behind it, never past `limit`.
  raft::Index compaction_target(raft::Index limit, std::uint64_t retain_bytes) const;

 private:
  class Impl;
  explicit RaftLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenaz::storage
