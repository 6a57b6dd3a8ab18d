// Operators: they add, promote and remove nodes, put one in the place of another, toggle the setting of the cluster, at
// any moment and at any node, several at once, and now and then ask for what makes no sense.
//
// What the cluster must survive: all of it, whatever else goes wrong. What no one survives, and is not asked for: to
// remove a node whose vote is needed, since others have lost what they promised.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tests/sim/clients.h"
#include "tests/sim/in_force.h"
#include "tests/sim/machine.h"

namespace tenaz::sim {

class Operators {
 public:
  Operators(World& world, const Scenario& scenario, Checker& checker, Clients& clients,
            std::vector<std::unique_ptr<Machine>>& machines)
      : world_(world), scenario_(scenario), checker_(checker), clients_(clients), machines_(machines) {}

  // Asks this node for something, and perhaps another one for something else at once. False: there is nothing to ask
  // for.
  bool ask(std::size_t node, Random& random);
  // Nothing that was asked for may still happen.
  bool quiet() const;
  std::uint64_t done() const { return done_; }
  std::uint64_t refused() const { return refused_; }

 private:
  std::optional<raft::MembershipChange> draw(const raft::Configuration& now, Random& random);
  std::optional<raft::MembershipChange> addition(const raft::Configuration& now, Random& random);
  std::optional<raft::MembershipChange> removal(const raft::Configuration& now, Random& random);
  raft::MembershipChange nonsense(const raft::Configuration& now, Random& random);
  raft::Member member(raft::NodeId id);
  bool sound(std::size_t node) const { return !machines_[node]->written_off(); }
  bool ask_for(std::size_t node, Random& random);
  void answered(std::size_t request, const raft::MembershipChange& change, const server::ChangeResult& result);

  World& world_;
  const Scenario& scenario_;
  Checker& checker_;
  Clients& clients_;
  std::vector<std::unique_ptr<Machine>>& machines_;
  std::vector<raft::Instant> happens_until_;  // [request]
  std::uint64_t done_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace tenaz::sim
