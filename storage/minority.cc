#include "storage/minority.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "raft/membership.h"
#include "storage/bytes.h"
#include "storage/command.h"
#include "storage/kv/database.h"
#include "storage/platform.h"
#include "storage/restore.h"
#include "storage/snapshot.h"
#include "storage/state_machine.h"

namespace tenaz::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChunkBytes = 4 << 20;

// The last configuration in the log, which counts from when it is appended (thesis 4.1), and the last write.
Result<void> read_log(const RaftLog& log, Survivor& found) {
  found.configuration = log.configuration();
  found.configuration_index = log.configuration_index();
  raft::Payload last_write;
  for (raft::Index next = log.first_index(); next <= log.last_index();) {
    for (const raft::Entry& entry : log.entries(next, log.last_index(), kChunkBytes)) {
      next = entry.index.next();
      if (entry.kind == raft::EntryKind::commands) last_write = entry.payload;
      if (entry.kind != raft::EntryKind::configuration) continue;
      auto configuration = raft::decode_configuration(*entry.payload);
      if (!configuration)
        return Error{ErrorCode::newer_format, "the configuration in entry " + std::to_string(entry.index.value) +
                                                  " of the log cannot be read by this version"};
      found.configuration = std::move(*configuration);
      found.configuration_index = entry.index;
    }
  }
  if (!last_write) return {};
  const auto batch = parse_payload(*last_write);
  if (!batch) return batch.error();
  found.last_write_ms = batch->wall_time_ms();
  return {};
}

Result<void> check_state(const fs::path& directory, raft::Index applied, raft::Index first, raft::Index last) {
  if (applied.next() >= first && applied <= last) return {};
  return Error{ErrorCode::corruption, directory.string() + " holds the state at index " +
                                          std::to_string(applied.value) + ", which the log, of " +
                                          std::to_string(first.value) + " to " + std::to_string(last.value) +
                                          ", cannot bring on: part of this node's data is missing. Take another node"};
}

raft::Configuration alone(const Survivor& survivor) {
  raft::Member self = *raft::find_member(survivor.configuration, survivor.node);
  self.promote = false;
  self.replaces = {};
  raft::Configuration configuration;
  configuration.voters = {self.id};
  configuration.retired = survivor.configuration.retired;
  for (const raft::Member& member : survivor.configuration.members)
    if (member.id != self.id) configuration.retired.push_back(member.id);
  std::sort(configuration.retired.begin(), configuration.retired.end());
  configuration.members = {std::move(self)};
  configuration.lease_reads = survivor.configuration.lease_reads;
  return configuration;
}

fs::path fresh_directory(const fs::path& data_dir, raft::Index index, Platform& platform) {
  for (int n = 1;; ++n) {
    fs::path directory = data_dir / ("state-" + std::to_string(index.value) + "-" + std::to_string(n));
    if (!platform.exists(directory)) return directory;
  }
}

// The state that the new cluster begins with, made step by step in a directory that is not in force yet.
class NewState {
 public:
  NewState(fs::path directory, raft::NodeId self, const Options& options)
      : directory_(std::move(directory)), self_(self), options_(options) {}

  // The state in force (hard links), with all of the log applied. The revision that it comes to.
  Result<std::uint64_t> copy(const RaftLog& log, const fs::path& in_force);
  // Raises the revision, with everything up to it compacted, and puts the new members in force.
  Result<void> raise(std::uint64_t revision, const raft::SnapshotMeta& meta);
  // Writes the keys once more that the log wrote after the state in force, in entries of `term` from `index` on. Where
  // that leads to, and the revision.
  Result<std::pair<Position, std::uint64_t>> renew(Position at, raft::Term term);

 private:
  // Notes what the entries write.
  Result<void> note(const std::vector<raft::Entry>& entries);

  const fs::path directory_;
  const raft::NodeId self_;
  const Options& options_;
  std::set<std::string> written_;
  std::uint64_t last_write_ms_ = 0;
};

