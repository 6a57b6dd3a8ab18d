#include "storage/raft_log.h"

#include <rocksdb/convenience.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "storage/raft_log_impl.h"
#include "storage/rocks.h"

namespace tenaz::storage {
namespace {

using format::GroupField;

constexpr const char* kLostAdvice =
    "This node must not vote under this identity again: remove it from the cluster, empty its data directory and add "
    "it "
    "anew.";

// The core has no way on without its log: see raft/log_reader.h.
[[noreturn]] void stop_process(const std::string& message) {
  std::fprintf(stderr, "tenaz: fatal: %s\n", message.c_str());
  std::abort();
}

std::uint64_t stored_bytes(const raft::Entry& entry) {
  return entry.payload->size() + format::kEntryHeaderBytes + 13;
}

}  // namespace

RaftLog::RaftLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RaftLog::~RaftLog() = default;

raft::HardState RaftLog::hard_state() const {
  std::shared_lock guard(impl_->mutex);
  return impl_->hard_state;
}

raft::Configuration RaftLog::configuration() const {
  std::shared_lock guard(impl_->mutex);
  return impl_->configuration.configuration;
}

raft::Index RaftLog::configuration_index() const {
  std::shared_lock guard(impl_->mutex);
  return impl_->configuration.index;
}

std::string RaftLog::cluster_id() const {
  std::unique_lock guard(impl_->mutex);
  return impl_->cluster_id;
}
std::string RaftLog::storage_id() const {
  return impl_->storage_id;
}
std::uint64_t RaftLog::incarnation() const {
  return impl_->starts.incarnation;
}
const std::vector<std::uint64_t>& RaftLog::boots() const {
  return impl_->starts.boots;
}

std::string RaftLog::state_directory() const {
  std::shared_lock guard(impl_->mutex);
  return impl_->state_directory;
}

std::optional<PeerPin> RaftLog::pin_of(raft::NodeId node) const {
  std::shared_lock guard(impl_->mutex);
  const auto found = impl_->pins.find(node);
  return found == impl_->pins.end() ? std::nullopt : std::optional(found->second);
}

raft::Index RaftLog::first_index() const {
  std::shared_lock guard(impl_->mutex);
  return impl_->shape.first();
}

raft::Index RaftLog::last_index() const {
  std::shared_lock guard(impl_->mutex);
  return impl_->shape.last();
}

std::optional<raft::Term> RaftLog::term(raft::Index index) const {
  std::shared_lock guard(impl_->mutex);
  return impl_->shape.term(index);
}

std::vector<Figure> RaftLog::figures() const {
  const auto of = [this](const char* name) {
    std::uint64_t value = 0;
    impl_->db->GetIntProperty(name, &value);
    return static_cast<double>(value);
  };
  return {
      {"log_entries_bytes", static_cast<double>(bytes())},
      {"log_bytes", of("rocksdb.total-sst-files-size")},
      {"log_write_buffer_bytes", of("rocksdb.cur-size-all-mem-tables")},
      {"log_table_readers_bytes", of("rocksdb.estimate-table-readers-mem")},
      {"log_compaction_pending_bytes", of("rocksdb.estimate-pending-compaction-bytes")},
      {"log_compactions_running", of("rocksdb.num-running-compactions")},
      {"log_flushes_running", of("rocksdb.num-running-flushes")},
      {"log_writes_stopped", of("rocksdb.is-write-stopped")},
      {"log_writes_delayed_rate_bytes", of("rocksdb.actual-delayed-write-rate")},
  };
}

std::uint64_t RaftLog::bytes() const {
  std::shared_lock guard(impl_->mutex);
  return impl_->shape.bytes();
}

raft::Index RaftLog::compaction_target(raft::Index limit, std::uint64_t retain_bytes) const {
  std::shared_lock guard(impl_->mutex);
  return impl_->shape.compaction_target(limit, retain_bytes);
}

std::vector<raft::Entry> RaftLog::entries(raft::Index from, raft::Index to, std::size_t max_bytes) const {
  std::shared_lock guard(impl_->mutex);
  std::vector<raft::Entry> result;
  if (from < impl_->shape.first()) return result;
  if (from > to || to > impl_->shape.last()) stop_process("entries outside the log were asked for");

  const std::string upper_key = format::entry_key(impl_->group, to.next());
  const rocksdb::Slice upper(upper_key);
  rocksdb::ReadOptions read;
  read.iterate_upper_bound = &upper;
  read.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(impl_->db->NewIterator(read));
  std::size_t cost = 0;
  it->Seek(format::entry_key(impl_->group, from));
  for (raft::Index index = from; index <= to && cost <= max_bytes; index = index.next(), it->Next()) {
    std::optional<raft::Entry> entry;
    if (it->Valid() && format::entry_index(impl_->group, rocks::view(it->key())) == index) {
      entry = format::decode_entry(index, rocks::view(it->value()));
    }
    if (!entry || entry->term != impl_->shape.term(index)) {
      stop_process("entry " + std::to_string(index.value) + " of the log in " + impl_->directory.string() +
                   " cannot be read: " + (it->status().ok() ? "it is missing or damaged" : it->status().ToString()) +
                   ". " + kLostAdvice);
    }
    cost += entry->cost();
    result.push_back(std::move(*entry));
  }
  return result;
}

Synced RaftLog::Impl::synced(const format::Bounds& bounds, const raft::HardState& hard) const {
  return {storage_id, count, bounds.last, bounds.last_term, hard.term};
}

Result<void> RaftLog::Impl::commit(rocksdb::WriteBatch& batch, const format::Bounds& after,
                                   const raft::HardState& hard) {
  if (failed) return *failed;
  batch.Put(rocks::slice(format::kCountKey), format::encode_number(count + 1));
  rocksdb::WriteOptions write;
  write.sync = true;
  if (const auto status = db->Write(write, &batch); !status.ok()) {
    failed = rocks::error(status, "cannot write the Raft log in " + directory.string(), kLostAdvice);
    return *failed;
  }
  ++count;
  unflushed_bytes += batch.GetDataSize();
  if (auto moved = watermark->write(synced(after, hard)); !moved) {
    failed = moved.error();
    return *failed;
  }
  return {};
}

void RaftLog::Impl::delete_entries(rocksdb::WriteBatch& batch, raft::Index from, raft::Index to) const {
  if (from <= to) batch.DeleteRange(format::entry_key(group, from), format::entry_key(group, to.next()));
}

Result<void> RaftLog::write(std::span<const raft::Persist> writes) {
  std::unique_lock writing(impl_->write_mutex);
  std::size_t bytes = 256;
  for (const auto& write : writes) {
    for (const auto& entry : write.entries) bytes += stored_bytes(entry) + 16;
  }
  rocksdb::WriteBatch batch(bytes);
  raft::HardState hard = impl_->hard_state;
  format::Bounds bounds = impl_->shape.bounds();
  const format::Bounds before = bounds;
  std::optional<raft::Index> truncated;  // from there on
  for (const auto& write : writes) {
    if (write.hard_state) hard = *write.hard_state;
    if (write.entries.empty()) continue;
    const raft::Index front = write.entries.front().index;
    if (front < bounds.first || front > bounds.last.next()) stop_process("a write would leave a gap in the log");
    if (front <= before.last) truncated = std::min(truncated.value_or(front), front);
    impl_->delete_entries(batch, front, bounds.last);
    raft::Index index = front;
    for (const auto& entry : write.entries) {
      if (entry.index != index) stop_process("the entries of a write are not consecutive");
      const std::string key = format::entry_key(impl_->group, index);
      const std::string header = format::entry_header(entry);
      const rocksdb::Slice key_slice(key);
      const rocksdb::Slice value[] = {header, *entry.payload};
      batch.Put(nullptr, rocksdb::SliceParts(&key_slice, 1), rocksdb::SliceParts(value, 2));
      index = index.next();
    }
    bounds.last = write.entries.back().index;
    bounds.last_term = write.entries.back().term;
  }
  if (hard != impl_->hard_state) {
    batch.Put(format::group_key(impl_->group, GroupField::hard_state), format::encode(hard));
  }
  if (batch.Count() == 0) return {};
  if (bounds != before) batch.Put(format::group_key(impl_->group, GroupField::bounds), format::encode(bounds));

  // Readers never wait for the disk: what goes is out of their sight before, what comes is in it after the write.
  if (truncated) {
    std::unique_lock guard(impl_->mutex);
    impl_->shape.truncate(*truncated);
  }
  if (auto done = impl_->commit(batch, bounds, hard); !done) return done;
  std::unique_lock guard(impl_->mutex);
  for (const auto& write : writes) {
    if (write.entries.empty()) continue;
    impl_->shape.truncate(write.entries.front().index);
    for (const auto& entry : write.entries) impl_->shape.append(entry.index, entry.term, stored_bytes(entry));
  }
  impl_->hard_state = hard;
  return {};
}

Result<void> RaftLog::compact(raft::Index index, const raft::Configuration& configuration,
                              raft::Index configuration_index) {
  std::unique_lock writing(impl_->write_mutex);
  LogShape& shape = impl_->shape;  // only writers change it
  if (index < shape.first()) return {};
  if (index > shape.last()) stop_process("the log would be compacted past its end");
  format::Bounds bounds = shape.bounds();
  bounds.before_term = *shape.term(index);
  bounds.first = index.next();
  rocksdb::WriteBatch batch;
  impl_->delete_entries(batch, shape.first(), index);
  batch.Put(format::group_key(impl_->group, GroupField::bounds), format::encode(bounds));
  batch.Put(format::group_key(impl_->group, GroupField::configuration),
            format::encode_configuration(configuration_index, configuration));
  {
    std::unique_lock guard(impl_->mutex);
    shape.compact(index);
    impl_->configuration = {configuration_index, configuration};
  }
  if (auto done = impl_->commit(batch, bounds, impl_->hard_state); !done) return done;
  impl_->reclaim();
  return {};
}

Result<void> RaftLog::reset(const raft::SnapshotMeta& meta, const std::string& state_directory) {
  std::unique_lock writing(impl_->write_mutex);
  const format::Bounds bounds{meta.index.next(), meta.term, meta.index, meta.term};
  rocksdb::WriteBatch batch;
  impl_->delete_entries(batch, impl_->shape.first(), impl_->shape.last());
  batch.Put(format::group_key(impl_->group, GroupField::bounds), format::encode(bounds));
  batch.Put(format::group_key(impl_->group, GroupField::configuration),
            format::encode_configuration(meta.configuration_index, meta.configuration));
  batch.Put(format::group_key(impl_->group, GroupField::state_directory), state_directory);
  // Only in replace_state(): whoever is offered a snapshot has entered the leader's term before.
  raft::HardState hard = impl_->hard_state;
  if (hard.term < meta.term) {
    hard.term = meta.term;
    hard.vote = raft::NodeId();
    batch.Put(format::group_key(impl_->group, GroupField::hard_state), format::encode(hard));
  }
  {
    std::unique_lock guard(impl_->mutex);
    impl_->hard_state = hard;
    impl_->shape = LogShape(meta.index, meta.term);
    impl_->configuration = {meta.configuration_index, meta.configuration};
    impl_->state_directory = state_directory;
  }
  if (auto done = impl_->commit(batch, bounds, hard); !done) return done;
  impl_->reclaim();
  return {};
}

Result<void> RaftLog::replace_state(const raft::SnapshotMeta& meta, const std::string& state_directory) {
  if (meta.index.next() < first_index()) stop_process("a state behind the log would be put in force");
  if (term(meta.index) != meta.term) return reset(meta, state_directory);
  std::unique_lock writing(impl_->write_mutex);
  rocksdb::WriteBatch batch;
  batch.Put(format::group_key(impl_->group, GroupField::state_directory), state_directory);
  if (auto done = impl_->commit(batch, impl_->shape.bounds(), impl_->hard_state); !done) return done;
  std::unique_lock guard(impl_->mutex);
  impl_->state_directory = state_directory;
  return {};
}

Result<void> RaftLog::pin(const PeerPin& pin) {
  std::unique_lock writing(impl_->write_mutex);
  if (const auto known = impl_->pins.find(pin.id); known != impl_->pins.end()) {
    const PeerPin& before = known->second;
    if (before.storage_id == pin.storage_id && before.incarnation >= pin.incarnation) return {};
  }
  rocksdb::WriteBatch batch;
  batch.Put(format::pin_key(pin.id), format::encode(pin));
  if (auto done = impl_->commit(batch, impl_->shape.bounds(), impl_->hard_state); !done) return done;
  std::unique_lock guard(impl_->mutex);
  impl_->pins[pin.id] = pin;
  return {};
}

Result<void> RaftLog::fence(const std::string& reason) {
  std::unique_lock writing(impl_->write_mutex);
  rocksdb::WriteBatch batch;
  batch.Put(rocks::slice(format::kFencedKey), reason);
  return impl_->commit(batch, impl_->shape.bounds(), impl_->hard_state);
}

Result<void> RaftLog::retire(const std::string& reason) {
  std::unique_lock writing(impl_->write_mutex);
  rocksdb::WriteBatch batch;
  batch.Put(rocks::slice(format::kRemovedKey), reason);
  return impl_->commit(batch, impl_->shape.bounds(), impl_->hard_state);
}

Result<void> RaftLog::set_cluster(const std::string& cluster_id) {
  std::unique_lock writing(impl_->write_mutex);
  const auto stored = impl_->get(format::kIdentityKey);
  if (!stored) return stored.error();
  auto record = *stored ? format::decode_identity(**stored) : std::nullopt;
  if (!record) return impl_->lost("the identity in " + impl_->directory.string() + " is damaged");
  record->cluster_id = cluster_id;
  rocksdb::WriteBatch batch;
  batch.Put(rocks::slice(format::kIdentityKey), format::encode(*record));
  if (auto done = impl_->commit(batch, impl_->shape.bounds(), impl_->hard_state); !done) return done;
  std::unique_lock guard(impl_->mutex);
  impl_->cluster_id = cluster_id;
  return {};
}

// The memory table is written out right after a compaction, when most of what it holds has just been deleted and need
// not be written a second time. Errors show at the next write.
void RaftLog::Impl::reclaim() {
  if (unflushed_bytes < options.log_buffer_bytes) return;
  const std::string low = format::entry_key(group, raft::Index());
  const std::string high = format::entry_key(group, shape.first());
  const rocksdb::Slice begin(low), end(high);
  // A hint that frees whole files at once; the range deletion above is what counts.
  rocksdb::DeleteFilesInRange(db.get(), db->DefaultColumnFamily(), &begin, &end, false);
  rocksdb::FlushOptions flush;
  flush.wait = false;
  flush.allow_write_stall = true;
  db->Flush(flush);
  unflushed_bytes = 0;
}

}  // namespace tenaz::storage
