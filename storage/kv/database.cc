#include "storage/kv/database.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include <cstdlib>

#include "storage/bytes.h"
#include "storage/rocks.h"

namespace tenaz::storage::kv {
namespace {

// All versions of a key share a prefix: a Bloom filter over prefixes answers "no version in this file".
class KeyPrefix final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "tenaz.key.1"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    return {key.data(), key.size() - kRevisionBytes};
  }
  bool InDomain(const rocksdb::Slice& key) const override { return is_history_key(rocks::view(key)); }
};

// An image must not collect log files.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::ColumnFamilyOptions family_options(const Options& options) {
  rocksdb::ColumnFamilyOptions o;
  o.write_buffer_size = options.write_buffer_bytes;
  o.max_write_buffer_number = 3;
  o.level_compaction_dynamic_level_bytes = true;
  o.target_file_size_base = 32 << 20;
  o.paranoid_file_checks = false;
  return o;
}

// In few parts: a block that is larger than its part is not kept.
std::shared_ptr<rocksdb::Cache> make_cache(std::size_t bytes) {
  constexpr std::size_t kPartBytes = 4 << 20;
  constexpr int kMaxBits = 6;
  int bits = 0;
  while (bits < kMaxBits && bytes >> (bits + 1) >= kPartBytes) ++bits;
  return rocksdb::NewLRUCache(bytes, bits);
}

rocksdb::BlockBasedTableOptions table_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions t;
  t.block_cache = cache;
  // A table of `latest` holds a million keys. Its filter in one piece takes more than a megabyte, of which a lookup
  // needs a few bytes, and which pushes everything else out of the cache.
  t.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  t.partition_filters = true;
  t.cache_index_and_filter_blocks = true;
  t.cache_index_and_filter_blocks_with_high_priority = true;
  t.pin_l0_filter_and_index_blocks_in_cache = true;
  t.format_version = 5;
  return t;
}

rocksdb::ColumnFamilyOptions latest_options(const Options& options, const std::shared_ptr<rocksdb::Cache>& cache,
                                            const Compactor& compactor) {
  auto o = family_options(options);
  auto t = table_options(cache);
  t.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(t));
  o.compression = rocksdb::kZSTD;
  o.memtable_whole_key_filtering = true;
  o.memtable_prefix_bloom_size_ratio = 0.02;
  o.level0_file_num_compaction_trigger = 6;
  o.compaction_filter_factory = compactor.latest_filter();
  return o;
}

rocksdb::ColumnFamilyOptions history_options(const Options& options, const std::shared_ptr<rocksdb::Cache>& cache,
                                             const Compactor& compactor) {
  auto o = family_options(options);
  auto t = table_options(cache);
  t.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  t.whole_key_filtering = false;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(t));
  o.prefix_extractor = std::make_shared<KeyPrefix>();
  o.compression = rocksdb::kZSTD;
  // Read seldom, so that many files cost little, and merging them is most of what is written for history.
  o.level0_file_num_compaction_trigger = 16;
  o.level0_slowdown_writes_trigger = 32;
  o.level0_stop_writes_trigger = 48;
  o.compaction_filter_factory = compactor.history_filter();
  return o;
}

rocksdb::ColumnFamilyOptions changes_options(const Options& options, const std::shared_ptr<rocksdb::Cache>& cache,
                                             const Compactor& compactor) {
  auto o = family_options(options);
  auto t = table_options(cache);
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(t));
  o.compression = rocksdb::kLZ4Compression;
  o.level0_file_num_compaction_trigger = 2;
  o.compaction_filter_factory = compactor.changes_filter();
  return o;
}

rocksdb::DBOptions database_options(const Options& options, const std::filesystem::path& directory) {
  rocksdb::Options o;
  rocks::common_options(o, Platform::of(options), directory);
  o.create_missing_column_families = true;
  o.atomic_flush = true;
  // One bound for the memory of all column families.
  o.db_write_buffer_size = options.write_buffer_bytes;
  // Destruction is no flush: what is durable is what flush() or RocksDB itself wrote out.
  o.avoid_flush_during_shutdown = true;
  return rocksdb::DBOptions(o);
}

}  // namespace

class Database::Listener final : public rocksdb::EventListener {
 public:
  explicit Listener(Database* database) : database_(database) {}
  const char* Name() const override { return "tenaz.durable"; }
  // With atomic_flush the notes come after all column families are in the manifest; the default one is in every flush.
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo& info) override {
    if (info.cf_name == rocksdb::kDefaultColumnFamilyName) database_->refresh_durable();
  }

 private:
  Database* database_;
};

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& directory, const Options& options) {
  Platform& platform = Platform::of(options);
  std::unique_ptr<Database> self(new Database(directory, platform));
  if (auto made = platform.make_directories(directory); !made) return made.error();
  self->cache_ = make_cache(options.cache_bytes);
  auto database = database_options(options, directory);
  database.listeners.push_back(std::make_shared<Listener>(self.get()));
  auto meta = family_options(options);
  meta.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table_options(self->cache_)));
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, meta},
      {"latest", latest_options(options, self->cache_, self->compactor_)},
      {"history", history_options(options, self->cache_, self->compactor_)},
      {"changes", changes_options(options, self->cache_, self->compactor_)}};
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const auto status = rocksdb::DB::Open(database, directory.string(), families, &handles, &db);
  if (!status.ok()) return self->error(status, "cannot open the state");
  self->db_.reset(db);
  self->meta_ = handles[0];
  self->latest_ = handles[1];
  self->history_ = handles[2];
  self->changes_ = handles[3];
  if (auto loaded = self->load(); !loaded) return loaded.error();
  if (auto synced = platform.sync_directory(std::filesystem::absolute(directory).parent_path()); !synced) {
    return synced.error();
  }
  return self;
}

