// The host loop of one Raft group on one node: core, log, state machine, peers and waiting clients, tied together
// without a thread, a socket or a clock. Events go in with `now`, effects go out through ports.h. Production drives it
// from one thread (executors.h); the simulator drives many from one thread with virtual time: it is the very same
// class.
//
// One function, carry_out(), orders vote -> persist -> send -> apply -> answer: the place to read about crash safety.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

#include "raft/core.h"
#include "server/disk_watch.h"
#include "server/messages.h"
#include "server/node.h"
#include "server/options.h"
#include "server/ports.h"
#include "server/waiters.h"
#include "storage/command.h"

namespace tenaz::server {

struct ReplicaOptions {
  raft::Options raft;
  std::size_t max_inflight_bytes = 64 << 20;  // of writes that wait here
  std::size_t max_batch_bytes = 1 << 20;      // of one log entry, or of commands forwarded together; one may exceed it
  // While this many own log writes are under way, commands collect into one batch instead of being proposed at once.
  std::size_t max_unwritten_batches = 2;
  HistoryOptions history;
  raft::Duration log_retain_time{};  // see storage::Options
};

struct ReplicaStart {
  raft::NodeId self;
  std::uint64_t boot = 0;  // random, fresh at every start
  raft::HardState hard_state;
  raft::Configuration configuration;  // at the log's compaction point
  raft::Index configuration_index;
  raft::Index applied;  // of the state machine
  storage::Revision revision;
  raft::Instant now;
  std::function<std::uint64_t(std::uint64_t)> random;
  std::function<std::uint64_t()> wall_time_ms;  // for display only
  raft::StorageIds storage_ids;                 // the disks that this node knows; null: none
};

class Replica {
 public:
  struct Ports {
    LogPort& log;
    StatePort& state;
    TransportPort& transport;
    SnapshotPort& snapshots;
    Probe& probe;
  };

  Replica(const ReplicaOptions& options, const ReplicaStart& start, Ports ports);
  ~Replica();

  // --- clients ------------------------------------------------------------------------------------------------------
  // `sequence`: unique within `boot`; `command`: serialized with origin (self, boot, sequence). `is_put`: refused on a
  // full disk.
  void write(raft::Instant now, std::uint64_t sequence, std::string command, bool is_put, raft::Instant deadline,
             WriteDone done);
  void read_index(raft::Instant now, raft::Instant deadline, ReadDone done);
  void wait_revision(raft::Instant now, storage::Revision revision, raft::Instant deadline, ReadDone done);
  void transfer_leadership(raft::Instant now, raft::NodeId target, raft::Instant deadline, TransferDone done);
  void change_membership(raft::Instant now, raft::MembershipChange change, raft::Instant deadline, ChangeDone done);

  // --- the world ----------------------------------------------------------------------------------------------------
  void on_message(raft::Instant now, raft::NodeId from, PeerMessage message);
  void on_unreachable(raft::Instant now, raft::NodeId peer);
  void on_persisted(raft::Instant now, raft::WriteId id);
  void on_applied(raft::Instant now, const storage::ApplyOutcome& outcome);
  // The state machine would stand at `index` after a crash: the log may be cut up to there.
  void on_durable_state(raft::Instant now, raft::Index index);
  void on_log_compacted(raft::Instant now, raft::Index index);
  // An image at `index` exists (id), or none could be made (empty id).
  void on_image(raft::Instant now, raft::NodeId peer, raft::Index index, raft::Term term, const std::string& id);
  void on_installed(raft::Instant now, const raft::SnapshotMeta& meta, storage::Revision revision);
  void on_install_failed(raft::Instant now);
  void on_disk_low(raft::Instant now, bool low);
  void tick(raft::Instant now);  // at deadline() at the latest

  // Carries out what the calls above brought about. Call it once after any number of them (that is how batches form).
  void carry_out(raft::Instant now);

  // When tick() is due next.
  raft::Instant deadline() const;

