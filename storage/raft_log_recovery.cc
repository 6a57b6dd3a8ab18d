// The Raft log of a cluster that does not begin from nothing: restored from a backup.
#include "storage/platform.h"
#include "storage/raft_log_impl.h"
#include "storage/rocks.h"

namespace tenaz::storage {

Result<void> RaftLog::found_restored(const std::filesystem::path& data_dir, const Identity& configured,
                                     const std::string& cluster_id, const raft::SnapshotMeta& meta, raft::Term term,
                                     const std::string& state_directory, const Options& options) {
  Impl impl(data_dir, DataLock(), options);
  if (auto opened = impl.open_database(true); !opened) return opened;
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

}  // namespace tenaz::storage