Database::~Database() {
  compactor_.stop();
  if (!db_) return;
  rocksdb::CancelAllBackgroundWork(db_.get(), platform_.has_threads());
  for (auto* family : {meta_, latest_, history_, changes_}) {
    if (family != nullptr) db_->DestroyColumnFamilyHandle(family);
  }
  db_->Close();
}

Result<std::string> Database::read_meta(rocksdb::ReadTier tier, std::string_view key) const {
  rocksdb::ReadOptions read;
  read.read_tier = tier;
  std::string value;
  const auto status = db_->Get(read, meta_, rocks::slice(key), &value);
  if (!status.ok() && !status.IsNotFound()) return error(status, "cannot read the state");
  return value;
}

Result<void> Database::load() {
  auto format = read_meta(rocksdb::kReadAllTier, kFormatKey);
  auto applied = read_meta(rocksdb::kReadAllTier, kAppliedKey);
  auto compact = read_meta(rocksdb::kReadAllTier, kCompactKey);
  for (const auto* part : {&format, &applied, &compact}) {
    if (!*part) return part->error();
  }
  if (format->empty()) {
    // Fresh, or never flushed: the format goes out with the first flush.
    if (!applied->empty()) return damaged("it has no format");
    std::string number;
    bytes::put_le(number, kStateFormat, 4);
    rocksdb::WriteBatch batch;
    batch.Put(meta_, rocks::slice(kFormatKey), number);
    if (auto written = write(batch); !written) return written;
  } else {
    if (format->size() != 4) return damaged("its format is unreadable");
    const auto number = static_cast<std::uint32_t>(bytes::get_le(format->data(), 4));
    if (number > kStateFormat) {
      return Error{ErrorCode::newer_format, "the state in " + directory_.string() + " has format " +
                                                std::to_string(number) + ", this version of tenaz knows up to " +
                                                std::to_string(kStateFormat) + ": use the newer version"};
    }
    const auto decoded = applied->empty() ? std::optional<Applied>(Applied{}) : decode_applied(*applied);
    if (!decoded || (!compact->empty() && compact->size() != 8)) return damaged("its applied index is unreadable");
    opened_at_ = *decoded;
    opened_compact_ = compact->empty() ? 0 : bytes::get_le(compact->data(), 8);
  }
  if (auto loaded = load_clock(); !loaded) return loaded;
  const auto reclaimed = read_meta(rocksdb::kReadAllTier, kReclaimedKey);
  if (!reclaimed) return reclaimed.error();
  durable_index_ = opened_at_.index.value;
  compactor_.start(db_.get(), {meta_, latest_, history_, changes_}, opened_compact_,
                   reclaimed->size() == 8 ? bytes::get_le(reclaimed->data(), 8) : 0, platform_.has_threads());
  ready_ = true;
  return {};
}

Result<void> Database::load_clock() {
  const auto clock = read_meta(rocksdb::kReadAllTier, kClockKey);
  if (!clock) return clock.error();
  if (clock->empty()) return {};  // nothing was applied since there are clocks
  if (clock->size() != 16) return damaged("its clock is unreadable");
  opened_clock_ms_ = bytes::get_le(clock->data(), 8);
  opened_wall_ms_ = bytes::get_le(clock->data() + 8, 8);
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions(), meta_));
  for (it->Seek(rocks::slice(kMarkPrefix)); it->Valid(); it->Next()) {
    const auto revision = mark_revision_of(rocks::view(it->key()));
    if (!revision) break;
    if (it->value().size() != 8) return damaged("its clock is unreadable");
    opened_marks_.push_back({*revision, bytes::get_le(it->value().data(), 8)});
  }
  if (!it->status().ok()) return error(it->status(), "cannot read the state");
  return {};
}

Result<void> Database::write(rocksdb::WriteBatch& batch) {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  if (const auto status = db_->Write(options, &batch); !status.ok()) return error(status, "cannot write the state");
  return {};
}

Result<void> Database::flush(bool wait) {
  rocksdb::FlushOptions options;
  options.wait = wait && platform_.has_threads();
  options.allow_write_stall = true;
  const auto status = db_->Flush(options, {meta_, latest_, history_, changes_});
  // Writes are stopped until files are merged, and a flush that nobody waits for is refused: a later one makes up for
  // it.
  if (status.IsTryAgain() && !wait) return {};
  if (!status.ok()) return error(status, "cannot write out the state");
  if (wait) {
    platform_.run_queued();
    refresh_durable();
  }
  return {};
}

