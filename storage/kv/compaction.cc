#include "storage/kv/compaction.h"

#include <algorithm>
#include <string>
#include <vector>

#include "storage/kv/key_encoding.h"
#include "storage/rocks.h"

namespace tenaz::storage::kv {

// What the filters need; shared with RocksDB, which holds the factories for as long as it likes.
struct Compactor::Shared {
  std::atomic<std::uint64_t> compact_revision{0};
  std::atomic<bool> open{false};  // db and families are set
  rocksdb::DB* db = nullptr;
  Families families;
};

namespace {

using Shared = Compactor::Shared;


using Decision = rocksdb::CompactionFilter::Decision;

// Keeps what it does not understand: the reader that meets it reports the damage.
class Filter : public rocksdb::CompactionFilter {
 public:
  explicit Filter(std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)), compact_revision_(shared_->compact_revision.load()) {}

  Decision FilterV2(int, const rocksdb::Slice& key, ValueType, const rocksdb::Slice& value, std::string*,
                    std::string*) const final {
    return unreachable(rocks::view(key), rocks::view(value)) ? Decision::kRemove : Decision::kKeep;
  }

 protected:
  virtual bool unreachable(std::string_view key, std::string_view value) const = 0;

  const std::shared_ptr<Shared> shared_;
  const std::uint64_t compact_revision_;
};

class LatestFilter final : public Filter {
 public:
  using Filter::Filter;
  const char* Name() const override { return "tenaz.latest"; }
  bool unreachable(std::string_view, std::string_view value) const override {
    const auto version = decode_version(value);
    return version && !version->live && version->mod <= compact_revision_;
  }
};

class HistoryFilter final : public Filter {
 public:
  using Filter::Filter;
  const char* Name() const override { return "tenaz.history"; }
  bool unreachable(std::string_view key, std::string_view value) const override {
    const auto past = decode_past(key, value);
    return past && past->end <= compact_revision_;
  }
};

class ChangesFilter final : public Filter {
 public:
  using Filter::Filter;
  const char* Name() const override { return "tenaz.changes"; }
  bool unreachable(std::string_view key, std::string_view value) const override {
    if (key.size() != kChangeKeyBytes) return false;
    const std::uint64_t revision = change_revision_of(key);
    if (revision > compact_revision_) return false;
    const auto change = decode_change(value);
    if (!change) return false;
    return change->marker || !in_force(change->key, revision);
  }

 private:
  // Whether a reader at or after the compact revision can see this version. Any doubt says yes. `latest` is asked
  // first: a version that is overwritten in between is in `history` by then, as both change in one batch.
  bool in_force(std::string_view user_key, std::uint64_t revision) const {
    rocksdb::ReadOptions read;
    read.fill_cache = false;
    rocksdb::PinnableSlice bytes;
    auto status = shared_->db->Get(read, shared_->families.latest, rocks::slice(user_key), &bytes);
    if (status.ok()) {
      const auto version = decode_version(rocks::view(bytes));
      if (!version || version->mod == revision) return true;
    } else if (!status.IsNotFound()) {
      return true;
    }
    bytes.Reset();
    const std::string key = history_key(user_key, revision);
    status = shared_->db->Get(read, shared_->families.history, key, &bytes);
    if (status.IsNotFound()) return false;
    const auto past = status.ok() ? decode_past(key, rocks::view(bytes)) : std::nullopt;
    return !past || past->end > compact_revision_;
  }
};

template <class F>
class Factory final : public rocksdb::CompactionFilterFactory {
 public:
  Factory(std::shared_ptr<Shared> shared, const char* name) : shared_(std::move(shared)), name_(name) {}
  const char* Name() const override { return name_; }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    if (!shared_->open.load() || shared_->compact_revision.load() == 0) return nullptr;
    return std::make_unique<F>(shared_);
  }

 private:
  std::shared_ptr<Shared> shared_;
  const char* name_;
};

}  // namespace

Compactor::Compactor() : shared_(std::make_shared<Shared>()) {}
Compactor::~Compactor() = default;

std::shared_ptr<rocksdb::CompactionFilterFactory> Compactor::latest_filter() const {
  return std::make_shared<Factory<LatestFilter>>(shared_, "tenaz.latest");
}

std::shared_ptr<rocksdb::CompactionFilterFactory> Compactor::history_filter() const {
  return std::make_shared<Factory<HistoryFilter>>(shared_, "tenaz.history");
}

std::shared_ptr<rocksdb::CompactionFilterFactory> Compactor::changes_filter() const {
  return std::make_shared<Factory<ChangesFilter>>(shared_, "tenaz.changes");
}

void Compactor::start(rocksdb::DB* db, const Families& families, std::uint64_t compact_revision, bool with_thread) {
  db_ = db;
  families_ = families;
  shared_->db = db;
  shared_->families = families;
  shared_->compact_revision = compact_revision;
  shared_->open = true;
  // What an earlier process left undone is done with the next compaction. (Noting here, beside the applier's batches,
  // how far it got, and going on right after an opening, made StateMachineTwin fail one time in eight.)
  wanted_ = done_ = compact_revision;
  if (with_thread) thread_ = std::thread([this] { run(); });
}

void Compactor::durable(std::uint64_t compact_revision) {
  std::lock_guard guard(mutex_);
  if (compact_revision <= wanted_) return;
  wanted_ = compact_revision;
  shared_->compact_revision = compact_revision;
  if (!thread_.joinable()) done_ = wanted_;
  changed_.notify_all();
}

std::uint64_t Compactor::reclaimed() const {
  std::lock_guard guard(mutex_);
  return done_;
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
    static_cast<void>(compact_once());
    guard.lock();
    done_ = target;
    changed_.notify_all();
  }
}

// `history` before `changes`, whose filter asks there. Errors end up as RocksDB's background error, which the next
// write reports.
bool Compactor::compact_once() {
  for (auto* family : {families_.latest, families_.history, families_.changes})
    if (!compact_family(family)) return false;
  return true;
}

// The files of the lowest level say where to cut: they are most of what there is, and do not overlap.
bool Compactor::compact_family(rocksdb::ColumnFamilyHandle* family) {
  rocksdb::ColumnFamilyMetaData shape;
  db_->GetColumnFamilyMetaData(family, &shape);
  std::vector<std::string> cuts;
  for (auto level = shape.levels.rbegin(); level != shape.levels.rend() && cuts.empty(); ++level) {
    if (level->level == 0) break;  // these do overlap
    for (const auto& file : level->files) cuts.push_back(file.smallestkey);
  }
  std::sort(cuts.begin(), cuts.end());
  if (!cuts.empty()) cuts.erase(cuts.begin());  // the first piece begins at the beginning

  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    const rocksdb::Slice begin = i == 0 ? rocksdb::Slice() : rocksdb::Slice(cuts[i - 1]);
    const rocksdb::Slice end = i == cuts.size() ? rocksdb::Slice() : rocksdb::Slice(cuts[i]);
    const auto began = std::chrono::steady_clock::now();
    const auto status =
        db_->CompactRange(options, family, i == 0 ? nullptr : &begin, i == cuts.size() ? nullptr : &end);
    if (!status.ok()) return false;
    if (!rest(std::chrono::steady_clock::now() - began)) return false;
  }
  return true;
}

bool Compactor::rest(std::chrono::nanoseconds time) {
  std::unique_lock guard(mutex_);
  return !changed_.wait_for(guard, time, [&] { return stopping_; });
}

}  // namespace tenaz::storage::kv
