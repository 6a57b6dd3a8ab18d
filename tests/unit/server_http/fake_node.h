// A Node in memory: a dumb multi-version map instead of Raft and RocksDB. Callbacks run on a thread of its own, as
// those of the real one do. A test sets what it should refuse.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/backup_port.h"
#include "server/node.h"

namespace tenaz::server::test {

using storage::Revision;

// Every version of every key; a version without value is a deletion.
class FakeStore final : public storage::kv::Reader {
 public:
  Revision revision() const override;
  Revision compact_revision() const override;
  storage::Result<storage::kv::GetResult> get(std::string_view key, std::optional<Revision> at,
                                              bool with_value) const override;
  storage::Result<storage::kv::ListResult> list(const storage::kv::ListRequest& request) const override;

  storage::CommandResult apply(const storage::pb::Command& command);
  void compact(Revision revision);

 private:
  using Version = std::optional<storage::kv::KeyValue>;
  using History = std::map<std::uint64_t, Version>;

  const storage::kv::KeyValue* find(const std::string& key, std::uint64_t at) const;
  std::optional<storage::Error> refuse(Revision at) const;
  storage::CommandResult put(const storage::pb::Put& put);
  storage::CommandResult remove(const std::string& key, const storage::pb::Condition& condition);
  storage::CommandResult remove_range(const storage::pb::DeleteRange& range);
  storage::CommandResult compact(const storage::pb::Compact& compact);
  bool holds(const storage::pb::Condition& condition, const storage::kv::KeyValue* current) const;

  mutable std::mutex mutex_;
  std::map<std::string, History> keys_;
  std::uint64_t revision_ = 0;
  std::uint64_t compacted_ = 0;
};

class FakeNode final : public Node, public BackupPort {
 public:
  FakeNode();
  ~FakeNode() override;

  void write(storage::pb::Command command, raft::Duration timeout,
             std::function<void(const WriteResult&)> done) override;
  void read_index(raft::Duration timeout, std::function<void(const ReadResult&)> done) override;
  void wait_revision(Revision revision, raft::Duration timeout, std::function<void(const ReadResult&)> done) override;
  void status(std::function<void(const NodeStatus&)> done) override;
  std::shared_ptr<const storage::kv::Reader> reader() const override { return store_; }
  void transfer_leadership(raft::NodeId target, raft::Duration timeout, TransferDone done) override;
  void change_membership(raft::MembershipChange change, raft::Duration timeout, ChangeDone done) override;
  void open_backup(std::function<void(BackupResult)> done) override;

  // --- for the test; any thread
  // ---------------------------------------------------------------------------------------
  FakeStore& store() { return *store_; }
  // Every write from now on ends so; nothing: they succeed.
  void fail_writes(std::optional<Failure> failure, bool not_applied = true);
  void fail_reads(std::optional<Failure> failure);
  // Every transfer from now on ends so.
  void end_transfers(TransferOutcome outcome);
  // Every change of the membership from now on ends so; nothing: it is carried out on the configuration of the status.
  void end_changes(std::optional<ChangeResult> result);
  std::vector<raft::MembershipChange> changes() const;
  // What a backup gives, piece by piece; then, if `broken`, an error instead of the end. Or why there is none.
  void offer_backup(std::vector<std::string> pieces, bool broken = false);
  void refuse_backups(std::variant<Failure, storage::Error> why);
  std::size_t open_backups() const { return open_backups_; }
  std::size_t pieces_given() const { return pieces_given_; }
  // Every call from now on ends in an exception.
  void break_down() { broken_ = true; }
  void change_status(const std::function<void(NodeStatus&)>& change);
  // Callbacks are kept back until release().
  void hold();
  void release();
  // Waits until that many callbacks are kept back.
  void await_held(std::size_t count);
  std::size_t read_indexes() const;
  raft::Duration last_timeout() const;

 private:
  class FakeBackup;
  void later(std::function<void()> work);
  void run();

  const std::shared_ptr<FakeStore> store_ = std::make_shared<FakeStore>();
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  NodeStatus status_;
  std::optional<Failure> write_failure_;
  bool not_applied_ = true;
  std::optional<Failure> read_failure_;
  TransferOutcome transfers_ = TransferOutcome::done;
  std::optional<ChangeResult> change_result_;
  std::vector<raft::MembershipChange> changes_;
  std::vector<std::string> backup_;
  bool backup_breaks_ = false;
  std::optional<std::variant<Failure, storage::Error>> no_backup_;
  std::atomic<std::size_t> open_backups_{0};
  std::atomic<std::size_t> pieces_given_{0};
  std::atomic<bool> broken_{false};
  bool held_ = false;
  bool over_ = false;
  std::size_t read_indexes_ = 0;
  raft::Duration last_timeout_{};
  std::thread thread_;
};

}  // namespace tenaz::server::test