void Database::refresh_durable() {
  if (!ready_) return;
  std::lock_guard guard(durable_mutex_);
  const auto bytes = read_meta(rocksdb::kPersistedTier, kAppliedKey);
  const auto applied = bytes ? decode_applied(*bytes) : std::nullopt;
  if (!applied || applied->index.value <= durable_index_) return;
  const auto compact = read_meta(rocksdb::kPersistedTier, kCompactKey);
  durable_index_ = applied->index.value;
  if (compact && compact->size() == 8) compactor_.durable(bytes::get_le(compact->data(), 8));
  if (callback_) callback_(applied->index);
}

void Database::on_durable(std::function<void(raft::Index)> callback) {
  std::lock_guard guard(durable_mutex_);
  callback_ = std::move(callback);
}

std::size_t Database::cache_bytes() const {
  return cache_->GetUsage();
}

std::uint64_t Database::property(const std::string& name) const {
  std::uint64_t sum = 0;
  for (auto* family : {meta_, latest_, history_, changes_}) {
    std::string value;
    if (db_->GetProperty(family, name, &value)) sum += std::strtoull(value.c_str(), nullptr, 10);
  }
  return sum;
}

std::uint64_t Database::running(bool compactions) const {
  std::uint64_t value = 0;
  db_->GetIntProperty(compactions ? "rocksdb.num-running-compactions" : "rocksdb.num-running-flushes", &value);
  return value;
}

bool Database::writes_stopped() const {
  std::uint64_t value = 0;
  return db_->GetIntProperty("rocksdb.is-write-stopped", &value) && value != 0;
}

std::uint64_t Database::delayed_rate() const {
  std::uint64_t value = 0;
  db_->GetIntProperty("rocksdb.actual-delayed-write-rate", &value);
  return value;
}

Error Database::error(const rocksdb::Status& status, std::string_view doing) const {
  return rocks::error(status, std::string(doing) + " in " + directory_.string(),
                      "Stop the node, move this directory out of the data directory and start again: the node gets its "
                      "state from its log and from another node.");
}

Error Database::damaged(std::string_view what) const {
  return error(rocksdb::Status::Corruption(rocks::slice(what)), "the state is damaged");
}

Result<Applied> applied_of(const std::filesystem::path& directory, Platform& platform) {
  auto standing = standing_of(directory, platform);
  if (!standing) return standing.error();
  return standing->applied;
}

Result<Standing> standing_of(const std::filesystem::path& directory, Platform& platform) {
  rocksdb::Options options;
  options.env = platform.env();
  options.info_log = std::make_shared<NoLog>();
  options.max_open_files = 16;  // of a few records; by default it would open all tables
  rocksdb::DB* opened = nullptr;
  auto status = rocksdb::DB::OpenForReadOnly(options, directory.string(), &opened);
  const std::unique_ptr<rocksdb::DB> db(opened);
  const auto get = [&](std::string_view key) {
    std::string value;
    if (status.ok()) status = db->Get(rocksdb::ReadOptions(), rocks::slice(key), &value);
    if (status.IsNotFound()) status = rocksdb::Status();
    return value;
  };
  const std::string applied = get(kAppliedKey), compact = get(kCompactKey);
  Standing standing;
  standing.configuration = get(kConfigurationKey);
  const auto decoded = applied.empty() ? std::optional(Applied()) : decode_applied(applied);
  if (!status.ok() || !decoded || (!compact.empty() && compact.size() != 8))
    return rocks::error(status.ok() ? rocksdb::Status::Corruption("a record of it is unreadable") : status,
                        "cannot read the image in " + directory.string(), "Make it anew.");
  standing.applied = *decoded;
  if (!compact.empty()) standing.compact_revision = bytes::get_le(compact.data(), 8);
  return standing;
}

Result<void> put_standing(const std::filesystem::path& directory, const Options& options, const Standing& standing) {
  auto database = Database::open(directory, options);
  if (!database) return database.error();
  std::string compact;
  bytes::put_le(compact, standing.compact_revision, 8);
  rocksdb::WriteBatch batch;
  batch.Put((*database)->meta(), rocks::slice(kAppliedKey), encode_applied(standing.applied));
  batch.Put((*database)->meta(), rocks::slice(kCompactKey), compact);
  batch.Put((*database)->meta(), rocks::slice(kConfigurationKey), standing.configuration);
  // The clock's marks that a compact command for this revision would have taken away.
  HistoryClock clock;
  (*database)->load(clock);
  for (const std::uint64_t revision : clock.forget(standing.compact_revision))
    batch.Delete((*database)->meta(), mark_key(revision));
  if (auto written = (*database)->write(batch); !written) return written;
  return (*database)->flush(true);
}

}  // namespace tenaz::storage::kv