  // From now on what clients ask is refused as stopping; what waits goes on to.
  void drain() { draining_ = true; }
  // The same, and what waits is answered.
  void stop(raft::Instant now);
  // Tells the transport whom to speak with. Once at the start, before anybody is met; later changes are told by
  // themselves.
  void introduce();
  // This node was removed from the cluster, and knows it for certain.
  bool removed() const { return removed_; }
  // The others say so: whoever asked this node for just that is told that it is done.
  void on_removed();
  // Calls that wait for an answer.
  std::size_t waiting() const { return waiters_.size() + changes_.size(); }
  // Reads that are confirmed, or wait for a revision, and wait for the state to get there.
  std::size_t reads_held_back() const { return reads_behind_.size() + revisions_behind_.size(); }

  NodeStatus status(raft::Instant now) const;
  const raft::Core& core() const { return core_; }

 private:
  // A command that is not yet in the log: a client's of this node, or one that a follower forwarded.
  struct Queued {
    raft::NodeId from;  // self, or the follower
    raft::Term term;    // forwarded: the only term in which it may be appended
    std::uint64_t boot = 0;
    std::uint64_t sequence = 0;
    bool is_put = false;
    std::string command;
  };
  // Reads that share one confirmation of leadership, asked of the own core or of the leader.
  struct ReadGroup {
    std::vector<ReadTicket> tickets;
    raft::NodeId remote;  // not 0: asked by this peer, whose question is (remote_boot, remote_id)
    std::uint64_t remote_boot = 0;
    std::uint64_t remote_id = 0;
  };
  struct Held {
    raft::WriteId after;
    raft::Envelope envelope;
  };

  // A change of the membership that a client of this node waits for.
  struct Change {
    enum class Step {
      waiting,   // for a leader
      asked,     // the leader may have appended it
      proposed,  // it was appended at `proposed`
    };
    raft::MembershipChange change;
    Step step = Step::waiting;
    std::uint64_t id = 0;  // of the question
    raft::Proposed proposed;
    raft::Index asked_at;  // where the last committed configuration stood when it was asked for
    raft::Instant deadline;
    raft::Instant retry;                        // while it waits
    std::optional<raft::Instant> silent_since;  // when the leader first missed too many answers for it
    ChangeDone done;
  };
  using ChangeAnswer = std::variant<raft::Proposed, raft::ChangeRefusal, raft::ChangeFault>;

  // carry_out's steps, in order.
  void place_writes(raft::Instant now);
  void propose_queue(raft::Instant now);
  void fail_overloaded(raft::Instant now, std::deque<Queued>& batch);
  void forward_queue(raft::Instant now);
  void ask_reads(raft::Instant now);
  void ask_leader(raft::Instant now);
  void perform(raft::Instant now, raft::Output output);
  void note_transitions(raft::Instant now);
  const char* why_stepped_down(raft::Term now) const;
  void note_membership();
  void compact_log(raft::Instant now);

  // Messages.
  void on_forward(raft::Instant now, raft::NodeId from, ForwardWrites message);
  void on_refused(raft::Instant now, raft::NodeId from, const ForwardRefused& message);
  void on_read_request(raft::Instant now, raft::NodeId from, const ReadIndexRequest& message);
  void on_read_reply(raft::Instant now, const ReadIndexReply& message);
  void on_transfer_refused(const TransferRefused& message);
  void on_change_request(raft::Instant now, raft::NodeId from, const ChangeRequest& message);
  void on_change_reply(raft::Instant now, const ChangeReply& message);

  // Answers.
  void finish_write(raft::Instant now, std::uint64_t sequence, const WriteResult& result, const char* outcome);
  void fail_write(raft::Instant now, std::uint64_t sequence, Failure failure, bool not_applied);
  void finish_read(raft::Instant now, ReadTicket ticket, std::optional<Failure> failure);
  void read_when_applied(raft::Instant now, ReadTicket ticket, raft::Index index);
  void refuse_forwarded(const std::vector<Queued>& refused, WriteRefusal reason);
  void expire(raft::Instant now);
  void forget_answered_reads();
  void settle_transfers(raft::Instant now);

  // Changes of the membership.
  void ask_for_changes(raft::Instant now);
  void take_result(raft::Instant now, Change change, const ChangeAnswer& answer, const std::string& detail);
  std::string detail_of(const ChangeAnswer& answer, const raft::MembershipChange& change) const;
  bool carried_out(const Change& change) const;
  void settle_changes(raft::Instant now);
  void fail_changes();

