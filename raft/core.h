// The Raft consensus core of one group on one node (Ongaro's thesis; the section stands at the branch that implements
// it).
//
// A deterministic state machine: inputs go in through the calls below, everything that must happen comes out of
// take_output(). It does no I/O, reads no clock, starts no thread and logs nothing, so the production host and the
// simulator drive the very same code. Not thread-safe: one thread owns it.
//
// Usage: any number of input calls, then take_output() and carry it out as output.h says; repeat. Time never goes back.
// A state that Raft rules out (two leaders in a term, a committed entry overwritten, a term that goes back) aborts the
// process with a message, in release builds too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "raft/log_reader.h"
#include "raft/membership.h"
#include "raft/message.h"
#include "raft/options.h"
#include "raft/output.h"
#include "raft/types.h"

namespace tenaz::raft {

enum class Role { follower, pre_candidate, candidate, leader, learner };

const char* to_string(Role role);

// What the core starts from; everything in it was durable.
struct Start {
  NodeId self;
  HardState hard_state;
  // The state machine's applied index: >= the log's compaction point. The log behind it is not looked at again.
  Index applied;
  // The configuration in force at the log's compaction point (first_index - 1) and where it was appended. Later ones
  // are found in the log by the core.
  Configuration configuration;
  Index configuration_index;
  Instant now;
  // A uniform random number in [0, bound); bound > 0.
  std::function<std::uint64_t(std::uint64_t bound)> random;
};

enum class Refusal {
  not_leader,
  overloaded,    // max_uncommitted_bytes is reached; try again later
  transferring,  // leadership is being handed over
};

// Why a leader does not begin a change of the membership.
enum class ChangeRefusal {
  not_leader,
  not_ready,          // it has not yet committed an entry of its own term (thesis 4.1, and the erratum to it)
  in_progress,        // the last change is not committed, or leadership is being handed over
  not_caught_up,      // the learner would hold up commits as a voter (thesis 4.2.1)
  would_lose_quorum,  // of those who would vote, no majority answers at present
};

struct Proposed {
  Term term;
  Index index;
};

struct PeerStatus {
  enum class Mode { probe, replicate, snapshot };
  NodeId id;
  Mode mode = Mode::probe;
  Index match;
  Index next;
  std::size_t inflight = 0;
  bool recently_active = false;  // heard within the last election timeout
  bool rolled_back = false;
  bool caught_up = false;  // a learner's: it may become a voter
};

struct Status {
  NodeId self;
  Role role = Role::follower;
  Term term;
  NodeId voted_for;
  NodeId leader;  // as learned from its messages; 0: not known
  Index first_index;
  Index last_index;
  Index durable_index;  // own log
  Index commit;
  Index applied;
  NodeId transfer_target;         // 0: no transfer under way
  bool read_ready = false;        // leader: has committed an entry of its term
  std::optional<Instant> lease;   // leader: its lease, while the setting is on, lasts until then, or is over since then
  std::vector<PeerStatus> peers;  // leader only
};

class Core {
 public:
  // `log` must outlive the core. Its content is trusted.
  Core(const Options& options, const Start& start, const LogReader& log);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // --- inputs -------------------------------------------------------------------------------------------------------

  // A message from a peer whose identity the host has checked.
  void step(Instant now, NodeId from, Message message);

  // Time has passed; call it at deadline() at the latest. Harmless at any other time.
  void advance(Instant now);

  // Leader: append one entry of kind commands. The payload is shared, never copied.
  std::variant<Proposed, Refusal> propose(Instant now, Payload payload);

  // Leader: confirm leadership for a linearizable read (thesis 6.4). Answered by reads_confirmed or reads_failed. The
  // id must be fresh. Only `not_leader` is ever refused; a read before the first commit of the term waits for it. All
  // reads that wait share a round of heartbeats, but for those that a lease confirms at once (lease.h). `now` must have
  // been read after the read arrived at this node.
  std::optional<Refusal> read(Instant now, ReadId id);

  // Leader: hand over to `target`, a voter; 0: to the best one. False when this node does not lead, the target is no
  // other voter, or a transfer is already under way.
  bool transfer_leadership(Instant now, NodeId target);

  // Leader: begin to change who belongs to the cluster, or a setting that lies in the configuration. The leader goes on
  // by itself, joint steps included, and so does its successor if the entry survives. Done when a configuration at or
  // after the returned index is committed in which holds(configuration, change); see membership.h.
  // `known`: the disks of members that are not recorded yet.
  std::variant<Proposed, ChangeRefusal, ChangeFault> change_membership(Instant now, const MembershipChange& change,
                                                                       const StorageIds& known = nullptr);

  // --- reports of the host ------------------------------------------------------------------------------------------

  // Write `id` and all before it are durable. Ids map to (term, index): what was truncated since does not count.
  void persisted(Instant now, WriteId id);
  // The state machine holds everything up to `index`.
  void applied(Instant now, Index index);
  // An image for `peer` exists; the core announces it if the peer still needs it.
  void snapshot_ready(Instant now, NodeId peer, const SnapshotMeta& meta, std::string snapshot_id);
  // No image could be made for `peer`: asked for again later.
  void snapshot_unavailable(Instant now, NodeId peer);
  // The snapshot of Output::install replaced state and log: LogReader now begins behind it.
  void snapshot_installed(Instant now, const SnapshotMeta& meta);
  // It could not be fetched or installed: the old state stands.
  void snapshot_failed(Instant now);
  // The log was compacted up to and including `index` (<= applied); LogReader already shows it.
  void log_compacted(Index index);
  // Nothing reaches this peer for now (its connection broke): its pipeline falls back to probing.
  void unreachable(NodeId peer);
  // No write has become durable for too long although one is under way (true); writes become durable again (false).
  // Meanwhile this node neither stands nor encourages others by pre-votes, and a leader gives way to a voter with a
  // disk that works, by transfer or, where that does not come about soon, by stepping down; unless the others could not
  // commit without it. Any leader steps down that does not hear all, and for twice election_timeout_max no quorum
  // whose disks answer.
  void disk_stalled(Instant now, bool stalled);

  // --- what the host reads ------------------------------------------------------------------------------------------

  Output take_output();
  // When advance() is due next.
  Instant deadline() const;

  Status status() const;
  // Cheap parts of status().
  Role role() const;
  Term term() const;
  NodeId leader() const;
  Index commit() const;
  Index applied_index() const;
  Index last_index() const;
  // The latest configuration in the log, committed or not: it is in force from when it is appended (thesis 4.1).
  const Configuration& configuration() const;
  Index configuration_index() const;
  // Changes whenever another configuration comes into force, also if it was appended at the same index.
  std::uint64_t configuration_version() const;
  // The latest one that is known to be committed.
  const Configuration& committed_configuration() const;
  Index committed_configuration_index() const;
  // The configuration in force at `index` (>= the compaction point) and where it was appended: what a snapshot there
  // carries.
  std::pair<Configuration, Index> configuration_at(Index index) const;

 private:
  class Impl;  // see core.cc; the parts are in core_election.cc, core_leader.cc, core_lease.cc, core_membership.cc,
               // core_follower.cc, core_stall.cc
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenaz::raft
