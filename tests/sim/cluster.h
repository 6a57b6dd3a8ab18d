// The nodes of one run with all that connects them, and the loop that lets events happen. Who uses it decides what goes
// wrong: simulation.h draws it from a seed, connectivity.h follows a named scenario.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "tests/sim/checker.h"
#include "tests/sim/clients.h"
#include "tests/sim/identity.h"
#include "tests/sim/machine.h"
#include "tests/sim/network.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

class Cluster {
 public:
  using Machines = std::vector<std::unique_ptr<Machine>>;

  // `scenario` must outlive it. `others`: events that are not the cluster's own (fault and the like).
  Cluster(std::uint64_t seed, std::uint64_t salt, const Scenario& scenario, std::FILE* trace,
          std::function<void(const Event&)> others);

  World& world() { return world_; }
  Network& network() { return network_; }
  Identities& identities() { return identities_; }
  Checker& checker() { return checker_; }
  Clients& clients() { return clients_; }
  Machines& machines() { return machines_; }
  const Counters& counters() const { return counters_; }

  void start();
  // Until then, until `done`, or until something fails. True: done.
  template <class Done>
  bool run_until(raft::Instant end, Done done) {
    while (!world_.failed() && !done()) {
      if (world_.idle() || world_.next_at() > end) {
        world_.rest_until(end);
        return false;
      }
      handle(world_.take());
    }
    return !world_.failed();
  }
  void run_for(raft::Duration time) {
    run_until(world_.now() + time, [] { return false; });
  }

  // Some of these nodes, asked in turn, accepts a write within `bound`. They may change meanwhile, but are never none.
  bool accepts_a_write(const std::function<std::vector<std::size_t>()>& nodes, raft::Duration bound);
  bool accepts_a_write(const std::vector<std::size_t>& nodes, raft::Duration bound) {
    return accepts_a_write([&nodes] { return nodes; }, bound);
  }
  // These nodes have applied all that there is, and hold nothing else.
  bool converged(const std::vector<std::size_t>& nodes) const;
  // What clients were told, against what happened; fails the run if it does not fit.
  void judge();
  // Of everything that happened, to the last bit.
  std::uint64_t fingerprint();

 private:
  void handle(const Event& event);
  void to_machine(const Event& event);
  bool greet(std::size_t dialer, std::size_t listener);
  bool welcomes(std::size_t node, std::size_t other, bool called);

  const std::function<void(const Event&)> others_;
  World world_;
  Network network_;
  Counters counters_;
  Machines machines_;
  Identities identities_;
  std::vector<const Disk*> disks_;
  Checker checker_;
  Clients clients_;
};

}  // namespace tenaz::sim
