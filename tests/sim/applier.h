// A node's state machine and the applier in front of it: entries are applied in order after a delay; what would survive
// a crash lags behind until a flush. Snapshots pass through it too, in order with the entries.
#pragma once

#include <deque>
#include <map>
#include <variant>

#include "server/ports.h"
#include "tests/sim/checker.h"
#include "tests/sim/disk.h"
#include "tests/sim/fate.h"
#include "tests/sim/kv_state.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

class Applier final : public server::StatePort {
 public:
  Applier(World& world, Checker& checker, Random& random, const Scenario& scenario, Disk& disk, ModelLog& log,
          Fate& fate, std::size_t node, std::uint32_t life, StoredNode* stored);

  void apply(std::vector<raft::Entry> entries) override;
  // Until told otherwise (0) each step takes up to this much longer.
  void slow_down(raft::Duration more) { slower_by_ = more; }
  // A block of the state is broken: found when the next entries are applied.
  void corrupt() { corrupt_ = true; }
  bool corrupted() const { return corrupt_; }
  // In the real-storage tier: what has become durable by itself.
  void see_durable();
  // In the real-storage tier: fails the run if the store does not hold what the model does.
  void compare();
  // It stops the process if damage is known of, and else fails the run.
  void storage_failed(const storage::Error& error);
  // A fetched snapshot, to be put in force behind the entries that wait.
  void install(const raft::SnapshotMeta& meta, KvState state);

  // Its events.
  void step();
  void begin_flush();
  void end_flush();
  // The snapshot is in force on disk.
  const raft::SnapshotMeta& installed();
  storage::ApplyOutcome take_outcome(std::uint32_t slot) { return outcomes_.take(slot); }

  // What readers of this node see.
  const KvState& state() const { return state_; }

 private:
  struct Install {
    raft::SnapshotMeta meta;
    KvState state;
  };
  using Item = std::variant<std::vector<raft::Entry>, Install>;

  void push(Item item);
  void schedule(EventKind kind, raft::Duration after);
  void report_durable();
  void apply_stored(const std::vector<raft::Entry>& entries, std::size_t replies_before,
                    const storage::ApplyOutcome& outcome);
  void apply_now(const std::vector<raft::Entry>& entries, storage::ApplyOutcome& outcome);

  World& world_;
  Checker& checker_;
  Random& random_;
  const Scenario& scenario_;
  Disk& disk_;
  ModelLog& log_;
  Fate& fate_;
  const std::size_t node_;
  const std::uint32_t life_;
  StoredNode* const stored_;  // null: model storage
  KvState state_;
  std::deque<Item> queue_;
  raft::Duration slower_by_{};
  bool corrupt_ = false;
  bool busy_ = false;
  bool installing_ = false;
  raft::SnapshotMeta installing_meta_;
  KvState flushing_;
  raft::Instant last_report_;
  Slab<storage::ApplyOutcome> outcomes_;
};

}  // namespace tenaz::sim
