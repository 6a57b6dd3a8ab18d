// What nodes say to each other beyond Raft itself. Plain structs; server/peer maps them to the wire (peer/raft.proto).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "raft/core.h"
#include "raft/message.h"
#include "raft/types.h"
#include "storage/snapshot.h"

namespace tenaz::server {

// Writes that a client sent to a node that does not lead. Bound to the term of the leader they are meant for: a node
// appends them only while it leads that very term, so once anything of a later term is applied, what is still missing
// never will be.
struct ForwardWrites {
  raft::Term term;
  std::vector<std::string> commands;  // serialized storage::pb::Command, origin set
};

enum class WriteRefusal : std::uint8_t { not_leader, overloaded, disk_full };

// The leader appended none of these.
struct ForwardRefused {
  raft::Term term;
  std::uint64_t boot = 0;                // of the origin
  std::vector<std::uint64_t> sequences;  // of the origin
  WriteRefusal reason = WriteRefusal::not_leader;
};

// One question for all reads that wait at a follower (thesis 6.4).
struct ReadIndexRequest {
  std::uint64_t boot = 0;  // (boot, id) is never used twice
  std::uint64_t id = 0;
};

struct ReadIndexReply {
  std::uint64_t boot = 0;
  std::uint64_t id = 0;
  bool confirmed = false;  // false: the node asked does not lead, or lost leadership
  raft::Index index;
};

// Snapshots are pulled: the receiver asks for the manifest (empty file name), then for piece after piece. A node that
// has lost its state asks without an id, for any image at `at_least` or later.
struct SnapshotRequest {
  std::string snapshot_id;
  std::string file;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  raft::Index at_least{};
};

struct SnapshotManifest {
  bool found = false;  // false: the sender has no such image, or no longer
  storage::ImageManifest manifest;
};

struct SnapshotData {
  std::string snapshot_id;
  bool found = false;
  std::string file;
  std::uint64_t offset = 0;
  std::string bytes;
};

// Told by each node to the others at every change and every few seconds: room on its disk. A leader refuses puts when
// no majority has room (design: full disk).
struct NodeReport {
  bool disk_low = false;
};

// Asks the leader to hand over to `target` (0: to its best peer). It answers if it does not begin; else who asks
// watches for the new leader.
struct TransferRequest {
  raft::NodeId target;
  std::uint64_t boot = 0;  // (boot, id) is never used twice
  std::uint64_t id = 0;
};

struct TransferRefused {
  std::uint64_t boot = 0;
  std::uint64_t id = 0;
};

// Asks the leader for a change of the membership. Never sent twice.
struct ChangeRequest {
  std::uint64_t boot = 0;  // (boot, id) is never used twice
  std::uint64_t id = 0;
  raft::MembershipChange change;
};

// Refused, or appended at `index` in `term`: who asked waits for it in its own log.
struct ChangeReply {
  std::uint64_t boot = 0;
  std::uint64_t id = 0;
  std::variant<raft::Proposed, raft::ChangeRefusal, raft::ChangeFault> result;
  std::string detail{};  // of a refusal: what only the leader sees, a sentence; may be empty
};

using PeerMessage = std::variant<raft::Message, ForwardWrites, ForwardRefused, ReadIndexRequest, ReadIndexReply,
                                 SnapshotRequest, SnapshotManifest, SnapshotData, NodeReport, TransferRequest,
                                 TransferRefused, ChangeRequest, ChangeReply>;

// Each lane is a connection of its own, so that nothing small waits behind something big.
enum class Lane : std::uint8_t {
  control = 0,  // heartbeats, votes, read index, reports
  log = 1,      // appends, their answers, forwarded writes: in order
  bulk = 2,     // snapshots
};
inline constexpr std::size_t kLanes = 3;

Lane lane_of(const PeerMessage& message);

}  // namespace tenaz::server
