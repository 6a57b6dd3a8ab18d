// Forgetting history, physically. A Compact command only raises the compact revision; what lies below it is dropped
// here, by filters in RocksDB's compactions and by one background thread that asks for a compaction when the revision
// has risen: piece after piece, about a file's worth each, and it rests between them for as long as the last one took,
// so that disk and processor stay free for whoever writes. What it has done is noted in the state, so that after a
// restart it goes on with what it has not. It writes nothing out but by a flush of everything: see Database, what may
// write out.
//
// Only the DURABLE compact revision counts (hazards M36): after a crash the store may be back at an earlier one, and
// readers at that one must still find everything.
//
// With C the durable compact revision, no reader can reach
//   latest    a delete marker at or below C: without it the key is absent just the same
//   history   a version that ended at or below C
//   changes   at or below C: a deletion, or a put whose version is neither the latest nor one that ended after C
// Each rule looks at one entry (for changes: and at whether its version is in force), so it is right whatever subset of
// the files a compaction sees. A marker in `latest` that is dropped above an older entry of its key leaves RocksDB's
// own tombstone there.
//
// Threads: durable() from any; the filters on RocksDB's threads.
#pragma once

#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

namespace tenaz::storage::kv {

class Compactor {
 public:
  struct Families {
    rocksdb::ColumnFamilyHandle* meta = nullptr;
    rocksdb::ColumnFamilyHandle* latest = nullptr;
    rocksdb::ColumnFamilyHandle* history = nullptr;
    rocksdb::ColumnFamilyHandle* changes = nullptr;
  };

  Compactor();
  ~Compactor();  // stop() comes first

  // For the column families' options; each keeps its own share of the state.
  std::shared_ptr<rocksdb::CompactionFilterFactory> latest_filter() const;
  std::shared_ptr<rocksdb::CompactionFilterFactory> history_filter() const;
  std::shared_ptr<rocksdb::CompactionFilterFactory> changes_filter() const;

  // The database is open and stands durably at `compact_revision`; the space below `reclaimed` is got back already.
  // Without a thread nothing asks for compactions, and what is forgotten goes with those that RocksDB makes of itself.
  void start(rocksdb::DB* db, const Families& families, std::uint64_t compact_revision, std::uint64_t reclaimed,
             bool with_thread);
  // The durable compact revision has become this.
  void durable(std::uint64_t compact_revision);
  // The files have been rewritten for this compact revision; for a later one they are being, or will be. Any thread.
  std::uint64_t reclaimed() const;
  // Waits until all that durable() asked for is done.
  void wait_idle();
  // Ends the background work; before the database closes.
  void stop();

  struct Shared;

 private:
  void run();
  void note(std::uint64_t reclaimed);
  // False: stopped before its end.
  bool compact_once();
  bool compact_family(rocksdb::ColumnFamilyHandle* family);
  bool compact_file(rocksdb::ColumnFamilyHandle* family, int level, const std::string& name, int output,
                    std::set<std::string>& mine);
  bool rest(std::chrono::nanoseconds time);

  std::shared_ptr<Shared> shared_;
  rocksdb::DB* db_ = nullptr;
  Families families_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t wanted_ = 0;
  std::uint64_t done_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tenaz::storage::kv
