// Opening the Raft log: founding, identity, and the checks that nothing synced has been lost.
#include <rocksdb/table.h>

#include "storage/bytes.h"
#include "storage/data_marker.h"
#include "storage/raft_log_impl.h"
#include "storage/rocks.h"

namespace tenaz::storage {
namespace {

namespace fs = std::filesystem;
using format::GroupField;

constexpr const char* kFoundingStateDirectory = "state-0-0";

std::string hex(std::string_view raw) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : raw) {
    out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

Result<FoundFiles> look(const fs::path& data_dir, Platform& platform) {
  FoundFiles found;
  const fs::path raft = data_dir / "raft";
  found.founded = platform.exists(raft / Watermark::kFileName);
  found.database = platform.exists(raft / "CURRENT");
  if (const auto names = platform.list(raft)) {
    for (const auto& name : *names) found.tables |= name.ends_with(".sst");
  }
  const auto names = platform.list(data_dir);
  if (!names) return names.error();
  for (const auto& name : *names) {
    if (name.starts_with("state-")) found.state = name;
  }
  return found;
}

rocksdb::Options database_options(const Options& options, const fs::path& directory, bool create) {
  rocksdb::Options o;
  rocks::common_options(o, Platform::of(options), directory);
  o.create_if_missing = create;
  // A torn record at the end was never acknowledged; damage anywhere else is an error and not the end of the log.
  o.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  // reclaim() writes the memory table out at log_buffer_bytes; this is the bound if the state falls behind.
  o.write_buffer_size = options.log_buffer_bytes * 2;
  o.max_write_buffer_number = 2;
  o.compression = rocksdb::kNoCompression;
  o.target_file_size_base = 32 << 20;
  o.level0_file_num_compaction_trigger = 4;
  o.allow_concurrent_memtable_write = false;
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;  // entries are read once, in order
  table.block_size = 32 << 10;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return o;
}

}  // namespace

Result<std::unique_ptr<RaftLog>> RaftLog::open(const fs::path& data_dir, const Identity& identity,
                                               const raft::Configuration& founding, const Options& options) {
  const fs::path absolute = resolved(data_dir);
  Platform& platform = Platform::of(options);
  if (auto made = platform.make_directories(absolute); !made) return made.error();
  auto lock = platform.lock(absolute);
  if (!lock) return lock.error();
  auto impl = std::make_unique<Impl>(absolute, std::move(*lock), options);
  if (auto opened = impl->open(identity, founding); !opened) return opened.error();
  return std::unique_ptr<RaftLog>(new RaftLog(std::move(impl)));
}

Result<std::unique_ptr<const RaftLog>> RaftLog::examine(const fs::path& data_dir, const Identity& identity,
                                                        const Options& options) {
  const fs::path absolute = resolved(data_dir);
  Platform& platform = Platform::of(options);
  if (!platform.exists(absolute / "raft"))
    return Error{ErrorCode::invalid, absolute.string() + " is not the data directory of a node: it holds no raft/"};
  auto lock = platform.lock(absolute);
  if (!lock) return lock.error();
  auto impl = std::make_unique<Impl>(absolute, std::move(*lock), options);
  if (auto examined = impl->examine(identity); !examined) return examined.error();
  return std::unique_ptr<const RaftLog>(new RaftLog(std::move(impl)));
}

Error RaftLog::Impl::lost(const std::string& what) const {
  return {ErrorCode::corruption,
          what +
              ". This node has lost part of its Raft log (term, vote or entries that it may have "
              "acknowledged) and must not vote under this identity again: remove it from the "
              "cluster, empty its data directory " +
              data_dir.string() + " and add it anew."};
}

Result<void> RaftLog::Impl::check_found(const FoundFiles& found) const {
  if (DataMarker::stands(data_dir)) {
    return Error{ErrorCode::corruption,
                 "a restore into " + data_dir.string() + " was interrupted: do it again, or empty the directory"};
  }
  if (!found.database && (found.founded || found.tables)) {
    return lost(directory.string() + " has no CURRENT file any more");
  }
  if (!found.database && !found.state.empty()) {
    return lost(data_dir.string() + " holds " + found.state + " but no Raft log");
  }
  return {};
}

Result<void> RaftLog::Impl::examine(const Identity& identity) {
  const auto found_here = look(data_dir, platform);
  if (!found_here) return found_here.error();
  if (auto whole = check_found(*found_here); !whole) return whole;
  if (!found_here->database)
    return Error{ErrorCode::invalid, data_dir.string() + " is not the data directory of a node: its raft/ is empty"};
  const std::optional<Synced> synced_before = Watermark::read(directory, platform);
  if (auto opened = open_database(Opening::only_read); !opened) return opened;
  if (auto checked = check_identity(identity); !checked) return checked;
  if (auto loaded = load(); !loaded) return loaded;
  return check_watermark(synced_before);
}

Result<void> RaftLog::Impl::open(const Identity& identity, const raft::Configuration& founding) {
  const auto found_here = look(data_dir, platform);
  if (!found_here) return found_here.error();
  if (auto whole = check_found(*found_here); !whole) return whole;
  const std::optional<Synced> synced_before = Watermark::read(directory, platform);
  if (auto opened = open_database(found_here->database ? Opening::existing : Opening::create); !opened) return opened;

  const auto record = get(format::kIdentityKey);
  if (!record) return record.error();
  if (!*record) {
    // A founding that was interrupted left an empty database and nothing else.
    if (found_here->founded || !found_here->state.empty())
      return lost("the Raft log in " + directory.string() + " is empty");
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(rocksdb::ReadOptions()));
    it->SeekToFirst();
    if (it->Valid() || !it->status().ok()) return lost("the Raft log in " + directory.string() + " has no identity");
    Founding founded;
    founded.cluster_id = identity.cluster_id.empty() ? std::string(16, '\0') : identity.cluster_id;
    founded.node_id = identity.node_id;
    founded.configuration.configuration = founding;
    founded.state_directory = kFoundingStateDirectory;
    if (auto done = found(founded); !done) return done;
  }
  if (auto checked = check_identity(identity); !checked) return checked;
  if (auto loaded = load(); !loaded) return loaded;
  if (auto checked = check_watermark(synced_before); !checked) return checked;

