// The RocksDB instance of one state directory: its column families, options, memory, and what of it is durable. It
// knows nothing of commands. Threads: open and destruction apart, all calls from any thread.
//
// What may write out. A crash must leave whole batches, so that each flush has to take all column families as they
// stand between two batches. flush() names them all, and what RocksDB does by itself for a full buffer it does between
// two writes. But where it flushes on the way to something else, up to version 8.0 it chooses the column families that
// hold anything first and only then waits for the batch that is being written (its change 11148): a family that this
// batch or a later one is the first to write to stays in memory, while the rest of the batch becomes durable. Then
// entries are applied twice, or history is lost. So never call CompactRange, GetLiveFiles, or CreateCheckpoint with a
// flush, on a database that is being written; nor does one that could not write go on by itself (storage/rocks.cc).
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "storage/kv/compaction.h"
#include "storage/kv/history_clock.h"
#include "storage/kv/key_encoding.h"
#include "storage/options.h"
#include "storage/platform.h"
#include "storage/status.h"

namespace tenaz::storage::kv {

class Database {
 public:
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& directory, const Options& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB& db() const { return *db_; }
  rocksdb::ColumnFamilyHandle* meta() const { return meta_; }
  rocksdb::ColumnFamilyHandle* latest() const { return latest_; }
  rocksdb::ColumnFamilyHandle* history() const { return history_; }
  rocksdb::ColumnFamilyHandle* changes() const { return changes_; }
  const std::filesystem::path& directory() const { return directory_; }
  Platform& platform() const { return platform_; }

  // What stood at open.
  const Applied& opened_at() const { return opened_at_; }
  std::uint64_t opened_compact_revision() const { return opened_compact_; }
  void load(HistoryClock& clock) const { clock.load(opened_clock_ms_, opened_wall_ms_, opened_marks_); }

  Result<void> write(rocksdb::WriteBatch& batch);
  // All column families at once; without `wait` it may come to nothing while RocksDB has stopped all writes.
  Result<void> flush(bool wait);
  raft::Index durable_index() const { return raft::Index(durable_index_.load()); }
  // Called, from RocksDB's threads too, when durable_index() has risen.
  void on_durable(std::function<void(raft::Index)> callback);

  Compactor& compactor() { return compactor_; }
  std::uint64_t reclaimed() const { return compactor_.reclaimed(); }
  std::size_t cache_bytes() const;
  // The sum of an integer property over the column families.
  std::uint64_t property(const std::string& name) const;
  std::uint64_t running(bool compactions) const;  // else flushes
  bool writes_stopped() const;
  std::uint64_t delayed_rate() const;  // bytes per second that RocksDB lets in; 0: not delayed

  // An Error for an operator from what RocksDB said while `doing`.
  Error error(const rocksdb::Status& status, std::string_view doing) const;
  Error damaged(std::string_view what) const;

 private:
  class Listener;
  Database(std::filesystem::path directory, Platform& platform)
      : directory_(std::move(directory)), platform_(platform) {}
  Result<void> load();
  Result<void> load_clock();
  Result<std::string> read_meta(rocksdb::ReadTier tier, std::string_view key) const;
  // Reads what the tables say, not the memory: see the design, crash safety.
  void refresh_durable();

  const std::filesystem::path directory_;
  Platform& platform_;
  Compactor compactor_;
  std::shared_ptr<rocksdb::Cache> cache_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* meta_ = nullptr;
  rocksdb::ColumnFamilyHandle* latest_ = nullptr;
  rocksdb::ColumnFamilyHandle* history_ = nullptr;
  rocksdb::ColumnFamilyHandle* changes_ = nullptr;
  Applied opened_at_;
  std::uint64_t opened_compact_ = 0;
  std::uint64_t opened_clock_ms_ = 0;
  std::uint64_t opened_wall_ms_ = 0;
  std::vector<HistoryClock::Mark> opened_marks_;

  std::atomic<bool> ready_{false};
  std::mutex durable_mutex_;  // refreshes one at a time, and guards the callback
  std::atomic<std::uint64_t> durable_index_{0};
  std::function<void(raft::Index)> callback_;
};

// Where a directory stands that is not open: an image.
Result<Applied> applied_of(const std::filesystem::path& directory, Platform& platform);

// All that stands for the whole in such a directory.
struct Standing {
  Applied applied;
  std::uint64_t compact_revision = 0;
  std::string configuration;  // as kConfigurationKey says; empty: none was ever applied
};
Result<Standing> standing_of(const std::filesystem::path& directory, Platform& platform);
// Makes it stand so, in one durable step. The directory is nobody else's yet.
Result<void> put_standing(const std::filesystem::path& directory, const Options& options, const Standing& standing);

}  // namespace tenaz::storage::kv
