// What goes wrong, and when. Faults are numbered; everything about number i, when it strikes and what it does, is drawn
// from a stream of its own, so that a replay can leave some out without changing the others. Each ends by itself, or by
// heal_all(). A minority of disks at most loses what it promised (`written off`): more than that no cluster survives.
//
//   faults.cc        the schedule, and the return to health
//   fault_nodes.cc   processes, processors, clocks, operators
//   fault_disks.cc   disks: stalled, slow, failing, damaged, emptied, put back
//   fault_links.cc   links: partitions of all shapes, links that flap, storms
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "tests/sim/clients.h"
#include "tests/sim/machine.h"
#include "tests/sim/network.h"
#include "tests/sim/operators.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

class Faults {
 public:
  Faults(World& world, Network& network, Identities& identities, Checker& checker, Clients& clients,
         Operators& operators, const Scenario& scenario, const std::set<std::uint64_t>& skipped,
         std::vector<std::unique_ptr<Machine>>& machines);

  void start();
  // Its events: fault, fault_goes_on, flap, restart, end_of_process.
  void handle(const Event& event);

  // Nothing goes wrong any more: all run, all links are whole.
  void heal_all();
  // As heal_all(), but only some nodes are well connected among each other: a majority of every configuration that may
  // be in force. Returns them; none: there is no telling which these are, and all is well.
  std::vector<std::size_t> heal_majority();
  // Members whose disks still hold what they promised.
  std::vector<std::size_t> sound_members() const;
  // A majority of them, by every configuration that may be in force.
  bool quorum_is_sound() const;
  // Learners that are to become voters, and can.
  std::vector<std::size_t> promotable() const;

  // Those that had an effect.
  std::uint64_t struck() const;
  std::uint64_t struck(FaultKind kind) const { return struck_[static_cast<std::size_t>(kind)]; }
  // Numbers that were given out.
  std::uint64_t numbers() const { return next_; }

 private:
  // One fault, while it strikes and for as long as it lasts.
  struct Fault {
    Fault(std::uint64_t its_number, Random its_random) : number(its_number), random(its_random) {}

    std::uint64_t number;
    FaultKind kind = FaultKind::crash;
    Random random;
    std::size_t node = 0;
    std::uint32_t life = 0;  // of the node's process that it struck
    Ways ways;               // that it has cut
    bool flapping_down = false;
    raft::Instant flaps_until;
    std::optional<Disk> copy;
    DiskIdentity copied_identity;
    unsigned stage = 0;
    bool everywhere = false;  // not one node alone
  };

  void schedule();
  void strike(std::uint64_t number);
  FaultKind draw_kind(Random& random) const;
  bool begin(Fault& fault);
  // What it began ends, or goes on to its next stage.
  void goes_on(Fault& fault);
  void later(const Fault& fault, raft::Duration after);
  void note(const Fault& fault, const std::string& what) const;

  // A running node that can be struck, the leader for preference; false: none.
  bool choose_node(Fault& fault);
  std::size_t any_node(Random& random) const { return static_cast<std::size_t>(random.below(scenario_.machines())); }
  Machine& machine(const Fault& fault) { return *machines_[fault.node]; }
  bool same_life(const Fault& fault) { return machine(fault).running() && machine(fault).life() == fault.life; }
  static raft::Duration lasting(Random& random);

  // fault_nodes.cc
  bool strike_node(Fault& fault);
  void node_recovers(Fault& fault);
  void crash(std::size_t node, Random& random);
  bool crash_several(Fault& fault);
  void arm_crash(Fault& fault);
  bool transfer(Fault& fault);
  void restart_later(std::size_t node, Random& random);

  // fault_disks.cc
  bool strike_disk(Fault& fault);
  void disk_goes_on(Fault& fault);
  bool sound(std::size_t node) const { return !machines_[node]->written_off(); }
  // Nodes that stand up to a vote: nothing is lost of them, and nothing about to be.
  bool reliable(std::size_t node) const { return sound(node) && !machines_[node]->state_in_danger(); }
  std::vector<raft::Configuration> configurations() const { return possible_configurations(checker_, machines_); }
  std::vector<std::size_t> members() const;  // of any of them
  // Members, and who has been removed and has yet to learn it: such a node still votes, among its like.
  std::vector<std::size_t> who_may_vote() const;
  // A minority at most has lost its state, or more.
  bool may_lose_state(std::size_t node) const;
  bool may_write_off(std::size_t node) const;
  void write_off(std::size_t node);
  bool break_log(Fault& fault);
  bool empty_disk(Fault& fault);
  void copy_disk(Fault& fault);
  void put_back(Fault& fault);
  void step_back(Fault& fault);
  bool others_hold_what_is_lost(const Fault& fault) const;

  // fault_links.cc
  bool strike_links(Fault& fault);
  void links_recover(Fault& fault);
  Ways draw_ways(Fault& fault);
  void flap(Fault& fault);

  World& world_;
  Network& network_;
  Identities& identities_;
  Checker& checker_;
  Clients& clients_;
  Operators& operators_;
  const Scenario& scenario_;
  std::size_t founders_emptied_ = 0;
  const std::set<std::uint64_t>& skipped_;
  std::vector<std::unique_ptr<Machine>>& machines_;
  Random restarts_;
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, Fault> lasting_;
  std::array<std::uint64_t, kFaultKinds> struck_{};
  bool stopped_ = false;
};

}  // namespace tenaz::sim