  auto opened = Watermark::open(directory, platform);
  if (!opened) return opened.error();
  watermark.emplace(std::move(*opened));
  if (auto raised = begin_start(); !raised) return raised;
  if (auto done = watermark->sync(); !done) return done;
  for (const auto& path : {directory, data_dir, data_dir.parent_path()}) {
    if (auto done = platform.sync_directory(path); !done) return done;
  }
  return {};
}

Result<void> RaftLog::Impl::begin_start() {
  const auto random = platform.random_bytes(8);
  if (!random) return random.error();
  ++starts.incarnation;
  starts.boots.insert(starts.boots.begin(), bytes::get_le(random->data(), 8));
  if (starts.boots.size() > kBootsKept) starts.boots.resize(kBootsKept);
  rocksdb::WriteBatch batch;
  batch.Put(rocks::slice(format::kIncarnationKey), format::encode(starts));
  return commit(batch, shape.bounds(), hard_state);
}

Result<void> RaftLog::Impl::open_database(Opening opening) {
  rocksdb::DB* opened = nullptr;
  const auto how = database_options(options, directory, opening == Opening::create);
  const auto status = opening == Opening::only_read ? rocksdb::DB::OpenForReadOnly(how, directory.string(), &opened)
                                                    : rocksdb::DB::Open(how, directory.string(), &opened);
  if (!status.ok()) {
    Error error = rocks::error(status, "cannot open the Raft log in " + directory.string(), "");
    if (error.code == ErrorCode::corruption) return lost(error.message);
    return error;
  }
  db.reset(opened);
  return {};
}