Result<void> NewState::note(const std::vector<raft::Entry>& entries) {
  for (const raft::Entry& entry : entries) {
    if (entry.kind != raft::EntryKind::commands) continue;
    auto batch = parse_payload(*entry.payload);
    if (!batch) return batch.error();
    last_write_ms_ = batch->wall_time_ms();
    for (const pb::Command& command : batch->commands())
      if (command.has_put()) written_.insert(command.put().key());
  }
  return {};
}

Result<std::uint64_t> NewState::copy(const RaftLog& log, const fs::path& in_force) {
  {
    auto old = StateMachine::open(in_force, options_);
    if (!old) return old.error();
    if (auto fits = check_state(in_force, (*old)->applied_index(), log.first_index(), log.last_index()); !fits)
      return fits.error();
    if (auto copied = (*old)->checkpoint(directory_); !copied) return copied.error();
  }
  auto state = StateMachine::open(directory_, options_);
  if (!state) return state.error();
  while ((*state)->applied_index() < log.last_index()) {
    const auto entries = log.entries((*state)->applied_index().next(), log.last_index(), kChunkBytes);
    if (auto noted = note(entries); !noted) return noted.error();
    if (auto applied = (*state)->apply(entries, self_); !applied) return applied.error();
  }
  if (auto flushed = (*state)->flush(); !flushed) return flushed.error();
  return (*state)->reader().revision().value;
}

Result<void> NewState::raise(std::uint64_t revision, const raft::SnapshotMeta& meta) {
  kv::Standing standing;
  standing.applied = {meta.index, meta.term, revision};
  standing.compact_revision = revision;
  bytes::put_le(standing.configuration, meta.configuration_index.value, 8);
  standing.configuration += raft::encode(meta.configuration);
  return kv::put_standing(directory_, options_, standing);
}

Result<std::pair<Position, std::uint64_t>> NewState::renew(Position at, raft::Term term) {
  auto state = StateMachine::open(directory_, options_);
  if (!state) return state.error();
  PayloadBuilder builder;
  const auto apply = [&]() -> Result<void> {
    if (builder.empty()) return {};
    at = {at.index.next(), term};
    const raft::Entry entry{at.term, at.index, raft::EntryKind::commands, builder.finish(last_write_ms_)};
    if (auto applied = (*state)->apply({&entry, 1}, self_); !applied) return applied.error();
    return {};
  };
  for (const std::string& key : written_) {
    auto got = (*state)->reader().get(key, {});
    if (!got) return got.error();
    if (!got->found) continue;  // deleted, or never written: its condition did not hold
    pb::Command command;
    command.set_apply_version(kApplyVersion);
    command.mutable_put()->set_key(key);
    command.mutable_put()->set_value(std::move(got->found->value));
    builder.add(command.SerializeAsString());
    if (builder.bytes() < kChunkBytes) continue;
    if (auto done = apply(); !done) return done.error();
  }
  if (auto done = apply(); !done) return done.error();
  if (auto flushed = (*state)->flush(); !flushed) return flushed.error();
  return std::pair(at, (*state)->reader().revision().value);
}

// Everything up to the switch, all of it in the directory `fresh`. `meta`: the end of the log, with the new members;
// afterwards where the new state stands.
Result<void> prepare(const RaftLog& log, const fs::path& data_dir, const fs::path& fresh, raft::SnapshotMeta& meta,
                     std::uint64_t revision_gap, const Options& options, NewCluster& made) {
  NewState state(fresh, meta.configuration.voters.front(), options);
  const auto revision = state.copy(log, data_dir / log.state_directory());
  if (!revision) return revision.error();
  made.last_revision = *revision;
  if (*revision >= kMaxRevision || revision_gap == 0 || revision_gap > kMaxRevision - *revision)
    return Error{ErrorCode::invalid, "revision " + std::to_string(*revision) + " cannot be raised by " +
                                         std::to_string(revision_gap) + ": their sum must be at most 2^53"};
  made.raised = *revision + revision_gap;
  if (auto raised = state.raise(made.raised, meta); !raised) return raised;
  const auto renewed = state.renew({meta.index, meta.term}, made.term);
  if (!renewed) return renewed.error();
  meta.index = made.index = renewed->first.index;
  meta.term = renewed->first.term;
  made.revision = renewed->second;
  for (const fs::path& directory : {fresh, data_dir})
    if (auto synced = Platform::of(options).sync_directory(directory); !synced) return synced;
  return {};
}

}  // namespace

