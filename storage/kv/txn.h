// The commands of one apply call, carried out against the store: what they change collects in one batch, and later
// commands see the effects of earlier ones. Deterministic: its results depend on the store and the commands, never on
// how entries are cut into calls, on a clock, a locale or the order of a hash table.
//
// Threads: the applier.
#pragma once

#include <rocksdb/write_batch.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "storage/command.h"
#include "storage/kv/shared.h"
#include "storage/state_machine.h"

namespace tenaz::storage::kv {

class Txn {
 public:
  Txn(Shared& shared, std::size_t expected_bytes);

  // Errors are the node's, not the command's: an unknown apply version, damage, I/O. Nothing of the Txn may be used
  // after one.
  Result<CommandResult> run(const pb::Command& command, raft::Index index);

  // The leader's wall time in the entry whose commands come next. It decides nothing but how old revisions look.
  void pass_time(std::uint64_t wall_ms);

  // For what else belongs to the entries.
  rocksdb::WriteBatch& batch() { return batch_; }
  std::uint64_t revision() const { return revision_; }

  // Writes the batch, then lets readers see it.
  Result<void> commit();

 private:
  Result<CommandResult> put(const pb::Put& put, raft::Index index);
  Result<CommandResult> remove(const pb::Delete& command, raft::Index index);
  Result<CommandResult> remove_range(const pb::DeleteRange& command, raft::Index index);
  Result<CommandResult> compact(const pb::Compact& command);

  // A version that this Txn has written, and its value.
  struct Written {
    Version version;
    std::string_view value;
  };
  struct LiveKey {
    std::string key;
    Version version;
  };

  Result<Version> latest(std::string_view key);
  // `next` takes the place of `before`.
  void record(std::string_view key, const Version& before, const Version& next, raft::Index index,
              std::string_view value);
  // Live keys in the range, in order, as the commands so far left them; stops past `max_keys`.
  Result<std::vector<LiveKey>> live_keys(const pb::DeleteRange& command);

  Shared& shared_;
  rocksdb::WriteBatch batch_;
  std::uint64_t revision_;
  std::uint64_t compact_;
  bool time_passed_ = false;
  std::map<std::string, Written, std::less<>> written_;
  std::string key_buffer_, value_buffer_;
};

}  // namespace tenaz::storage::kv