Result<std::optional<std::string>> RaftLog::Impl::get(std::string_view key) const {
  std::string value;
  const auto status = db->Get(rocksdb::ReadOptions(), rocks::slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) {
    Error error = rocks::error(status, "cannot read the Raft log in " + directory.string(), "");
    if (error.code == ErrorCode::corruption) return lost(error.message);
    return error;
  }
  return std::optional<std::string>(std::move(value));
}

// One synced batch holds everything, so that an interrupted founding leaves either nothing or all of it. It is written
// out as a table at once: the loss of a write-ahead log alone never makes a founded directory look like a fresh one.
Result<void> RaftLog::Impl::found(const Founding& founding) {
  const auto id = platform.random_bytes(16);
  if (!id) return id.error();
  rocksdb::WriteBatch batch;
  batch.Put(rocks::slice(format::kIdentityKey),
            format::encode(format::IdentityRecord{format::kRaftFormat, founding.cluster_id, founding.node_id, *id}));
  if (!founding.configured_id.empty()) batch.Put(rocks::slice(format::kConfiguredKey), founding.configured_id);
  batch.Put(rocks::slice(format::kIncarnationKey), format::encode(format::Starts{}));
  batch.Put(rocks::slice(format::kCountKey), format::encode_number(1));
  batch.Put(format::group_key(group, GroupField::bounds), format::encode(founding.bounds));
  batch.Put(format::group_key(group, GroupField::hard_state), format::encode(founding.hard_state));
  batch.Put(format::group_key(group, GroupField::configuration),
            format::encode_configuration(founding.configuration.index, founding.configuration.configuration));
  batch.Put(format::group_key(group, GroupField::state_directory), founding.state_directory);
  rocksdb::WriteOptions write;
  write.sync = true;
  auto status = db->Write(write, &batch);
  rocksdb::FlushOptions flush;
  flush.wait = platform.has_threads();
  if (status.ok()) status = db->Flush(flush);
  platform.run_queued();
  if (!status.ok()) return rocks::error(status, "cannot found the Raft log in " + directory.string(), "");
  return {};
}

Result<void> RaftLog::Impl::check_identity(const Identity& identity) const {
  const auto stored = get(format::kIdentityKey);
  if (!stored) return stored.error();
  const auto record = *stored ? format::decode_identity(**stored) : std::nullopt;
  if (!record) return lost("the identity in " + directory.string() + " is damaged");
  if (record->format > format::kRaftFormat) {
    return Error{ErrorCode::newer_format, "the data directory " + data_dir.string() + " has format " +
                                              std::to_string(record->format) + ", this version of tenaz knows up to " +
                                              std::to_string(format::kRaftFormat) + ": use the newer version"};
  }
  const auto configured = get(format::kConfiguredKey);
  if (!configured) return configured.error();
  const bool other_cluster =
      !identity.cluster_id.empty() && configured->value_or(record->cluster_id) != identity.cluster_id;
  if (other_cluster || record->node_id != identity.node_id) {
    return Error{ErrorCode::wrong_identity, "the data directory " + data_dir.string() + " belongs to node " +
                                                std::to_string(record->node_id.value) + " of cluster " +
                                                hex(record->cluster_id) + ", but the configuration says node " +
                                                std::to_string(identity.node_id.value) +
                                                (other_cluster ? " of cluster " + hex(identity.cluster_id) : "")};
  }
  const auto removed = get(format::kRemovedKey);
  if (!removed) return removed.error();
  if (*removed) {
    return Error{ErrorCode::removed, "node " + std::to_string(record->node_id.value) +
                                         " was removed from its cluster (" + **removed +
                                         "). To take part again it needs an empty data directory instead of " +
                                         data_dir.string() + ", and an id that was never used in the cluster"};
  }
  const auto fenced = get(format::kFencedKey);
  if (!fenced) return fenced.error();
  if (*fenced) {
    return Error{ErrorCode::wrong_identity,
                 "the data directory " + data_dir.string() + " is fenced, since the other members know better: " +
                     **fenced + ". Remove this node from the cluster, empty the directory and add it anew"};
  }
  return {};
}