Result<Survivor> inspect(const fs::path& data_dir, const Identity& identity, const Options& options) {
  const auto log = RaftLog::examine(data_dir, identity, options);
  if (!log) return log.error();
  Survivor found;
  found.node = identity.node_id;
  found.cluster_id = (*log)->cluster_id();
  found.storage_id = (*log)->storage_id();
  found.incarnation = (*log)->incarnation();
  found.hard_state = (*log)->hard_state();
  found.first = (*log)->first_index();
  found.last = (*log)->last_index();
  found.last_term = (*log)->term(found.last).value_or(raft::Term());
  if (auto done = read_log(**log, found); !done) return done.error();
  const fs::path directory = resolved(data_dir) / (*log)->state_directory();
  const auto standing = kv::standing_of(directory, Platform::of(options));
  if (!standing) return standing.error();
  if (auto fits = check_state(directory, standing->applied.index, found.first, found.last); !fits) return fits.error();
  found.applied = standing->applied.index;
  found.revision = standing->applied.revision;
  return found;
}

Result<void> check_survivor(const Survivor& survivor) {
  const raft::Configuration& configuration = survivor.configuration;
  const std::string node = "node " + std::to_string(survivor.node.value);
  if (raft::find_member(configuration, survivor.node) == nullptr)
    return Error{ErrorCode::invalid,
                 node +
                     " is no member of the last configuration that it knows, so it has no part in a cluster: take "
                     "another node"};
  if (!configuration.joint() && configuration.voters == std::vector{survivor.node})
    return Error{ErrorCode::invalid,
                 node + " is the only voter of its cluster, so no majority is lost: it only needs to be started"};
  return {};
}

Result<NewCluster> recover_from_minority(const fs::path& given, const Identity& identity, const Survivor& confirmed,
                                         std::uint64_t revision_gap, const Options& options) {
  const fs::path data_dir = resolved(given);
  Platform& platform = Platform::of(options);
  if (auto can = check_survivor(confirmed); !can) return can.error();
  if (!platform.exists(data_dir / "raft" / "CURRENT"))
    return Error{ErrorCode::invalid, data_dir.string() + " is not the data directory of a node any more"};
  auto opened = RaftLog::open(data_dir, identity, confirmed.configuration, options);
  if (!opened) return opened.error();
  RaftLog& log = **opened;
  if (log.storage_id() != confirmed.storage_id || log.incarnation() != confirmed.incarnation + 1)
    return Error{ErrorCode::invalid, "the node was started after it was looked at: look at it again"};
  if (auto cleaned = remove_leftovers(data_dir, log.state_directory(), platform); !cleaned) return cleaned.error();

  NewCluster made;
  auto id = platform.random_bytes(16);
  if (!id) return id.error();
  made.cluster_id = std::move(*id);
  made.term = log.hard_state().term.next();
  raft::SnapshotMeta meta{confirmed.last, confirmed.last_term, alone(confirmed), confirmed.last};
  const fs::path fresh = fresh_directory(data_dir, confirmed.last, platform);
  if (auto done = prepare(log, data_dir, fresh, meta, revision_gap, options, made); !done) {
    (void)platform.remove_tree(fresh);  // or the next start does it
    return done.error();
  }
  if (auto done = log.begin_cluster(made.cluster_id, meta, fresh.filename().string()); !done) return done.error();
  return made;
}

}  // namespace tenaz::storage
