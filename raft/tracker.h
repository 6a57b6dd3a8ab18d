// All the other members as a leader sees them, and what a quorum of the configuration has reached.
#pragma once

#include <vector>

#include "raft/progress.h"
#include "raft/types.h"

namespace tenaz::raft {

class Tracker {
 public:
  // Starts afresh: every member of `configuration` but `self` is probed from `next` on.
  void start(const Configuration& configuration, NodeId self, Index next, Instant now);
  // Another configuration is in force: new members are probed from `next` on, who is gone is forgotten.
  void update(const Configuration& configuration, Index next, Instant now);
  void clear() { peers_.clear(); }

  std::vector<Progress>& peers() { return peers_; }
  const std::vector<Progress>& peers() const { return peers_; }
  Progress* find(NodeId id);

  // Quorums over the configuration in force. A peer whose disk went back counts for nothing.
  Index committed(const Configuration& configuration, Index own_durable) const;
  std::uint64_t confirmed_round(const Configuration& configuration, std::uint64_t own_round) const;
  // Since when a quorum has been silent: it was heard at that time or later.
  Instant quorum_heard(const Configuration& configuration, Instant now) const;
  // The same of a quorum whose disks answer; this node's own did so last at `own`.
  Instant quorum_able(const Configuration& configuration, Instant own) const;
  // Since when some voter has been silent.
  Instant all_heard(const Configuration& configuration, Instant now) const;
  // Until when a quorum has promised to vote for nobody else, this node until `own`.
  Instant quorum_promised(const Configuration& configuration, Instant own) const;

  // Who should lead next: the voter among the recently active ones that holds most of the log; null if there is none.
  const Progress* best_successor(const Configuration& configuration, Instant now, Duration active_within) const;

 private:
  const Progress* find(NodeId id) const;
  template <class ValueOf>
  std::uint64_t quorum_of(const Configuration& configuration, std::uint64_t own, ValueOf value_of) const;

  template <class TimeOf>
  Instant quorum_time(const Configuration& configuration, Instant own, TimeOf time_of) const;

  NodeId self_;
  std::vector<Progress> peers_;  // a handful: searched by walking
};

}  // namespace tenaz::raft
