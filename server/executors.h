// The two threads around the replica that touch the disk: the log writer (group commit) and the applier.
// Calls come from the replica's thread; the callbacks given at construction run on the executor's own thread and must
// only post.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "server/metrics.h"
#include "server/ports.h"
#include "server/worker.h"
#include "storage/raft_log.h"
#include "storage/state_machine.h"

namespace tenaz::server {

// Called when storage has failed for good: the process must end, for what was not written must not be taken as written,
// and a failed fsync is never retried.
using Fatal = std::function<void(const storage::Error&)>;

class LogWriter final : public LogPort {
 public:
  struct Callbacks {
    std::function<void(raft::WriteId)> persisted;
    std::function<void(raft::Index)> compacted;
    std::function<void(raft::NodeId)> distrusted;
    Fatal fatal;
  };
  LogWriter(storage::RaftLog& log, std::uint64_t retain_bytes, Metrics& metrics, Callbacks callbacks);

  const raft::LogReader& reader() const override { return log_; }
  void write(raft::Persist write) override;
  void compact(raft::Index index, raft::Configuration configuration, raft::Index configuration_index) override;
  void distrust(raft::NodeId peer) override;
  raft::Index compaction_target(raft::Index limit) const override {
    return log_.compaction_target(limit, retain_bytes_);
  }
  std::uint64_t bytes() const override { return log_.bytes(); }

  // Runs `task` on the writer's thread, in order with the writes. Any thread.
  void run(std::function<void(storage::RaftLog&)> task);
  // As run(), and returns once it has run. False: the writer has stopped before, and it never will. Not from the
  // writer's own thread.
  bool run_and_wait(const std::function<void(storage::RaftLog&)>& task);

  void stop() { worker_.stop(); }

 private:
  using Task = std::function<void(storage::RaftLog&)>;
  using Item = std::variant<raft::Persist, Task>;
  void handle(std::vector<Item>& items);
  void sync(std::vector<raft::Persist>& writes);

  storage::RaftLog& log_;
  const std::uint64_t retain_bytes_;
  Metrics& metrics_;
  Callbacks callbacks_;
  Worker<Item> worker_;
};

// A state machine and its directory, which is removed with it once another one is in force.
class HeldState {
 public:
  HeldState(std::unique_ptr<storage::StateMachine> state, std::filesystem::path directory)
      : state_(std::move(state)), directory_(std::move(directory)) {}
  ~HeldState();
  HeldState(const HeldState&) = delete;
  HeldState& operator=(const HeldState&) = delete;

  storage::StateMachine& state() { return *state_; }
  void retire() { retired_ = true; }

 private:
  std::unique_ptr<storage::StateMachine> state_;
  std::filesystem::path directory_;
  std::atomic<bool> retired_{false};
};

// The state machine in force; an installed snapshot replaces it. Thread-safe.
class StateHolder {
 public:
  explicit StateHolder(std::shared_ptr<HeldState> state) : held_(std::move(state)) {}

  std::shared_ptr<storage::StateMachine> get() const {
    const std::lock_guard lock(mutex_);
    return {held_, &held_->state()};
  }
  void replace(std::shared_ptr<HeldState> state) {
    {
      const std::lock_guard lock(mutex_);
      held_.swap(state);
    }
    state->retire();
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<HeldState> held_;
};

class Applier final : public StatePort {
 public:
  struct Callbacks {
    std::function<void(storage::ApplyOutcome)> applied;
    Fatal fatal;
  };
  Applier(StateHolder& state, raft::NodeId self, Callbacks callbacks);

  void apply(std::vector<raft::Entry> entries) override;
  History history() const override;
  storage::Revision revision_at(std::uint64_t clock_ms) const override { return state_.get()->revision_at(clock_ms); }
  // Runs `task` on the applier's thread, in order with the entries. Any thread.
  void run(std::function<void()> task);

  void stop() { worker_.stop(); }

 private:
  using Item = std::variant<std::vector<raft::Entry>, std::function<void()>>;
  void handle(std::vector<Item>& items);
  void apply_now(std::vector<raft::Entry>& entries);

  StateHolder& state_;
  const raft::NodeId self_;
  Callbacks callbacks_;
  Worker<Item> worker_;
};

}  // namespace tenaz::server
