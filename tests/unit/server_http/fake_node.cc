#include "tests/unit/server_http/fake_node.h"

#include <algorithm>

namespace tenaz::server::test {

using storage::CommandResult;
using storage::kv::KeyValue;

Revision FakeStore::revision() const {
  const std::lock_guard lock(mutex_);
  return Revision{revision_};
}

Revision FakeStore::compact_revision() const {
  const std::lock_guard lock(mutex_);
  return Revision{compacted_};
}

void FakeStore::compact(Revision revision) {
  const std::lock_guard lock(mutex_);
  compacted_ = revision.value;
}

std::optional<storage::Error> FakeStore::refuse(Revision at) const {
  if (at.value > revision_) {
    return storage::Error{storage::ErrorCode::future_revision, "future"};
  }
  if (at.value < compacted_) {
    return storage::Error{storage::ErrorCode::compacted, "compacted"};
  }
  return std::nullopt;
}

const KeyValue* FakeStore::find(const std::string& key, std::uint64_t at) const {
  const auto history = keys_.find(key);
  if (history == keys_.end()) {
    return nullptr;
  }
  auto after = history->second.upper_bound(at);
  if (after == history->second.begin()) {
    return nullptr;
  }
  const Version& version = (--after)->second;
  return version ? &*version : nullptr;
}

storage::Result<storage::kv::GetResult> FakeStore::get(std::string_view key, std::optional<Revision> at, bool) const {
  const std::lock_guard lock(mutex_);
  const Revision revision = at.value_or(Revision{revision_});
  if (auto error = refuse(revision)) {
    return *error;
  }
  storage::kv::GetResult result{revision, std::nullopt};
  if (const KeyValue* found = find(std::string(key), revision.value)) {
    result.found = *found;
  }
  return result;
}

storage::Result<storage::kv::ListResult> FakeStore::list(const storage::kv::ListRequest& request) const {
  const std::lock_guard lock(mutex_);
  const Revision revision = request.at.value_or(Revision{revision_});
  if (auto error = refuse(revision)) {
    return *error;
  }
  storage::kv::ListResult result;
  result.revision = revision;
  std::size_t bytes = 0;
  for (auto it = keys_.lower_bound(request.start); it != keys_.end(); ++it) {
    if (!request.end.empty() && it->first >= request.end) {
      break;
    }
    const KeyValue* found = find(it->first, revision.value);
    if (found == nullptr) {
      continue;
    }
    bytes += found->key.size() + found->value.size();
    if (result.items.size() == request.limit || (!result.items.empty() && bytes > request.max_bytes)) {
      result.more = true;
      break;
    }
    result.items.push_back(*found);
    if (request.keys_only) {
      result.items.back().value.clear();
    }
  }
  return result;
}

bool FakeStore::holds(const storage::pb::Condition& condition, const KeyValue* current) const {
  const auto& revisions = condition.mod_revisions();
  return (!condition.must_exist() || current != nullptr) && (!condition.must_not_exist() || current == nullptr) &&
         (revisions.empty() || (current != nullptr && std::find(revisions.begin(), revisions.end(),
                                                                current->mod_revision.value) != revisions.end()));
}

CommandResult FakeStore::put(const storage::pb::Put& put) {
  const KeyValue* current = find(put.key(), revision_);
  CommandResult result;
  if (!holds(put.condition(), current)) {
    result.code = CommandResult::Code::precondition_failed;
    result.revision = Revision{revision_};
    result.mod_revision = current == nullptr ? Revision{} : current->mod_revision;
    return result;
  }
  const Revision now{++revision_};
  const KeyValue next{put.key(), put.value(), current == nullptr ? now : current->create_revision, now,
                      current == nullptr ? 1 : current->version + 1};
  keys_[put.key()][now.value] = next;
  result.revision = now;
  result.create_revision = next.create_revision;
  result.version = next.version;
  return result;
}

CommandResult FakeStore::remove(const std::string& key, const storage::pb::Condition& condition) {
  const KeyValue* current = find(key, revision_);
  CommandResult result;
  result.revision = Revision{revision_};
  if (!holds(condition, current)) {
    result.code = CommandResult::Code::precondition_failed;
    result.mod_revision = current == nullptr ? Revision{} : current->mod_revision;
  } else if (current != nullptr) {
    result.revision = Revision{++revision_};
    result.deleted = 1;
    keys_[key][revision_] = std::nullopt;
  }
  return result;
}

CommandResult FakeStore::remove_range(const storage::pb::DeleteRange& range) {
  std::vector<std::string> live;
  for (const auto& [key, history] : keys_) {
    if (key >= range.start() && (range.end().empty() || key < range.end()) && find(key, revision_) != nullptr) {
      live.push_back(key);
    }
  }
  CommandResult result;
  if (live.size() > range.max_keys()) {
    result.code = CommandResult::Code::too_many_keys;
  } else if (!live.empty()) {
    ++revision_;
    for (const std::string& key : live) {
      keys_[key][revision_] = std::nullopt;
    }
    result.deleted = live.size();
  }
  result.revision = Revision{revision_};
  return result;
}

CommandResult FakeStore::compact(const storage::pb::Compact& compact) {
  CommandResult result;
  result.revision = Revision{revision_};
  if (compact.revision() > revision_) {
    result.code = CommandResult::Code::future_revision;
  } else if (compact.revision() <= compacted_) {
    result.code = CommandResult::Code::compacted;
  } else {
    compacted_ = compact.revision();
  }
  return result;
}

CommandResult FakeStore::apply(const storage::pb::Command& command) {
  const std::lock_guard lock(mutex_);
  switch (command.operation_case()) {
    case storage::pb::Command::kPut:
      return put(command.put());
    case storage::pb::Command::kDelete:
      return remove(command.delete_().key(), command.delete_().condition());
    case storage::pb::Command::kDeleteRange:
      return remove_range(command.delete_range());
    case storage::pb::Command::kCompact:
      return compact(command.compact());
    default:
      return {};
  }
}

FakeNode::FakeNode() {
  status_.raft.self = raft::NodeId{1};
  status_.raft.role = raft::Role::leader;
  status_.raft.term = raft::Term{3};
  status_.raft.voted_for = raft::NodeId{1};
  status_.raft.leader = raft::NodeId{1};
  status_.raft.first_index = raft::Index{1};
  status_.raft.last_index = status_.raft.commit = status_.raft.applied = raft::Index{12};
  status_.name = "a";
  status_.cluster_id = "00112233445566778899aabbccddeeff";
  status_.peers = {{raft::NodeId{2}, "127.0.0.1:7492", raft::Index{11}, 1, 0.25, true}};
  std::vector<raft::Member> members;
  for (const char* n : {"1", "2", "3"}) {
    raft::Member member;
    member.id = raft::NodeId{std::stoull(n)};
    member.name = std::string("node-") + n;
    member.peer = std::string("127.0.0.1:749") + n;
    member.client = std::string("127.0.0.1:748") + n;
    members.push_back(std::move(member));
  }
  status_.configuration = status_.committed_configuration = raft::founding_configuration(std::move(members));
  status_.quorum_reachable = true;
  thread_ = std::thread([this] { run(); });
}

FakeNode::~FakeNode() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    held_ = false;
  }
  changed_.notify_all();
  thread_.join();
}

