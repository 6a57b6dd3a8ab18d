// What goes wrong, and when. Draws faults from the scenario's weights until it is told to stop; every fault ends by
// itself or by heal_all().
#pragma once

#include <memory>
#include <vector>

#include "tests/sim/clients.h"
#include "tests/sim/machine.h"
#include "tests/sim/network.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

class Faults {
 public:
  Faults(World& world, Network& network, Clients& clients, const Scenario& scenario,
         std::vector<std::unique_ptr<Machine>>& machines);

  void start();
  // A fault is due.
  void strike(const Event& event);
  void on_restart(const Event& event);

  // Nothing goes wrong any more: all run, all links are whole.
  void heal_all();
  // As heal_all(), but only the members of some majority are well connected among each other; returns them.
  std::vector<std::size_t> heal_majority();

 private:
  void next();
  void crash(std::size_t node);
  void stop(std::size_t node);
  void restart_later(std::size_t node);
  void cut_both(std::size_t a, std::size_t b);
  void isolate();
  void split();
  void one_way();
  void bridge();
  void transfer();
  std::size_t any_node() { return static_cast<std::size_t>(random_.below(scenario_.nodes)); }
  // The leader as it sees itself, more often than chance would have it.
  std::size_t prominent_node();

  World& world_;
  Network& network_;
  Clients& clients_;
  const Scenario& scenario_;
  std::vector<std::unique_ptr<Machine>>& machines_;
  Random random_;
  bool stopped_ = false;
};

}  // namespace tenaz::sim
