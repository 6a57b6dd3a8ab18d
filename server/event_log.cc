#include "server/event_log.h"

#include <spdlog/spdlog.h>

#include "raft/describe.h"

namespace tenaz::server {

void EventLog::role_changed(raft::Role role, raft::Term term) {
  leads_ = role == raft::Role::leader;
  if (leads_) spdlog::info("raft: this node leads term {}", term.value);
  next_.role_changed(role, term);
}

void EventLog::leader_changed(raft::NodeId leader, raft::Term term) {
  if (leader && leads_) return next_.leader_changed(leader, term);  // role_changed() has said it
  if (leader)
    spdlog::info("raft: node {} leads term {}", leader.value, term.value);
  else
    spdlog::warn("raft: no leader is known in term {}", term.value);
  next_.leader_changed(leader, term);
}

void EventLog::standing_changed(raft::Role role, raft::Term term, raft::NodeId leader) {
  std::string text = fmt::format("{}, term {}", raft::to_string(role), term.value);
  if (!leader)
    text += ", no leader";
  else if (role != raft::Role::leader)
    text += fmt::format(", leader node {}", leader.value);
  if (standing_) standing_(text);
  next_.standing_changed(role, term, leader);
}

void EventLog::waits_for_state() {
  if (standing_) standing_("the state is missing: fetching it from another node");
}

void EventLog::waits_for_admission() {
  if (standing_) standing_("waiting to be admitted to the cluster");
}

void EventLog::election_started(raft::Term term, bool pre_vote) {
  if (pre_vote)
    spdlog::info("raft: no word from a leader; asking whether an election after term {} would succeed", term.value);
  else
    spdlog::info("raft: standing for election in term {}", term.value);
  next_.election_started(term, pre_vote);
}

void EventLog::election_ended(bool won, raft::Term term) {
  if (!won) spdlog::info("raft: the election of term {} was not won", term.value);
  next_.election_ended(won, term);
}

void EventLog::stepped_down(raft::Term term, const char* reason) {
  spdlog::warn("raft: gave up the leadership of term {} ({})", term.value, reason);
  next_.stepped_down(term, reason);
}

void EventLog::disk_stalled(bool stalled) {
  if (stalled)
    spdlog::warn("disk: a write of the log has been under way for longer than raft.disk_stall_timeout");
  else
    spdlog::info("disk: the log's disk answers again");
  next_.disk_stalled(stalled);
}

void EventLog::peer_rolled_back(raft::NodeId peer) {
  spdlog::error(
      "raft: node {} has lost entries that it had acknowledged; it no longer counts. Its disk went back in time: "
      "remove "
      "the node and add it anew",
      peer.value);
  next_.peer_rolled_back(peer);
}

void EventLog::members_changed(const raft::Configuration& configuration, bool committed) {
  spdlog::info("membership: {}{}", raft::describe(configuration), committed ? "" : ", not committed yet");
  next_.members_changed(configuration, committed);
}

void EventLog::snapshot_wanted(raft::NodeId peer) {
  spdlog::info("snapshot: node {} is behind the compacted log; making an image for it", peer.value);
  next_.snapshot_wanted(peer);
}

void EventLog::image_overtaken(raft::NodeId peer, raft::Index image) {
  spdlog::warn(
      "snapshot: the log had to be cut behind the image at index {} that node {} is being sent: it will need another "
      "one. If that goes on, raise peer.max_snapshot_rate, free disk space, or write more slowly",
      image.value, peer.value);
  next_.image_overtaken(peer, image);
}

void EventLog::snapshot_installing(raft::NodeId from, raft::Index index) {
  spdlog::info("snapshot: fetching the state at index {} from node {}", index.value, from.value);
  next_.snapshot_installing(from, index);
}

void EventLog::snapshot_installed(raft::Index index) {
  spdlog::info("snapshot: the state at index {} is in force", index.value);
  next_.snapshot_installed(index);
}

void EventLog::history_compacting(storage::Revision revision, storage::Revision present) {
  spdlog::info("history: revisions below {} are to be forgotten; the store is at {}", revision.value, present.value);
  next_.history_compacting(revision, present);
}

}  // namespace tenaz::server
