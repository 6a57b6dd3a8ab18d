// One node around a core, with a disk that may lag and an applier: what a host does, without threads. What must wait
// for the disk waits here. A crash forgets everything that was not written.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "raft/core.h"
#include "tests/unit/raft/support/memory_log.h"

namespace tenaz::raft::test {

class Node {
 public:
  using Random = std::function<std::uint64_t(std::uint64_t)>;
  using Send = std::function<void(NodeId from, NodeId to, const Message&)>;

  Node(NodeId id, const Options& options, const Configuration& founding, Random random, Send send);

  NodeId id() const { return id_; }
  bool up() const { return core_ != nullptr; }
  Core& core() { return *core_; }
  const Core& core() const { return *core_; }
  const MemoryLog& disk() const { return disk_; }
  MemoryLog& disk() { return disk_; }

  void start(Instant now);
  // The first `survive` of the writes under way reach the disk unreported; the rest is lost.
  void crash(std::size_t survive = 0);

  // Carries out everything that the core wants. Returns what it wanted, for those who look closer.
  Output run();

  // The oldest write becomes durable, and what waits for it leaves. Call run() afterwards.
  void finish_write(Instant now);
  // The same, for all of them in one report of the last.
  void finish_all_writes(Instant now);
  std::size_t writes_under_way() const { return writes_.size(); }
  // The oldest batch is applied. Call run() afterwards.
  void finish_apply(Instant now);
  std::size_t batches_to_apply() const { return batches_.size(); }

  // The applied index that a crash would leave; it trails the real one.
  void make_state_durable() { durable_applied_ = core_->applied_index(); }
  Index durable_applied() const { return durable_applied_; }
  // Forgets the log up to the durable state.
  void compact(Instant now, Index index);

  SnapshotMeta snapshot_meta() const;
  bool installing() const { return install_.has_value(); }
  const Output::Install& install() const { return *install_; }
  void finish_install(Instant now);
  void fail_install(Instant now);

  // Everything that was applied, in order (index, term, bytes); a snapshot leaves a gap.
  std::function<void(const Entry&)> on_apply = [](const Entry&) {};

 private:
  struct Waiting {
    WriteId after;
    Envelope envelope;
  };
  void release(WriteId durable);

  NodeId id_;
  Options options_;
  Random random_;
  Send send_;
  MemoryLog disk_;
  Index durable_applied_;
  std::unique_ptr<Core> core_;
  std::deque<Persist> writes_;
  std::deque<Waiting> waiting_;
  WriteId durable_;
  std::deque<std::vector<Entry>> batches_;
  std::optional<Output::Install> install_;
};

}  // namespace tenaz::raft::test
