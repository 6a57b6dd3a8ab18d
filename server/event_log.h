// One log line per event that an operator cares about, on the way to the metrics; and how this node stands, in a few
// words. On the replica's thread.
#pragma once

#include <functional>
#include <string>

#include "server/ports.h"

namespace tenaz::server {

class EventLog final : public Probe {
 public:
  // `standing`: called with every change, for instance with "follower, term 5, leader node 2". Must not block.
  explicit EventLog(Probe& next, std::function<void(const std::string&)> standing = nullptr)
      : next_(next), standing_(std::move(standing)) {}

  // This node takes no part yet: its state is missing, or its cluster has not admitted it. Until standing_changed().
  void waits_for_state();
  void waits_for_admission();

  void role_changed(raft::Role role, raft::Term term) override;
  void leader_changed(raft::NodeId leader, raft::Term term) override;
  void standing_changed(raft::Role role, raft::Term term, raft::NodeId leader) override;
  void election_started(raft::Term term, bool pre_vote) override;
  void election_ended(bool won, raft::Term term) override;
  void stepped_down(raft::Term term, const char* reason) override;
  void disk_stalled(bool stalled) override;
  void peer_rolled_back(raft::NodeId peer) override;
  void members_changed(const raft::Configuration& configuration, bool committed) override;
  void snapshot_wanted(raft::NodeId peer) override;
  void image_overtaken(raft::NodeId peer, raft::Index image) override;
  void snapshot_installing(raft::NodeId from, raft::Index index) override;
  void snapshot_installed(raft::Index index) override;
  void history_compacting(storage::Revision revision, storage::Revision present) override;
  void proposed(std::size_t commands, std::size_t bytes) override { next_.proposed(commands, bytes); }
  void write_finished(const char* result, raft::Duration took) override { next_.write_finished(result, took); }
  void read_index_finished(raft::Duration took) override { next_.read_index_finished(took); }
  void lease_reads(std::size_t reads) override { next_.lease_reads(reads); }

 private:
  Probe& next_;
  std::function<void(const std::string&)> standing_;
  bool leads_ = false;
};

}  // namespace tenaz::server
