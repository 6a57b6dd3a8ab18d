// What survives a crash of a node, and the log writer in front of it. Writes become durable in order, several at once,
// after a delay that may be long; a crash drops those that are not, sometimes only behind a prefix, as a disk may (each
// write carries a checksum: one that is torn is dropped whole). A failed fsync ends the process, and so does a block
// that cannot be read.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <variant>

#include "server/ports.h"
#include "tests/sim/checker.h"
#include "tests/sim/fate.h"
#include "tests/sim/kv_state.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

class FileTree;
class StoredNode;

struct Disk final : raft::LogReader {
  raft::HardState hard_state;
  raft::Index base;  // the log begins behind it
  raft::Term base_term;
  raft::Configuration configuration;  // in force at base
  raft::Index configuration_index;
  std::deque<raft::Entry> log;
  KvState state;  // as last flushed
  // In the real-storage tier: states that may be found instead, since RocksDB writes them out when it likes.
  std::map<raft::Index, KvState> later;
  // In the real-storage tier, of a copy of the disk: all that was promised, and whether the state in it is damaged.
  std::shared_ptr<FileTree> files;
  bool state_damaged = false;
  // Entries here cannot be read (0: all can), and whether somebody has tried.
  raft::Index broken;
  mutable bool broken_found = false;

  raft::Index first_index() const override { return base.next(); }
  raft::Index last_index() const override { return base + log.size(); }
  std::optional<raft::Term> term(raft::Index index) const override;
  const raft::Entry& at(raft::Index index) const { return log[index.past(base) - 1]; }
  bool log_is_broken() const { return broken > base && broken <= last_index(); }
  // The state stands before the log's beginning, so the log cannot bring it on.
  bool state_is_missing() const { return state.applied < base; }
  std::vector<raft::Entry> entries(raft::Index from, raft::Index to, std::size_t max_bytes) const override;

  // What each of the log writer's jobs makes of it; all of a job or nothing is found after a crash.
  void store(const raft::Persist& write);
  void cut(raft::Index index, const raft::Configuration& configuration_there, raft::Index its_index);
  void replace(const raft::SnapshotMeta& meta, const KvState& with);
};

class ModelLog final : public server::LogPort {
 public:
  // `distrust`: remembers a peer whose disk went back.
  ModelLog(World& world, Checker& checker, Random& random, const Scenario& scenario, Disk& disk, Fate& fate,
           std::size_t node, std::uint32_t life, std::function<void(raft::NodeId)> distrust, StoredNode* stored)
      : world_(world),
        checker_(checker),
        random_(random),
        scenario_(scenario),
        disk_(disk),
        fate_(fate),
        node_(node),
        life_(life),
        distrust_(std::move(distrust)),
        stored_(stored) {}

  const raft::LogReader& reader() const override;
  void write(raft::Persist write) override;
  void compact(raft::Index index, raft::Configuration configuration, raft::Index configuration_index) override;
  void distrust(raft::NodeId peer) override { distrust_(peer); }
  raft::Index compaction_target(raft::Index limit) const override;
  std::uint64_t bytes() const override;

  // A snapshot takes the place of state and log at once.
  void reset(const raft::SnapshotMeta& meta, KvState state);

  // What has been under way is durable now.
  void synced();
  void stall(raft::Instant until) { stalled_until_ = std::max(stalled_until_, until); }
  // Until told otherwise (0) each sync takes up to this much longer.
  void slow_down(raft::Duration more) { slower_by_ = more; }
  // The next one that is under way fails.
  void fail_next_sync() { sync_fails_ = true; }
  // All disturbances end.
  void recover();
  // Power is lost.
  void crash();
  // In the real-storage tier, for the moment when power is lost: what the disk holds if it is lost before the job at
  // hand, and after it; and that job.
  std::vector<Disk> may_be_found();
  bool job_at_hand() const { return !queue_.empty(); }
  void do_job_at_hand() { (void)store_ahead(); }

 private:
  struct Compact {
    raft::Index index;
    raft::Configuration configuration;
    raft::Index configuration_index;
  };
  struct Reset {
    raft::SnapshotMeta meta;
    KvState state;
  };
  using Item = std::variant<raft::Persist, Compact, Reset>;

  void push(Item item);
  void begin_sync();
  void make_durable(const Item& item);
  // Of the real-storage tier: the first item of the queue, with all writes that follow in one batch, as production
  // groups them.
  bool store_ahead();
  std::size_t next_group() const;
  void store(const raft::Persist& write);
  void report(const Item& item, bool last_of_group);

  World& world_;
  Checker& checker_;
  Random& random_;
  const Scenario& scenario_;
  Disk& disk_;
  Fate& fate_;
  const std::size_t node_;
  const std::uint32_t life_;
  const std::function<void(raft::NodeId)> distrust_;
  StoredNode* const stored_;      // null: model storage
  std::size_t stored_ahead_ = 0;  // of queue_: in the stored log already
  bool attempted_ = false;        // the next group, and it failed
  std::deque<Item> queue_;
  std::size_t under_way_ = 0;  // of queue_, from its front
  raft::Instant stalled_until_;
  raft::Duration slower_by_{};
  bool sync_fails_ = false;
  raft::WriteId last_id_;
  raft::Instant last_report_;
};

}  // namespace tenaz::sim