void FakeNode::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return over_ || (!held_ && !work_.empty()); });
    if (work_.empty()) {
      return;
    }
    const auto work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

void FakeNode::later(std::function<void()> work) {
  if (broken_) {
    throw std::runtime_error("the fake node is broken");
  }
  {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
  }
  changed_.notify_all();
}

void FakeNode::write(storage::pb::Command command, raft::Duration timeout,
                     std::function<void(const WriteResult&)> done) {
  std::optional<Failure> failure;
  bool not_applied = true;
  {
    const std::lock_guard lock(mutex_);
    failure = write_failure_;
    not_applied = not_applied_;
    last_timeout_ = timeout;
  }
  later([this, command = std::move(command), done = std::move(done), failure, not_applied] {
    WriteResult result;
    if (failure) {
      result.failure = failure;
      result.not_applied = not_applied;
    } else {
      result.result = store_->apply(command);
    }
    done(result);
  });
}

void FakeNode::read_index(raft::Duration timeout, std::function<void(const ReadResult&)> done) {
  ReadResult result;
  {
    const std::lock_guard lock(mutex_);
    result.failure = read_failure_;
    ++read_indexes_;
    last_timeout_ = timeout;
  }
  later([done = std::move(done), result] { done(result); });
}

void FakeNode::wait_revision(Revision revision, raft::Duration, std::function<void(const ReadResult&)> done) {
  later([this, revision, done = std::move(done)] {
    ReadResult result;
    if (revision > store_->revision()) {
      result.failure = Failure::timeout;
    }
    done(result);
  });
}

void FakeNode::status(std::function<void(const NodeStatus&)> done) {
  later([this, done = std::move(done)] {
    NodeStatus status;
    {
      const std::lock_guard lock(mutex_);
      status = status_;
    }
    status.revision = store_->revision();
    done(status);
  });
}

