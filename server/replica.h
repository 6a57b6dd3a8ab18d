// The host loop of one Raft group on one node: core, log, state machine, peers and waiting clients, tied together without a
// thread, a socket or a clock. Events go in with `now`, effects go out through ports.h. Production drives it from one thread
// (executors.h); the simulator drives many from one thread with virtual time: it is the very same class.
//
// One function, carry_out(), orders vote -> persist -> send -> apply -> answer: the place to read about crash safety.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "raft/core.h"
#include "server/messages.h"
#include "server/node.h"
#include "server/ports.h"
#include "storage/command.h"

namespace tenaz::server {

struct ReplicaOptions {
  raft::Options raft;
  std::size_t max_inflight_bytes = 64 << 20;  // of writes that wait here
  std::size_t max_batch_bytes = 1 << 20;      // of one log entry; one command may exceed it
  // Own log writes under way while a further batch is still proposed at once; beyond, commands collect into one batch.
  std::size_t max_unwritten_batches = 1;
};

struct ReplicaStart {
  raft::NodeId self;
  std::uint64_t boot = 0;  // random, fresh at every start
  raft::HardState hard_state;
  raft::Configuration configuration;  // at the log's compaction point
  raft::Index configuration_index;
  raft::Index applied;                // of the state machine
  storage::Revision revision;
  raft::Instant now;
  std::function<std::uint64_t(std::uint64_t)> random;
  std::function<std::uint64_t()> wall_time_ms;  // for display only
};

using WriteDone = std::function<void(const WriteResult&)>;
using ReadDone = std::function<void(const ReadResult&)>;

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
  // `sequence`: unique within `boot`; `command`: serialized with origin (self, boot, sequence). `is_put`: refused on a full disk.
  void write(raft::Instant now, std::uint64_t sequence, std::string command, bool is_put, raft::Instant deadline,
             WriteDone done);
  void read_index(raft::Instant now, raft::Instant deadline, ReadDone done);
  void wait_revision(raft::Instant now, storage::Revision revision, raft::Instant deadline, ReadDone done);
  void transfer_leadership(raft::Instant now, raft::NodeId target, raft::Instant deadline, std::function<void(bool)> done);

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

  // From now on writes and reads are refused as stopping, and those that wait are answered.
  void stop(raft::Instant now);

  NodeStatus status(raft::Instant now) const;
  const raft::Core& core() const { return core_; }

 private:
  // (private part: see the class's own comments)
};

}  // namespace tenaz::server