  // replica_stall.cc: a log writer that gets nowhere.
  void watch_disk(raft::Instant now);
  raft::Instant disk_watch_due() const;
  void disk_answered(raft::Instant now);
  void refuse_for_disk(raft::Instant now);

  // replica_history.cc: compaction that nobody asked for.
  void compact_history(raft::Instant now);
  storage::Revision older_than(raft::Instant now, std::chrono::nanoseconds age) const;
  void propose_compaction(raft::Instant now, storage::Revision revision);

  bool puts_have_room() const;
  void report_disk(raft::Instant now);
  void reclaim_space(raft::Instant now);
  bool leads() const { return core_.role() == raft::Role::leader; }

  ReplicaOptions options_;
  raft::NodeId self_;
  std::uint64_t boot_;
  std::function<std::uint64_t()> wall_time_ms_;
  raft::StorageIds storage_ids_;
  Ports ports_;
  raft::Core core_;

  // Writes.
  Waiters waiters_;
  std::deque<Queued> queue_;
  std::size_t forwarded_bytes_ = 0;  // of other nodes' commands in queue_
  raft::WriteId issued_;             // the last write given to the log
  raft::WriteId durable_;            // the last one reported back
  std::deque<Held> held_;            // messages that wait for durability, in the order of `after`
  std::optional<raft::Instant> retry_forward_;
  std::optional<raft::Instant> retry_propose_;
  raft::Index refused_at_commit_;

  DiskWatch disk_;
  bool disk_refuses_ = false;  // it has stalled for so long that clients are sent elsewhere

  // Reads. A group lives from its question to its confirmation.
  std::vector<ReadTicket> unasked_reads_;
  std::unordered_map<std::uint64_t, ReadGroup> asked_of_core_;  // by ReadId
  std::uint64_t last_read_id_ = 0;
  struct Question {
    std::vector<std::uint64_t> ids;  // one per time that it was asked: an answer to any of them answers it
    raft::NodeId leader;
    std::vector<ReadTicket> tickets;
    raft::Instant retry;
  };
  std::optional<Question> question_;  // the one that a follower has open
  std::multimap<raft::Index, ReadTicket> reads_behind_;
  std::multimap<storage::Revision, ReadTicket> revisions_behind_;

  // Leadership transfers that a client waits for.
  struct Transfer {
    raft::NodeId target;  // 0: anyone else
    raft::NodeId from;    // the leader when it was asked for
    raft::Instant deadline;
    std::uint64_t id = 0;  // of the question to the leader; 0: run by this node's core
    TransferDone done;
  };
  std::vector<Transfer> transfers_;
  std::uint64_t last_transfer_id_ = 0;

  std::vector<Change> changes_;
  std::uint64_t last_change_id_ = 0;
  bool removed_ = false;

  // State.
  storage::Revision revision_;
  raft::Term applied_term_;  // of the last entry applied since start
  raft::Index durable_state_;
  bool compacting_ = false;
  std::map<raft::NodeId, raft::Index> images_;   // being made or sent: the log is kept behind them
  std::map<raft::NodeId, raft::Instant> heard_;  // as leader: when a peer was last found active

  raft::NodeId image_source_;  // of the install under way; 0: none

  // Disk space, own and as the peers report it.
  bool disk_low_ = false;
  std::set<raft::NodeId> peers_low_;
  raft::Instant next_report_;
  std::optional<storage::Revision> reclaimed_at_;

  // The history clock as last seen, and when it was first seen so, by this node's own clock.
  std::uint64_t history_clock_ = 0;
  raft::Instant history_clock_seen_;
  raft::Instant next_history_;  // no automatic compaction before

  // When each commit index was reached, for the lag in seconds; thinned out, bounded.
  std::deque<std::pair<raft::Index, raft::Instant>> commit_times_;

  // As last seen, to notice transitions.
  raft::Role seen_role_ = raft::Role::follower;
  raft::Term seen_term_;
  raft::NodeId seen_leader_;
  std::uint64_t seen_configuration_ = 0;  // its version
  raft::Index seen_committed_;
  bool draining_ = false;
  bool stopping_ = false;  // and draining_
};

}  // namespace tenaz::server