void FakeNode::transfer_leadership(raft::NodeId target, raft::Duration, TransferDone done) {
  later([this, target, done = std::move(done)] {
    TransferOutcome outcome{};
    {
      const std::lock_guard lock(mutex_);
      outcome = transfers_;
      if (outcome == TransferOutcome::done) {
        status_.raft.leader = target ? target : raft::NodeId{2};
        status_.raft.role = raft::Role::follower;
      }
    }
    done(outcome);
  });
}

class FakeNode::FakeBackup final : public Backup {
 public:
  FakeBackup(FakeNode& node, std::vector<std::string> pieces, bool broken)
      : node_(node), pieces_(std::move(pieces)), broken_(broken) {
    ++node_.open_backups_;
  }
  ~FakeBackup() override { --node_.open_backups_; }
  std::uint64_t bytes() const override {
    std::uint64_t sum = broken_ ? 1 : 0;
    for (const auto& piece : pieces_) sum += piece.size();
    return sum;
  }
  Revision revision() const override { return Revision{7}; }
  void next(std::function<void(storage::Result<std::string>)> done) override {
    node_.later([this, done = std::move(done)] {
      if (given_ < pieces_.size()) {
        ++node_.pieces_given_;
        done(pieces_[given_++]);
      } else if (broken_) {
        done(storage::Error{storage::ErrorCode::io, "the disk is gone"});
      } else {
        done(std::string());
      }
    });
  }

 private:
  FakeNode& node_;
  const std::vector<std::string> pieces_;
  const bool broken_;
  std::size_t given_ = 0;
};

void FakeNode::open_backup(std::function<void(BackupResult)> done) {
  later([this, done = std::move(done)] {
    BackupResult result;
    {
      const std::lock_guard lock(mutex_);
      if (!no_backup_)
        result = std::make_shared<FakeBackup>(*this, backup_, backup_breaks_);
      else if (const auto* failure = std::get_if<Failure>(&*no_backup_))
        result = *failure;
      else
        result = std::get<storage::Error>(*no_backup_);
    }
    done(std::move(result));
  });
}

void FakeNode::offer_backup(std::vector<std::string> pieces, bool broken) {
  const std::lock_guard lock(mutex_);
  backup_ = std::move(pieces);
  backup_breaks_ = broken;
  no_backup_.reset();
}

void FakeNode::refuse_backups(std::variant<Failure, storage::Error> why) {
  const std::lock_guard lock(mutex_);
  no_backup_ = std::move(why);
}

void FakeNode::fail_writes(std::optional<Failure> failure, bool not_applied) {
  const std::lock_guard lock(mutex_);
  write_failure_ = failure;
  not_applied_ = not_applied;
}

void FakeNode::fail_reads(std::optional<Failure> failure) {
  const std::lock_guard lock(mutex_);
  read_failure_ = failure;
}

// Without joint steps: what a change comes to in the end.
void FakeNode::change_membership(raft::MembershipChange change, raft::Duration timeout, ChangeDone done) {
  {
    const std::lock_guard lock(mutex_);
    last_timeout_ = timeout;
    changes_.push_back(change);
  }
  later([this, change = std::move(change), done = std::move(done)] {
    ChangeResult result;
    {
      const std::lock_guard lock(mutex_);
      if (change_result_) {
        result = *change_result_;
      } else {
        auto next = raft::changed(status_.configuration, change);
        if (const auto* fault = std::get_if<raft::ChangeFault>(&next))
          result.fault = *fault;
        else
          status_.configuration = raft::left_joint(std::get<raft::Configuration>(next));
        status_.committed_configuration = status_.configuration;
        status_.committed_configuration_index = raft::Index{13};
        result.configuration = status_.configuration;
        result.configuration_index = raft::Index{13};
      }
    }
    done(result);
  });
}

void FakeNode::end_changes(std::optional<ChangeResult> result) {
  const std::lock_guard lock(mutex_);
  change_result_ = std::move(result);
}

std::vector<raft::MembershipChange> FakeNode::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

void FakeNode::end_transfers(TransferOutcome outcome) {
  const std::lock_guard lock(mutex_);
  transfers_ = outcome;
}

void FakeNode::change_status(const std::function<void(NodeStatus&)>& change) {
  const std::lock_guard lock(mutex_);
  change(status_);
}

void FakeNode::hold() {
  const std::lock_guard lock(mutex_);
  held_ = true;
}

void FakeNode::release() {
  {
    const std::lock_guard lock(mutex_);
    held_ = false;
  }
  changed_.notify_all();
}

void FakeNode::await_held(std::size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return work_.size() >= count; });
}

std::size_t FakeNode::read_indexes() const {
  const std::lock_guard lock(mutex_);
  return read_indexes_;
}

raft::Duration FakeNode::last_timeout() const {
  const std::lock_guard lock(mutex_);
  return last_timeout_;
}

}  // namespace tenaz::server::test
