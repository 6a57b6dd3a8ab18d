// The inside of RaftLog: private to raft_log.cc (working) and raft_log_open.cc (founding, checks at open).
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>

#include "storage/data_lock.h"
#include "storage/log_shape.h"
#include "storage/platform.h"
#include "storage/raft_log.h"
#include "storage/raft_log_format.h"
#include "storage/watermark.h"

namespace tenaz::storage {

// What lies in the data directory before anything is opened.
struct FoundFiles {
  bool founded = false;   // raft/ has its watermark file: a founding was finished here
  bool database = false;  // raft/ has RocksDB's CURRENT
  bool tables = false;    // raft/ has tables
  std::string state;      // a state directory, if there is any
};

class RaftLog::Impl {
 public:
  Impl(std::filesystem::path data_dir, DataLock lock, const Options& options)
      : data_dir(std::move(data_dir)), directory(this->data_dir / "raft"), lock(std::move(lock)), options(options) {}

  // --- raft_log_open.cc
  // -----------------------------------------------------------------------------------------------
  Result<void> open(const Identity& identity, const raft::Configuration& founding);
  enum class Opening { create, existing, only_read };
  Result<void> open_database(Opening opening);
  Result<void> check_found(const FoundFiles& found) const;
  Result<void> examine(const Identity& identity);
  Result<void> begin_start();
  // What a directory begins with.
  struct Founding {
    std::string cluster_id;
    std::string configured_id;  // empty: the same
    raft::NodeId node_id;
    format::Bounds bounds;
    raft::HardState hard_state;
    format::PlacedConfiguration configuration;
    std::string state_directory;
  };
  Result<void> found(const Founding& founding);
  Result<void> check_identity(const Identity& identity) const;
  Result<void> load();
  Result<void> load_entries(const format::Bounds& bounds);
  Result<void> check_watermark(const std::optional<Synced>& synced) const;
  Error lost(const std::string& what) const;
  // The value of a key; nothing if it is absent.
  Result<std::optional<std::string>> get(std::string_view key) const;

  // --- raft_log.cc
  // ---------------------------------------------------------------------------------------------------- Adds the
  // count, makes the batch durable, then moves the watermark. Needs write_mutex. `after`: what the batch brings about,
  // for the watermark.
  Result<void> commit(rocksdb::WriteBatch& batch, const format::Bounds& after, const raft::HardState& hard);
  Synced synced(const format::Bounds& bounds, const raft::HardState& hard) const;
  void delete_entries(rocksdb::WriteBatch& batch, raft::Index from, raft::Index to) const;
  // After entries up to first_index() - 1 went: give back files, and write the memory table out if it is due.
  void reclaim();

  const std::filesystem::path data_dir;
  const std::filesystem::path directory;
  DataLock lock;
  const Options options;
  Platform& platform = Platform::of(options);
  const raft::GroupId group = raft::kDefaultGroup;
  std::unique_ptr<rocksdb::DB> db;
  std::optional<Watermark> watermark;

  // Held by whoever writes; guards what only writers use.
  std::mutex write_mutex;
  std::uint64_t count = 0;
  std::uint64_t unflushed_bytes = 0;  // written since the memory table was last written out
  std::optional<Error> failed;

  // Guards what readers see, against the writer. Never held over a write, so that no reader waits for the disk: an
  // entry is out of `shape` before it is removed and in it once it is durable.
  mutable std::shared_mutex mutex;
  LogShape shape;
  raft::HardState hard_state;
  format::PlacedConfiguration configuration;
  std::string state_directory;
  std::string cluster_id;
  std::string storage_id;
  format::Starts starts;
  std::map<raft::NodeId, PeerPin> pins;
};

}  // namespace tenaz::storage
