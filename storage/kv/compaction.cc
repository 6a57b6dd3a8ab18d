#include "storage/kv/compaction.h"

#include <string>

#include "storage/kv/key_encoding.h"
#include "storage/rocks.h"

namespace tenaz::storage::kv {

// What the filters need; shared with RocksDB, which holds the factories for as long as it likes.
struct Compactor::Shared {
  std::atomic<std::uint64_t> compact_revision{0};
  std::atomic<bool> open{false};  // db and data are set
  rocksdb::DB* db = nullptr;
  rocksdb::ColumnFamilyHandle* data = nullptr;
  std::atomic<std::uint64_t> markers_held{0};  // delete markers that still hide something
};

namespace {

using Shared = Compactor::Shared;
using Decision = rocksdb::CompactionFilter::Decision;

class DataFilter final : public rocksdb::CompactionFilter {
 public:
  explicit DataFilter(std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)), compact_revision_(shared_->compact_revision.load()) {}

  const char* Name() const override { return "tenaz.data"; }

  Decision FilterV2(int, const rocksdb::Slice& key, ValueType, const rocksdb::Slice& value, std::string*,
                    std::string*) const override {
    const std::string_view bytes = rocks::view(key);
    if (!is_data_key(bytes)) return Decision::kKeep;
    const std::string_view prefix = data_prefix_of(bytes);
    if (prefix != prefix_) {
      prefix_ = prefix;
      newest_seen_ = false;
    }
    const std::uint64_t revision = data_revision_of(bytes);
    if (revision > compact_revision_) return Decision::kKeep;
    // A newer version <= C was in this very compaction, and stays or hides nothing: no reader can reach this one.
    if (newest_seen_) return Decision::kRemove;
    newest_seen_ = true;
    const auto version = decode_data_value(revision, rocks::view(value));
    if (!version || version->live) return Decision::kKeep;
    if (hides_something(prefix, revision)) {
      shared_->markers_held.fetch_add(1, std::memory_order_relaxed);
      return Decision::kKeep;
    }
    return Decision::kRemove;
  }

 private:
  // Versions that this compaction is about to drop count as well: they are there until it is done.
  bool hides_something(std::string_view prefix, std::uint64_t revision) const {
    rocksdb::ReadOptions read;
    read.prefix_same_as_start = true;
    read.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> it(shared_->db->NewIterator(read, shared_->data));
    std::string older(prefix);
    append_revision(older, revision - 1);
    it->Seek(older);
    return !it->status().ok() || (it->Valid() && it->key().starts_with(rocks::slice(prefix)));
  }

  std::shared_ptr<Shared> shared_;
  const std::uint64_t compact_revision_;
  // RocksDB calls a filter from one thread, in key order.
  mutable std::string prefix_;
  mutable bool newest_seen_ = false;
};

class ChangesFilter final : public rocksdb::CompactionFilter {
 public:
  explicit ChangesFilter(std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)), compact_revision_(shared_->compact_revision.load()) {}

  const char* Name() const override { return "tenaz.changes"; }

  Decision FilterV2(int, const rocksdb::Slice& key, ValueType, const rocksdb::Slice& value, std::string*,
                    std::string*) const override {
    if (key.size() != kChangeKeyBytes) return Decision::kKeep;
    const std::uint64_t revision = change_revision_of(rocks::view(key));
    if (revision > compact_revision_) return Decision::kKeep;
    const auto change = decode_change(rocks::view(value));
    if (!change) return Decision::kKeep;
    rocksdb::ReadOptions read;
    read.fill_cache = false;
    rocksdb::PinnableSlice found;
    const auto status = shared_->db->Get(read, shared_->data, data_key(change->key, revision), &found);
    return status.IsNotFound() ? Decision::kRemove : Decision::kKeep;
  }

 private:
  std::shared_ptr<Shared> shared_;
  const std::uint64_t compact_revision_;
};

template <class Filter>
class Factory final : public rocksdb::CompactionFilterFactory {
 public:
  Factory(std::shared_ptr<Shared> shared, const char* name) : shared_(std::move(shared)), name_(name) {}
  const char* Name() const override { return name_; }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    if (!shared_->open.load() || shared_->compact_revision.load() == 0) return nullptr;
    return std::make_unique<Filter>(shared_);
  }

 private:
  std::shared_ptr<Shared> shared_;
  const char* name_;
};

}  // namespace

Compactor::Compactor() : shared_(std::make_shared<Shared>()) {}
Compactor::~Compactor() = default;

std::shared_ptr<rocksdb::CompactionFilterFactory> Compactor::data_filter() const {
  return std::make_shared<Factory<DataFilter>>(shared_, "tenaz.data");
}

std::shared_ptr<rocksdb::CompactionFilterFactory> Compactor::changes_filter() const {
  return std::make_shared<Factory<ChangesFilter>>(shared_, "tenaz.changes");
}

void Compactor::start(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* data, rocksdb::ColumnFamilyHandle* changes,
                      std::uint64_t compact_revision) {
  db_ = db;
  data_ = data;
  changes_ = changes;
  shared_->db = db;
  shared_->data = data;
  shared_->compact_revision = compact_revision;
  shared_->open = true;
  wanted_ = done_ = compact_revision;
  thread_ = std::thread([this] { run(); });
}

void Compactor::durable(std::uint64_t compact_revision) {
  std::lock_guard guard(mutex_);
  if (compact_revision <= wanted_) return;
  wanted_ = compact_revision;
  shared_->compact_revision = compact_revision;
  changed_.notify_all();
}

void Compactor::wait_idle() {
  std::unique_lock guard(mutex_);
  changed_.wait(guard, [&] { return stopping_ || done_ == wanted_; });
}

void Compactor::stop() {
  {
    std::lock_guard guard(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (!thread_.joinable()) return;
  db_->DisableManualCompaction();
  thread_.join();
}

void Compactor::run() {
  std::unique_lock guard(mutex_);
  for (;;) {
    changed_.wait(guard, [&] { return stopping_ || done_ != wanted_; });
    if (stopping_) return;
    const std::uint64_t target = wanted_;
    guard.unlock();
    // The second round drops the markers whose older versions the first one dropped.
    shared_->markers_held = 0;
    const bool again = compact_once() && shared_->markers_held.load() != 0;
    if (again) compact_once();
    guard.lock();
    done_ = target;
    changed_.notify_all();
  }
}

// Errors end up as RocksDB's background error, which the next write reports.
bool Compactor::compact_once() {
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  return db_->CompactRange(options, data_, nullptr, nullptr).ok() &&
         db_->CompactRange(options, changes_, nullptr, nullptr).ok();
}

}  // namespace tenaz::storage::kv
