// Forgetting history, physically. A Compact command only raises the compact revision; what lies below it is dropped
// here, by filters in RocksDB's compactions and by one background thread that asks for a compaction when the revision
// has risen.
//
// Only the DURABLE compact revision counts (hazards M36): after a crash the store may be back at an earlier one, and
// readers at that one must still find everything.
//
// With C the durable compact revision:
//   data      of each key the newest version <= C stays, older ones go. A delete marker that is that newest version
//   goes too,
//             once a look-up shows that nothing older of its key exists in any file: while something does, the marker
//             must hide it.
//   changes   a change <= C goes once `data` no longer holds its version.
// A compaction sees only some files, so each rule is one that is right for any subset of the versions.
//
// Threads: durable() from any; the filters on RocksDB's threads.
#pragma once

#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

namespace tenaz::storage::kv {

class Compactor {
 public:
  Compactor();
  ~Compactor();  // stop() comes first

  // For the column families' options; each keeps its own share of the state.
  std::shared_ptr<rocksdb::CompactionFilterFactory> data_filter() const;
  std::shared_ptr<rocksdb::CompactionFilterFactory> changes_filter() const;

  // The database is open and stands durably at `compact_revision`.
  void start(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* data, rocksdb::ColumnFamilyHandle* changes,
             std::uint64_t compact_revision);
  // The durable compact revision has become this.
  void durable(std::uint64_t compact_revision);
  // Waits until all that durable() asked for is done.
  void wait_idle();
  // Ends the background work; before the database closes.
  void stop();

  struct Shared;

 private:
  void run();
  bool compact_once();

  std::shared_ptr<Shared> shared_;
  rocksdb::DB* db_ = nullptr;
  rocksdb::ColumnFamilyHandle* data_ = nullptr;
  rocksdb::ColumnFamilyHandle* changes_ = nullptr;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t wanted_ = 0;
  std::uint64_t done_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tenaz::storage::kv
