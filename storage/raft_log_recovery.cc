// The Raft log of a cluster that does not begin from nothing: restored from a backup, or from what one node has.
#include "storage/platform.h"
#include "storage/raft_log_impl.h"
#include "storage/rocks.h"

namespace tenaz::storage {

using format::GroupField;

Result<void> RaftLog::found_restored(const std::filesystem::path& data_dir, const Identity& configured,
                                     const std::string& cluster_id, const raft::SnapshotMeta& meta, raft::Term term,
                                     const std::string& state_directory, const Options& options) {
  Impl impl(data_dir, DataLock(), options);
  if (auto opened = impl.open_database(Impl::Opening::create); !opened) return opened;
  Impl::Founding founding;
  founding.cluster_id = cluster_id;
  founding.configured_id = configured.cluster_id;
  founding.node_id = configured.node_id;
  founding.bounds = {meta.index.next(), meta.term, meta.index, meta.term};
  founding.hard_state.term = term;  // no vote, and no promise to anybody
  founding.configuration = {meta.configuration_index, meta.configuration};
  founding.state_directory = state_directory;
  if (auto done = impl.found(founding); !done) return done;
  if (auto done = impl.platform.sync_directory(impl.directory); !done) return done;
  return impl.platform.sync_directory(data_dir);
}

Result<void> RaftLog::begin_cluster(const std::string& cluster_id, const raft::SnapshotMeta& meta,
                                    const std::string& state_directory) {
  std::unique_lock writing(impl_->write_mutex);
  const auto stored = impl_->get(format::kIdentityKey);
  if (!stored) return stored.error();
  auto record = *stored ? format::decode_identity(**stored) : std::nullopt;
  if (!record) return impl_->lost("the identity in " + impl_->directory.string() + " is damaged");
  const auto configured_id = impl_->get(format::kConfiguredKey);
  if (!configured_id) return configured_id.error();

  const format::Bounds bounds{meta.index.next(), meta.term, meta.index, meta.term};
  raft::HardState hard;
  hard.term = impl_->hard_state.term.next();  // no vote, and no promise to anybody
  rocksdb::WriteBatch batch;
  if (!*configured_id) batch.Put(rocks::slice(format::kConfiguredKey), record->cluster_id);
  record->cluster_id = cluster_id;
  batch.Put(rocks::slice(format::kIdentityKey), format::encode(*record));
  for (const auto& pinned : impl_->pins) batch.Delete(format::pin_key(pinned.first));
  impl_->delete_entries(batch, impl_->shape.first(), impl_->shape.last());
  batch.Put(format::group_key(impl_->group, GroupField::bounds), format::encode(bounds));
  batch.Put(format::group_key(impl_->group, GroupField::hard_state), format::encode(hard));
  batch.Put(format::group_key(impl_->group, GroupField::configuration),
            format::encode_configuration(meta.configuration_index, meta.configuration));
  batch.Put(format::group_key(impl_->group, GroupField::state_directory), state_directory);
  if (auto done = impl_->commit(batch, bounds, hard); !done) return done;

  std::unique_lock guard(impl_->mutex);
  impl_->cluster_id = cluster_id;
  impl_->pins.clear();
  impl_->shape = LogShape(meta.index, meta.term);
  impl_->hard_state = hard;
  impl_->configuration = {meta.configuration_index, meta.configuration};
  impl_->state_directory = state_directory;
  return {};
}

}  // namespace tenaz::storage
