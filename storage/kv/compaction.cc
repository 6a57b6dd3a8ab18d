#include "storage/kv/compaction.h"

#include <rocksdb/convenience.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
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

constexpr std::uint64_t kOutputFileBytes = 32 << 20;
constexpr auto kWaitForOthers = std::chrono::milliseconds(20);
constexpr auto kWaitAfterFailure = std::chrono::minutes(1);

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

void Compactor::start(rocksdb::DB* db, const Families& families, std::uint64_t compact_revision,
                      std::uint64_t reclaimed, bool with_thread) {
  db_ = db;
  families_ = families;
  shared_->db = db;
  shared_->families = families;
  shared_->compact_revision = compact_revision;
  shared_->open = true;
  wanted_ = compact_revision;
  done_ = with_thread ? std::min(reclaimed, compact_revision) : compact_revision;
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
  // Nothing else breaks CompactFiles off.
  rocksdb::CancelAllBackgroundWork(db_, false);
  thread_.join();
}

void Compactor::run() {
  std::unique_lock guard(mutex_);
  for (;;) {
    changed_.wait(guard, [&] { return stopping_ || done_ != wanted_; });
    if (stopping_) return;
    const std::uint64_t target = wanted_;
    guard.unlock();
    const bool done = compact_once();
    if (done) note(target);
    guard.lock();
    if (!done) {
      changed_.wait_for(guard, kWaitAfterFailure, [&] { return stopping_; });
      continue;
    }
    done_ = target;
    changed_.notify_all();
  }
}

// A batch of its own beside the applier's is safe, since every flush takes all that was written before it. Written out
// soon, lest a node that rests do the same work again at each start. Should either fail, it will.
void Compactor::note(std::uint64_t reclaimed) {
  rocksdb::WriteOptions write;
  write.disableWAL = true;
  if (!db_->Put(write, families_.meta, rocks::slice(kReclaimedKey), encode_number(reclaimed)).ok()) return;
  rocksdb::FlushOptions flush;
  flush.wait = false;
  flush.allow_write_stall = true;
  db_->Flush(flush, {families_.meta, families_.latest, families_.history, families_.changes}).PermitUncheckedError();
}

// `history` before `changes`, whose filter asks there. An error that ends up as RocksDB's background error stops the
// node at its next write; after any other it is tried again.
bool Compactor::compact_once() {
  for (auto* family : {families_.latest, families_.history, families_.changes})
    if (!compact_family(family)) return false;
  return true;
}

// Level by level downwards, to where the most lies, and there file by file. Never by CompactRange, see the header: what
// is in memory is younger than the compact revision anyway, so that the files are all that matters.
bool Compactor::compact_family(rocksdb::ColumnFamilyHandle* family) {
  const auto levels = [&] {
    rocksdb::ColumnFamilyMetaData shape;
    db_->GetColumnFamilyMetaData(family, &shape);
    return std::move(shape.levels);
  };
  std::set<std::string> mine;  // come out of this, thus without what should go
  const int levels_in_all = static_cast<int>(levels().size());
  for (int level = 0; level < levels_in_all; ++level) {
    std::string base;
    int next = level + 1;
    if (level == 0 && db_->GetProperty(family, rocksdb::DB::Properties::kBaseLevel, &base))
      next = std::max(1, std::atoi(base.c_str()));
    bool deepest = level > 0;
    std::deque<std::string> files;
    for (const auto& here : levels()) {
      if (here.level > level && !here.files.empty()) deepest = false;
      if (here.level == level)
        for (const auto& file : here.files) files.push_back(file.name);
    }
    for (; !files.empty(); files.pop_front()) {
      if (deepest && mine.count(files.front()) != 0) continue;
      if (!compact_file(family, level, files.front(), deepest ? level : next, mine)) return false;
    }
    if (deepest) break;
  }
  return true;
}

// With all that overlaps it in the levels down to `output`. Nothing to do when it is not in its level any more: then it
// was merged into the next one, or put there as it is. False: an error, or stopped.
bool Compactor::compact_file(rocksdb::ColumnFamilyHandle* family, int level, const std::string& name, int output,
                             std::set<std::string>& mine) {
  rocksdb::CompactionOptions options;
  options.compression = rocksdb::kDisableCompressionOption;  // that of the column family
  options.output_file_size_limit = kOutputFileBytes;
  for (;;) {
    rocksdb::ColumnFamilyMetaData shape;
    db_->GetColumnFamilyMetaData(family, &shape);
    const auto& files = shape.levels.at(static_cast<std::size_t>(level)).files;
    if (std::none_of(files.begin(), files.end(), [&](const auto& file) { return file.name == name; })) return true;
    std::vector<std::string> outputs;
    const auto began = std::chrono::steady_clock::now();
    const auto status = db_->CompactFiles(options, family, {name}, output, -1, &outputs);
    if (status.ok()) {
      for (const auto& path : outputs) mine.insert(path.substr(path.rfind('/')));
      return rest(std::chrono::steady_clock::now() - began);
    }
    // Aborted: RocksDB is compacting it, or what overlaps it. InvalidArgument: it has just done so.
    if (!status.IsAborted() && !status.IsInvalidArgument()) return false;
    if (!rest(kWaitForOthers)) return false;
  }
}

bool Compactor::rest(std::chrono::nanoseconds time) {
  std::unique_lock guard(mutex_);
  return !changed_.wait_for(guard, time, [&] { return stopping_; });
}

}  // namespace tenaz::storage::kv
