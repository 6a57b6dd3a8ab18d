#include "storage/state_machine.h"

#include <rocksdb/utilities/checkpoint.h>

#include <atomic>
#include <deque>
#include <limits>
#include <mutex>

#include "raft/membership.h"
#include "storage/bytes.h"
#include "storage/command.h"
#include "storage/kv/digest.h"
#include "storage/kv/reader.h"
#include "storage/kv/txn.h"
#include "storage/rocks.h"

namespace tenaz::storage {
namespace {

// After a crash at most so much of the log is applied again: apply() waits for the disk rather than exceed it.
constexpr std::uint64_t kMaxReplayBytes = 32 << 20;
// From here on it is written out in the background, if RocksDB has not seen reason to by itself.
constexpr std::uint64_t kFlushBytes = 16 << 20;

// How many bytes of applied entries are not durable yet.
class ReplayBytes {
 public:
  void applied(raft::Index index, std::uint64_t bytes) {
    std::lock_guard guard(mutex_);
    // One mark for about 256 KiB is exact enough.
    if (marks_.empty() || marks_.back().bytes > (256 << 10)) marks_.push_back({});
    marks_.back().index = index;
    marks_.back().bytes += bytes;
    sum_ += bytes;
  }
  void durable(raft::Index index) {
    std::lock_guard guard(mutex_);
    while (!marks_.empty() && marks_.front().index <= index) {
      sum_ -= marks_.front().bytes;
      marks_.pop_front();
    }
  }
  std::uint64_t sum() const {
    std::lock_guard guard(mutex_);
    return sum_;
  }

 private:
  struct Mark {
    raft::Index index;
    std::uint64_t bytes = 0;
  };
  mutable std::mutex mutex_;
  std::deque<Mark> marks_;
  std::uint64_t sum_ = 0;
};

}  // namespace

class StateMachine::Impl {
 public:
  Impl(std::unique_ptr<kv::Database> database, const Options& options)
      : shared(std::move(database), options.key_cache_bytes), reader(shared) {
    index = shared.database->opened_at().index.value;
    term = shared.database->opened_at().term.value;
    on_durable({});
  }

  void on_durable(std::function<void(raft::Index)> callback) {
    shared.database->on_durable([this, callback = std::move(callback)](raft::Index durable) {
      replay.durable(durable);
      if (callback) callback(durable);
    });
  }

  // Parsed commands go to `batches`, since the Txn keeps views of them.
  Result<void> apply_entry(kv::Txn& txn, const raft::Entry& entry, raft::NodeId self, std::deque<pb::Batch>& batches,
                           std::vector<Reply>& replies) const;
  Result<void> flush_if_due();

