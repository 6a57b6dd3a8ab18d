// What the HTTP side may ask of this node. Every call is thread-safe and returns at once; callbacks run on the
// replica's thread, exactly once each: they must only post work elsewhere. A call that throws owes no callback.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "raft/core.h"
#include "raft/types.h"
#include "server/snapshot_progress.h"
#include "storage/command.pb.h"
#include "storage/kv/store.h"
#include "storage/state_machine.h"

namespace tenaz::server {

// Why a request was not done. Each maps to one stable code of the HTTP API.
enum class Failure {
  no_leader,       // none known until the deadline; nothing happened
  overloaded,      // a limit is reached; nothing happened
  disk_full,       // nothing happened
  leader_changed,  // unknown whether a write was done
  timeout,         // the deadline passed; `not_applied` says what is known of a write
  stopping,        // this node shuts down
  not_ready,       // this node's state is missing, and not yet fetched; nothing happened
  disk_stalled,    // this node's disk does not answer, and the request would wait for it; nothing happened
  joining,         // this node waits to be admitted to a cluster; nothing happened
};

struct WriteResult {
  std::optional<Failure> failure;
  // With a failure: true only if the write is certain never to be applied.
  bool not_applied = false;
  storage::CommandResult result;  // without one
};

struct ReadResult {
  std::optional<Failure> failure;  // nothing: this node's state may be read now
};

enum class TransferOutcome {
  done,     // the target leads
  refused,  // not begun: there is nobody to hand over to, another one is under way, or the leader is out of reach
  failed,   // begun, and by the deadline nobody else led
};

struct PeerView {
  raft::NodeId id;
  std::string address;
  raft::Index match_index;
  std::uint64_t lag_entries = 0;
  double lag_seconds = 0;  // age of the oldest committed entry that it has not acknowledged
  bool active = false;     // heard of lately
};

struct NodeStatus {
  raft::Status raft;
  storage::Revision revision;
  std::string name;
  std::string cluster_id;                       // 32 hex digits; empty: not known yet, it joins
  std::vector<PeerView> peers;                  // all other members; match and lag only on the leader
  raft::Configuration configuration;            // in force, committed or not
  raft::Configuration committed_configuration;  // the latest that is known to be committed
  raft::Index committed_configuration_index;    // where it was appended; 0: the founding one
  bool lease_held = false;                      // it leads, and may answer reads without asking the others
  bool disk_low = false;
  bool disk_stalled = false;                // the log's disk does not answer
  bool quorum_reachable = false;            // a majority answers (leader), or a leader is heard (others)
  bool stopping = false;                    // asked to stop, though it may still serve
  bool joining = false;                     // it waits to be admitted to a cluster
  std::vector<SnapshotProgress> snapshots;  // transfers of images under way, from here and to here
  bool state_missing = false;               // it is being fetched from another node; until then this node takes no part
};

using TransferDone = std::function<void(TransferOutcome)>;

// Why the node that should be added is not: found out before anything is proposed.
enum class AddressFault {
  unreachable,    // nobody answers at its peer address, or nobody who speaks the peers' protocol
  wrong_cluster,  // who answers belongs to another cluster
  wrong_node,     // who answers has another id
  refused,        // it wants nothing to do with this cluster's members; the detail says why
};

struct ChangeResult {
  // Nothing: done, and `configuration` is in force.
  std::variant<std::monostate, Failure, raft::ChangeRefusal, raft::ChangeFault, AddressFault> fault;
  // With a fault: true only if nothing was appended.
  bool not_applied = true;
  std::string detail;  // with a fault: what is known beyond it, a sentence; may be empty
  // Committed; with a fault: what it was judged by, as far as this node knows.
  raft::Configuration configuration;
  raft::Index configuration_index;

  bool done() const { return fault.index() == 0; }
};
using ChangeDone = std::function<void(const ChangeResult&)>;

class Node {
 public:
  virtual ~Node() = default;

  // `command`: apply_version and operation set; the node adds the origin. Keys and values are already within limits.
  virtual void write(storage::pb::Command command, raft::Duration timeout,
                     std::function<void(const WriteResult&)> done) = 0;

  // Linearizable read: done once everything committed before this call is applied here.
  virtual void read_index(raft::Duration timeout, std::function<void(const ReadResult&)> done) = 0;

  // Done once this node has applied `revision` (or when the timeout has passed).
  virtual void wait_revision(storage::Revision revision, raft::Duration timeout,
                             std::function<void(const ReadResult&)> done) = 0;

  virtual void status(std::function<void(const NodeStatus&)> done) = 0;

  // The local state, as applied so far. Valid until the node is destroyed; an installed snapshot replaces what is
  // behind it, so hold it only for one request.
  virtual std::shared_ptr<const storage::kv::Reader> reader() const = 0;

  // Hands leadership to `target` (0: to the best peer).
  virtual void transfer_leadership(raft::NodeId target, raft::Duration timeout, TransferDone done) = 0;

  // Asks the leader for a change of the membership, and waits until it is committed to its end (an added node is a
  // learner then; it becomes a voter later, by itself). A node to be added is called first: it must wait there, with an
  // empty disk.
  virtual void change_membership(raft::MembershipChange change, raft::Duration timeout, ChangeDone done) = 0;
};

}  // namespace tenaz::server
