#include "storage/kv/txn.h"

#include <algorithm>

#include "storage/rocks.h"

namespace tenaz::storage::kv {
namespace {

bool holds(const pb::Condition& condition, const Version& version) {
  if (condition.must_exist() && !version.live) return false;
  if (condition.must_not_exist() && version.live) return false;
  const auto& revisions = condition.mod_revisions();
  if (revisions.empty()) return true;
  return version.live && std::find(revisions.begin(), revisions.end(), version.mod) != revisions.end();
}

CommandResult failed_precondition(std::uint64_t revision, const Version& version) {
  CommandResult result;
  result.code = CommandResult::Code::precondition_failed;
  result.revision = Revision(revision);
  if (version.live) {
    result.create_revision = Revision(version.create);
    result.mod_revision = Revision(version.mod);
    result.version = version.version;
  }
  return result;
}

CommandResult with_code(CommandResult::Code code, std::uint64_t revision) {
  CommandResult result;
  result.code = code;
  result.revision = Revision(revision);
  return result;
}

Version marker(std::uint64_t revision, std::uint32_t sub) {
  Version version;
  version.mod = revision;
  version.sub = sub;
  return version;
}

}  // namespace

Txn::Txn(Shared& shared, std::size_t expected_bytes)
    : shared_(shared), batch_(expected_bytes), revision_(shared.revision.load()), compact_(shared.compact.load()) {}

Result<CommandResult> Txn::run(const pb::Command& command, raft::Index index) {
  if (command.apply_version() == 0 || command.apply_version() > kApplyVersion) {
    return Error{ErrorCode::newer_format, "entry " + std::to_string(index.value) +
                                              " of the log holds a command of version " +
                                              std::to_string(command.apply_version()) +
                                              ", which this version of tenaz does not know: use the newer version"};
  }
  switch (command.operation_case()) {
    case pb::Command::kPut:
      return put(command.put(), index);
    case pb::Command::kDelete:
      return remove(command.delete_(), index);
    case pb::Command::kDeleteRange:
      return remove_range(command.delete_range(), index);
    case pb::Command::kCompact:
      return compact(command.compact());
    case pb::Command::OPERATION_NOT_SET:
      break;
  }
  return Error{ErrorCode::newer_format, "entry " + std::to_string(index.value) +
                                            " of the log holds a command that this version of tenaz does not know"};
}

void Txn::pass_time(std::uint64_t wall_ms) {
  const auto mark = shared_.clock.advance(wall_ms, revision_);
  time_passed_ = true;
  if (!mark) return;
  batch_.Put(shared_.database->meta(), mark_key(mark->revision), encode_number(mark->time_ms));
}

Result<CommandResult> Txn::put(const pb::Put& put, raft::Index index) {
  auto found = latest(put.key());
  if (!found) return found.error();
  if (put.has_condition() && !holds(put.condition(), *found)) return failed_precondition(revision_, *found);
  Version next;
  next.mod = ++revision_;
  next.create = found->live ? found->create : revision_;
  next.version = found->live ? found->version + 1 : 1;
  next.value_bytes = static_cast<std::uint32_t>(put.value().size());
  next.lease = put.lease();
  next.live = true;
  record(put.key(), *found, next, index, put.value());
  CommandResult result;
  result.revision = Revision(revision_);
  result.create_revision = Revision(next.create);
  result.version = next.version;
  return result;
}

Result<CommandResult> Txn::remove(const pb::Delete& command, raft::Index index) {
  auto found = latest(command.key());
  if (!found) return found.error();
  if (command.has_condition() && !holds(command.condition(), *found)) return failed_precondition(revision_, *found);
  CommandResult result = with_code(CommandResult::Code::ok, revision_);
  if (!found->live) return result;
  record(command.key(), *found, marker(++revision_, 0), index, {});
  result.revision = Revision(revision_);
  result.deleted = 1;
  return result;
}

Result<CommandResult> Txn::remove_range(const pb::DeleteRange& command, raft::Index index) {
  auto keys = live_keys(command);
  if (!keys) return keys.error();
  if (keys->size() > command.max_keys()) return with_code(CommandResult::Code::too_many_keys, revision_);
  CommandResult result = with_code(CommandResult::Code::ok, revision_);
  if (keys->empty()) return result;
  ++revision_;
  std::uint32_t sub = 0;
  for (const auto& live : *keys) record(live.key, live.version, marker(revision_, sub++), index, {});
  result.revision = Revision(revision_);
  result.deleted = keys->size();
  return result;
}

Result<CommandResult> Txn::compact(const pb::Compact& command) {
  if (command.revision() > revision_) return with_code(CommandResult::Code::future_revision, revision_);
  if (command.revision() <= compact_) return with_code(CommandResult::Code::compacted, revision_);
  compact_ = command.revision();
  batch_.Put(shared_.database->meta(), rocks::slice(kCompactKey), encode_number(compact_));
  for (const std::uint64_t revision : shared_.clock.forget(compact_))
    batch_.Delete(shared_.database->meta(), mark_key(revision));
  return with_code(CommandResult::Code::ok, revision_);
}

Result<Version> Txn::latest(std::string_view key) {
  if (const auto it = written_.find(key); it != written_.end()) return it->second.version;
  if (const auto hit = shared_.cache.find(key, nullptr)) return hit->version;
  // Nothing else changes keys while this runs, so that what is found may be kept.
  auto found = look_up_latest(*shared_.database, key);
  if (found) shared_.cache.put(key, *found, std::nullopt);
  return found;
}

void Txn::record(std::string_view key, const Version& before, const Version& next, raft::Index index,
                 std::string_view value) {
  const Database& database = *shared_.database;
  if (before.live) {
    key_buffer_.clear();
    append_history_key(key_buffer_, key, before.mod);
    value_buffer_.clear();
    append_past(value_buffer_, {before, next.mod});
    batch_.Put(database.history(), key_buffer_, value_buffer_);
  }
  value_buffer_.clear();
  append_version(value_buffer_, next);
  batch_.Put(database.latest(), rocks::slice(key), value_buffer_);

  const std::string change = change_key(next.mod, next.sub);
  const std::string header = change_header(!next.live, index, key);
  const rocksdb::Slice change_slice(change);
  const rocksdb::Slice parts[] = {header, rocks::slice(value)};
  batch_.Put(database.changes(), rocksdb::SliceParts(&change_slice, 1), rocksdb::SliceParts(parts, 2));

  const Written written{next, value};
  if (const auto it = written_.find(key); it != written_.end()) {
    it->second = written;
  } else {
    written_.emplace(key, written);
  }
}

// Merges what is stored with what this Txn has written, key by key in order.
Result<std::vector<Txn::LiveKey>> Txn::live_keys(const pb::DeleteRange& command) {
  std::vector<LiveKey> keys;
  const std::string& start = command.start();
  const std::string& end = command.end();
  if (!end.empty() && end <= start) return keys;
  const auto enough = [&] { return keys.size() > command.max_keys(); };
  const auto add = [&](std::string_view key, const Version& version) {
    if (version.live && !enough()) keys.push_back({std::string(key), version});
  };
  auto mine = written_.lower_bound(start);
  const auto mine_end = end.empty() ? written_.end() : written_.lower_bound(end);

  const Database& database = *shared_.database;
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions read;
  if (!end.empty()) read.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(database.db().NewIterator(read, database.latest()));
  for (it->Seek(start); it->Valid() && !enough(); it->Next()) {
    const std::string_view key = rocks::view(it->key());
    const auto version = decode_version(rocks::view(it->value()));
    if (!version) return database.damaged("a version record is not well-formed");
    for (; mine != mine_end && mine->first < key; ++mine) add(mine->first, mine->second.version);
    if (mine != mine_end && mine->first == key) {
      add(key, mine->second.version);
      ++mine;
    } else {
      add(key, *version);
    }
  }
  if (!it->status().ok()) return database.error(it->status(), "cannot read the state");
  for (; mine != mine_end; ++mine) add(mine->first, mine->second.version);
  return keys;
}

Result<void> Txn::commit() {
  if (time_passed_) {
    batch_.Put(shared_.database->meta(), rocks::slice(kClockKey),
               encode_number(shared_.clock.now_ms()) + encode_number(shared_.clock.wall_ms()));
  }
  shared_.cache.begin_change();
  if (auto written = shared_.database->write(batch_); !written) return written;
  for (const auto& [key, written] : written_) {
    shared_.cache.put(key, written.version,
                      written.version.live ? std::optional<std::string_view>(written.value) : std::nullopt);
  }
  shared_.compact.store(compact_, std::memory_order_release);
  shared_.cache.end_change();
  shared_.revision.store(revision_, std::memory_order_release);
  return {};
}

}  // namespace tenaz::storage::kv
