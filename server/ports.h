// What the replica needs from the world. Production puts threads behind these (executors.h), the simulator a model.
// All calls are made from the thread that drives the replica and return at once; results come back as Replica::on_...
// calls.
#pragma once

#include <string>
#include <vector>

#include "raft/core.h"
#include "raft/log_reader.h"
#include "raft/output.h"
#include "raft/types.h"
#include "server/messages.h"
#include "storage/state_machine.h"

namespace tenaz::server {

class LogPort {
 public:
  virtual ~LogPort() = default;
  virtual const raft::LogReader& reader() const = 0;
  // Strictly in order. Answered by Replica::on_persisted(write.id), at once or later, never from inside this call.
  // Several may be made durable together.
  virtual void write(raft::Persist write) = 0;
  // In order with the writes. Answered by Replica::on_log_compacted(index).
  virtual void compact(raft::Index index, raft::Configuration configuration, raft::Index configuration_index) = 0;
  // This peer's disk has lost entries that it had acknowledged: remember it durably, so that nothing it says counts
  // again.
  virtual void distrust(raft::NodeId peer) = 0;
  // Where compaction may cut so that enough is left for slow followers; at most `limit`.
  virtual raft::Index compaction_target(raft::Index limit) const = 0;
  // About how large the log is.
  virtual std::uint64_t bytes() const = 0;
};

class StatePort {
 public:
  virtual ~StatePort() = default;
  // Strictly in order; answered by Replica::on_applied, never from inside this call.
  virtual void apply(std::vector<raft::Entry> entries) = 0;

  // What automatic compaction goes by, as applied so far; kept in memory. See storage/kv/history_clock.h.
  struct History {
    storage::Revision compact_revision;
    std::uint64_t clock_ms = 0;
  };
  virtual History history() const { return {}; }
  // The latest revision that is known to have been in force when the history clock stood at `clock_ms`; 0: none.
  virtual storage::Revision revision_at(std::uint64_t /*clock_ms*/) const { return {}; }
};

class TransportPort {
 public:
  virtual ~TransportPort() = default;
  // May lose it (no connection, a full queue), never blocks, never duplicates. Order holds within a lane of one
  // connection. False: certainly not a byte of it left or will leave.
  virtual bool send(raft::NodeId to, PeerMessage message) = 0;
  // Whom to speak with from now on, this node included; who is `retired` must learn it. The same list may come again.
  virtual void set_members(const std::vector<raft::Member>& /*members*/, const std::vector<raft::NodeId>& /*retired*/) {
  }
};

class SnapshotPort {
 public:
  virtual ~SnapshotPort() = default;
  // Make an image of the state for `peer`; answered by Replica::on_image.
  virtual void make_image(raft::NodeId peer) = 0;
  // Fetch the image, replace state and log by it; answered by Replica::on_installed.
  virtual void install(const raft::Output::Install& install) = 0;
  // The node that the image comes from is gone, or leads no longer: an install that is under way should fail soon,
  // unless it still gets on. Harmless when none is.
  virtual void hurry() = 0;
};

// Events that an operator or a dashboard cares about; all calls do nothing unless overridden.
class Probe {
 public:
  virtual ~Probe() = default;
  virtual void role_changed(raft::Role, raft::Term) {}
  virtual void leader_changed(raft::NodeId /*leader, 0: none*/, raft::Term) {}
  // Any of the three, after the calls above.
  virtual void standing_changed(raft::Role, raft::Term, raft::NodeId /*leader, 0: none*/) {}
  virtual void election_started(raft::Term, bool /*pre_vote*/) {}
  virtual void election_ended(bool /*won*/, raft::Term) {}
  virtual void stepped_down(raft::Term, const char* /*reason: a stable word*/) {}
  virtual void disk_stalled(bool /*does not answer, or does again*/) {}
  virtual void peer_rolled_back(raft::NodeId) {}
  virtual void members_changed(const raft::Configuration&, bool /*committed*/) {}
  virtual void snapshot_wanted(raft::NodeId) {}
  // The log had to be cut behind the image that this peer is being sent: it will need another one.
  virtual void image_overtaken(raft::NodeId, raft::Index /*of the image*/) {}
  virtual void snapshot_installing(raft::NodeId /*from*/, raft::Index) {}
  virtual void snapshot_installed(raft::Index) {}
  // This leader proposes to forget what lies below `revision`, unasked.
  virtual void history_compacting(storage::Revision /*revision*/, storage::Revision /*present*/) {}
  virtual void proposed(std::size_t /*commands*/, std::size_t /*bytes*/) {}
  virtual void write_finished(const char* /*result: a stable word*/, raft::Duration /*since it arrived*/) {}
  virtual void read_index_finished(raft::Duration) {}
  virtual void lease_reads(std::size_t /*of these, confirmed by the lease*/) {}
};

}  // namespace tenaz::server
