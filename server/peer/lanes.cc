#include "server/messages.h"

namespace tenaz::server {
namespace {

struct LaneOf {
  Lane operator()(const raft::Message& message) const { return std::visit(*this, message); }

  Lane operator()(const raft::VoteRequest&) const { return Lane::control; }
  Lane operator()(const raft::VoteReply&) const { return Lane::control; }
  Lane operator()(const raft::Heartbeat&) const { return Lane::control; }
  Lane operator()(const raft::HeartbeatReply&) const { return Lane::control; }
  Lane operator()(const raft::TimeoutNow&) const { return Lane::control; }
  Lane operator()(const ReadIndexRequest&) const { return Lane::control; }
  Lane operator()(const ReadIndexReply&) const { return Lane::control; }
  Lane operator()(const NodeReport&) const { return Lane::control; }
  Lane operator()(const TransferRequest&) const { return Lane::control; }
  Lane operator()(const TransferRefused&) const { return Lane::control; }
  Lane operator()(const ChangeRequest&) const { return Lane::control; }
  Lane operator()(const ChangeReply&) const { return Lane::control; }

  Lane operator()(const raft::AppendRequest&) const { return Lane::log; }
  Lane operator()(const raft::AppendReply&) const { return Lane::log; }
  // Takes the place of an append, and is answered by an AppendReply.
  Lane operator()(const raft::InstallSnapshot&) const { return Lane::log; }
  Lane operator()(const raft::InstallSnapshotFailed&) const { return Lane::log; }
  Lane operator()(const ForwardWrites&) const { return Lane::log; }
  Lane operator()(const ForwardRefused&) const { return Lane::log; }

  Lane operator()(const SnapshotRequest&) const { return Lane::bulk; }
  Lane operator()(const SnapshotManifest&) const { return Lane::bulk; }
  Lane operator()(const SnapshotData&) const { return Lane::bulk; }
};

}  // namespace

Lane lane_of(const PeerMessage& message) {
  return std::visit(LaneOf{}, message);
}

}  // namespace tenaz::server