  ReplayBytes replay;  // outlives the database, whose threads report to it
  kv::Shared shared;
  kv::StoreReader reader;
  std::atomic<std::uint64_t> index{0};
  std::atomic<std::uint64_t> term{0};
  std::uint64_t flush_asked_at = 0;  // the applied index then
  std::mutex checkpoint_mutex;
};

StateMachine::StateMachine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StateMachine::~StateMachine() = default;

Result<std::unique_ptr<StateMachine>> StateMachine::open(const std::filesystem::path& directory,
                                                         const Options& options) {
  auto database = kv::Database::open(directory, options);
  if (!database) return database.error();
  return std::unique_ptr<StateMachine>(new StateMachine(std::make_unique<Impl>(std::move(*database), options)));
}

raft::Index StateMachine::applied_index() const {
  return raft::Index(impl_->index.load());
}
raft::Term StateMachine::applied_term() const {
  return raft::Term(impl_->term.load());
}
raft::Index StateMachine::durable_index() const {
  return impl_->shared.database->durable_index();
}
Platform& StateMachine::platform() const {
  return impl_->shared.database->platform();
}
const kv::Reader& StateMachine::reader() const {
  return impl_->reader;
}

Result<std::optional<std::pair<raft::Index, raft::Configuration>>> StateMachine::configuration() const {
  using Placed = std::pair<raft::Index, raft::Configuration>;
  const auto& database = *impl_->shared.database;
  std::string value;
  const auto status =
      database.db().Get(rocksdb::ReadOptions(), database.meta(), rocks::slice(kv::kConfigurationKey), &value);
  if (status.IsNotFound()) return std::optional<Placed>();
  if (!status.ok()) return database.error(status, "cannot read the state");
  auto configuration = value.size() < 8 ? std::nullopt : raft::decode_configuration(value.substr(8));
  if (!configuration) return database.damaged("its configuration is unreadable");
  return std::optional(Placed(bytes::get_le(value.data(), 8), std::move(*configuration)));
}

Result<void> StateMachine::Impl::apply_entry(kv::Txn& txn, const raft::Entry& entry, raft::NodeId self,
                                             std::deque<pb::Batch>& batches, std::vector<Reply>& replies) const {
  if (entry.kind == raft::EntryKind::configuration) {
    if (!raft::decode_configuration(*entry.payload)) {
      return Error{ErrorCode::newer_format,
                   "entry " + std::to_string(entry.index.value) + " of the log holds no configuration that is known"};
    }
    std::string value;
    bytes::put_le(value, entry.index.value, 8);
    txn.batch().Put(shared.database->meta(), rocks::slice(kv::kConfigurationKey), value + *entry.payload);
  }
  if (entry.kind != raft::EntryKind::commands) return {};
  auto batch = parse_payload(*entry.payload);
  if (!batch) {
    Error error = batch.error();
    error.message += " (entry " + std::to_string(entry.index.value) + ")";
    return error;
  }
  txn.pass_time(batch->wall_time_ms());
  batches.push_back(std::move(*batch));
  for (const auto& command : batches.back().commands()) {
    auto result = txn.run(command, entry.index);
    if (!result) return result.error();
    const auto& origin = command.origin();
    if (origin.node() != self.value) continue;
    replies.push_back({{raft::NodeId(origin.node()), origin.boot(), origin.sequence()}, *result});
  }
  return {};
}

Result<ApplyOutcome> StateMachine::apply(std::span<const raft::Entry> entries, raft::NodeId self) {
  ApplyOutcome outcome;
  outcome.index = applied_index();
  outcome.term = applied_term();
  std::uint64_t bytes = 0;
  for (const auto& entry : entries) bytes += entry.payload->size();
  kv::Txn txn(impl_->shared, static_cast<std::size_t>(bytes + bytes / 2 + 256));
  std::deque<pb::Batch> batches;
  for (const auto& entry : entries) {
    if (entry.index != outcome.index.next()) {
      return Error{ErrorCode::invalid, "entry " + std::to_string(entry.index.value) + " cannot be applied after " +
                                           std::to_string(outcome.index.value)};
    }
    if (auto done = impl_->apply_entry(txn, entry, self, batches, outcome.replies); !done) return done.error();
    outcome.index = entry.index;
    outcome.term = entry.term;
  }
  outcome.revision = Revision(txn.revision());
  if (entries.empty()) return outcome;
  txn.batch().Put(impl_->shared.database->meta(), rocks::slice(kv::kAppliedKey),
                  kv::encode_applied({outcome.index, outcome.term, txn.revision()}));
  const std::uint64_t compacted = impl_->shared.compact.load();
  if (auto written = txn.commit(); !written) return written.error();
  impl_->index = outcome.index.value;
  impl_->term = outcome.term.value;
  impl_->replay.applied(outcome.index, bytes);
  if (auto flushed = impl_->flush_if_due(); !flushed) return flushed.error();
  // Only a durable compact revision frees space, and who compacts waits for that: not for the next full buffer.
  if (impl_->shared.compact.load() != compacted) {
    if (auto flushed = impl_->shared.database->flush(false); !flushed) return flushed.error();
  }
  return outcome;
}

Result<void> StateMachine::Impl::flush_if_due() {
  const std::uint64_t bytes = replay.sum();
  if (bytes >= kMaxReplayBytes) return shared.database->flush(true);
  if (bytes < kFlushBytes || shared.database->durable_index().value < flush_asked_at) return {};
  flush_asked_at = index;
  return shared.database->flush(false);
}

Result<void> StateMachine::flush() {
  return impl_->shared.database->flush(true);
}

void StateMachine::on_durable(std::function<void(raft::Index)> callback) {
  impl_->on_durable(std::move(callback));
}

Result<std::string> StateMachine::digest() const {
  return kv::digest(impl_->reader);
}

Result<Position> StateMachine::checkpoint(const std::filesystem::path& path) {
  const std::lock_guard one_at_a_time(impl_->checkpoint_mutex);
  auto& database = *impl_->shared.database;
  if (auto flushed = database.flush(true); !flushed) return flushed.error();
  rocksdb::Checkpoint* made = nullptr;
  auto status = rocksdb::Checkpoint::Create(&database.db(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // Of what is in the files, without a flush of RocksDB's own: see Database, what may write out.
  constexpr std::uint64_t kNoFlush = std::numeric_limits<std::uint64_t>::max();
  if (status.ok()) status = checkpoint->CreateCheckpoint(path.string(), kNoFlush);
  if (!status.ok()) return database.error(status, "cannot make an image of the state");
  // More may have been written out meanwhile: only the image knows where it stands.
  const auto applied = kv::applied_of(path, database.platform());
  if (!applied) return applied.error();
  return Position{applied->index, applied->term};
}

std::uint64_t StateMachine::history_clock_ms() const {
  return impl_->shared.clock.now_ms();
}

Revision StateMachine::revision_at(std::uint64_t clock_ms) const {
  return Revision(impl_->shared.clock.revision_at(clock_ms));
}

std::vector<Figure> StateMachine::figures() const {
  const auto& database = *impl_->shared.database;
  const auto of = [&](const char* name) { return static_cast<double>(database.property(name)); };
  return {
      {"state_bytes", of("rocksdb.total-sst-files-size")},
      {"write_buffer_bytes", of("rocksdb.cur-size-all-mem-tables")},
      {"table_readers_bytes", of("rocksdb.estimate-table-readers-mem")},
      {"compaction_pending_bytes", of("rocksdb.estimate-pending-compaction-bytes")},
      {"compactions_running", static_cast<double>(database.running(true))},
      {"flushes_running", static_cast<double>(database.running(false))},
      {"writes_stopped", static_cast<double>(database.writes_stopped())},
      {"writes_delayed_rate_bytes", static_cast<double>(database.delayed_rate())},
      {"level0_files", of("rocksdb.num-files-at-level0")},
      {"block_cache_bytes", static_cast<double>(database.cache_bytes())},
      {"key_cache_bytes", static_cast<double>(impl_->shared.cache.bytes())},
      {"replay_bytes", static_cast<double>(impl_->replay.sum())},
      {"compact_revision", static_cast<double>(impl_->shared.compact.load())},
      {"reclaiming", static_cast<double>(impl_->shared.compact.load() > database.reclaimed())},
  };
}

}  // namespace tenaz::storage
