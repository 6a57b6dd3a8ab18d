// GET /v1/status: this node's view of the cluster.
#include <algorithm>

#include "server/http/json_value.h"
#include "server/http/resources.h"

namespace tenaz::server::http {
namespace {

namespace json = boost::json;

json::array peers_of(const NodeStatus& status) {
  json::array peers;
  const bool leads = status.raft.role == raft::Role::leader;
  for (const PeerView& peer : status.peers) {
    json::object object{{"id", peer.id.value}, {"address", peer.address}};
    const auto& learners = status.configuration.learners;
    object["role"] = std::binary_search(learners.begin(), learners.end(), peer.id) ? "learner" : "voter";
    // Only a leader knows how far the others are.
    object["match_index"] = leads ? json::value(peer.match_index.value) : json::value(nullptr);
    object["lag_entries"] = leads ? json::value(peer.lag_entries) : json::value(nullptr);
    object["active"] = leads ? json::value(peer.active) : json::value(nullptr);
    object["suspicion"] = "unknown";
    object["phi"] = nullptr;
    peers.push_back(std::move(object));
  }
  return peers;
}

json::array snapshots_of(const NodeStatus& status) {
  json::array snapshots;
  for (const SnapshotProgress& one : status.snapshots) {
    snapshots.push_back({{"peer", one.peer.value},
                         {"direction", to_string(one.direction)},
                         {"index", one.index.value},
                         {"bytes_done", one.bytes_done},
                         {"bytes_total", one.bytes_total},
                         {"seconds", one.seconds},
                         {"bytes_per_second", static_cast<std::uint64_t>(one.bytes_per_second)}});
  }
  return snapshots;
}

std::string_view hint_of(const NodeStatus& status) {
  if (status.cluster_id.empty()) {
    return "none of the nodes in cluster.join has said yet which cluster they are: are they up?";
  }
  if (status.raft.leader) {
    return "it was added, and is being sent the state";
  }
  return "it waits to be added: POST /v1/members to a node of the cluster, or tenazctl member add";
}

void answer_status(Exchange& exchange) {
  const NodeStatus& status = exchange.status_result;
  const raft::Status& raft = status.raft;
  json::object object{
      {"node_id", raft.self.value},
      {"name", status.name},
      {"cluster_id", status.cluster_id.empty() ? json::value(nullptr) : json::value(status.cluster_id)},
      {"version", TENAZ_VERSION},
      {"role", raft::to_string(raft.role)},
      {"term", raft.term.value},
      {"voted_for", raft.voted_for.value},
      {"leader_id", raft.leader.value},
      {"first_index", raft.first_index.value},
      {"last_index", raft.last_index.value},
      {"commit_index", raft.commit.value},
      {"applied_index", raft.applied.value},
      {"revision", status.revision.value},
      {"compact_revision", exchange.service().node.reader()->compact_revision().value},
      {"members", status.configuration.members.size()},
      {"peers", peers_of(status)},
      {"lease_reads", status.committed_configuration.lease_reads},
      {"lease_held", status.lease_held},
      {"joining", status.joining},
      {"snapshots", snapshots_of(status)},
      {"faults", json::array{}},
  };
  if (status.joining) {
    object["hint"] = hint_of(status);
  }
  answer_json(exchange, 200, object);
}

}  // namespace

void check_status(Exchange& exchange) {
  if (take_parameters(exchange, 0)) {
    exchange.serve = [](Exchange& e) { e.status(answer_status); };
  }
}

}  // namespace tenaz::server::http