Result<void> RaftLog::Impl::load() {
  const std::string_view keys[] = {format::kIdentityKey, format::kIncarnationKey, format::kCountKey};
  std::string values[7];
  std::size_t n = 0;
  for (const auto key : keys) {
    auto value = get(key);
    if (!value) return value.error();
    values[n++] = value->value_or("");
  }
  for (const auto field :
       {GroupField::bounds, GroupField::hard_state, GroupField::configuration, GroupField::state_directory}) {
    auto value = get(format::group_key(group, field));
    if (!value) return value.error();
    values[n++] = value->value_or("");
  }
  const auto record = format::decode_identity(values[0]);
  auto started = format::decode_starts(values[1]);
  const auto writes = format::decode_number(values[2]);
  const auto bounds = format::decode_bounds(values[3]);
  const auto hard = format::decode_hard_state(values[4]);
  auto placed = format::decode_configuration(values[5]);
  if (!record || !started || !writes || !bounds || !hard || !placed || values[6].empty()) {
    return lost("a record of the Raft log in " + directory.string() + " is missing or damaged");
  }
  cluster_id = record->cluster_id;
  storage_id = record->storage_id;
  starts = std::move(*started);
  count = *writes;
  hard_state = *hard;
  configuration = std::move(*placed);
  state_directory = values[6];

  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(rocksdb::ReadOptions()));
  for (it->Seek(rocks::slice(format::kPinPrefix));
       it->Valid() && it->key().starts_with(rocks::slice(format::kPinPrefix)); it->Next()) {
    const auto pin = format::decode_pin(rocks::view(it->key()), rocks::view(it->value()));
    if (!pin) return lost("a peer's record in " + directory.string() + " is damaged");
    pins[pin->id] = *pin;
  }
  if (!it->status().ok()) return lost("cannot read " + directory.string() + ": " + it->status().ToString());
  return load_entries(*bounds);
}

// Reads every entry once: all are there, none is damaged, and their terms never fall.
Result<void> RaftLog::Impl::load_entries(const format::Bounds& bounds) {
  shape = LogShape(bounds.first.previous(), bounds.before_term);
  const std::string upper_key = format::entry_key(group, bounds.last.next());
  const rocksdb::Slice upper(upper_key);
  rocksdb::ReadOptions read;
  read.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(read));
  it->Seek(format::entry_key(group, bounds.first));
  raft::Term before = bounds.before_term;
  for (raft::Index index = bounds.first; index <= bounds.last; index = index.next(), it->Next()) {
    const bool here = it->Valid() && format::entry_index(group, rocks::view(it->key())) == index;
    const auto term = here ? format::check_entry(index, rocks::view(it->value())) : std::nullopt;
    if (!term || *term < before) {
      return lost("entry " + std::to_string(index.value) + " of the Raft log in " + directory.string() +
                  (it->status().ok() ? (here ? " is damaged" : " is missing") : ": " + it->status().ToString()));
    }
    before = *term;
    shape.append(index, *term, it->key().size() + it->value().size());
  }
  if (shape.bounds() != bounds || hard_state.term < bounds.last_term) {
    return lost("the entries of the Raft log in " + directory.string() + " do not match its bounds or term");
  }
  return {};
}

Result<void> RaftLog::Impl::check_watermark(const std::optional<Synced>& before) const {
  if (!before) return {};
  if (before->storage_id != storage_id) {
    return lost((directory / Watermark::kFileName).string() + " belongs to another disk than the log beside it");
  }
  if (count < before->count) {
    return lost("the last " + std::to_string(before->count - count) + " synced writes of the Raft log in " +
                directory.string() + " are gone");
  }
  if (count == before->count && synced(shape.bounds(), hard_state) != *before) {
    return lost("the Raft log in " + directory.string() + " ends elsewhere than its last synced write");
  }
  return {};
}

}  // namespace tenaz::storage
