// Clients: each calls a node, waits for the answer or gives up when the node's process dies, thinks, and calls another.
// What they see becomes the history that tests/model judges. Also checks what each call is promised: one answer, by its
// deadline.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/model/history.h"
#include "tests/sim/machine.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

class Clients {
 public:
  Clients(World& world, Checker& checker, const Scenario& scenario, std::vector<std::unique_ptr<Machine>>& machines);

  void start();
  // No new calls from now on.
  void stop() { stopped_ = true; }
  bool idle() const { return open_ == 0; }

  // A put at this node whose fate the run wants to know.
  struct Probe {
    bool answered = false;
    bool accepted = false;
  };
  std::shared_ptr<Probe> probe(std::size_t node, raft::Duration timeout);

  // Asks this node to hand leadership over (0: to anyone). Only the answer's coming is checked, not what it says.
  void transfer(std::size_t node, raft::NodeId target);

  // Their events.
  void act(const Event& event);
  void check_call(const Event& event);
  void read_state(const Event& event);

  model::History take_history();
  std::uint64_t acknowledged() const { return acknowledged_; }
  std::uint64_t reads() const { return reads_; }
  std::uint64_t refused() const { return refused_; }

 private:
  enum class What { write, range_delete, read, wait_revision, transfer };
  struct Call {
    What what = What::write;
    model::Operation operation;
    std::string range_end;  // range_delete: of [operation.key, range_end)
    storage::CommandOrigin origin;
    std::size_t node = 0;
    std::uint32_t life = 0;
    raft::Instant deadline;
    storage::Revision wanted;
    bool answered = false;
    bool finished = false;
    std::shared_ptr<Probe> probe;
  };

  std::string key(std::uint64_t number) const { return "k" + std::to_string(number); }
  void call(std::size_t client);
  std::size_t choose_node();
  void fill_write(Call& call, storage::pb::Command& command);
  void guard(Call& call, storage::pb::Condition& condition);
  void send_write(std::size_t index, storage::pb::Command command);
  std::size_t open(Call call);
  void arm_check(std::size_t index);
  // False: an answer that must not be.
  bool answered(std::size_t index);
  void write_answered(std::size_t index, const server::WriteResult& result);
  void read_answered(std::size_t index, const server::ReadResult& result);
  void finish(std::size_t index);
  void think(std::size_t client);
  model::Time now() const { return world_.now().time_since_epoch().count(); }

  World& world_;
  Checker& checker_;
  const Scenario& scenario_;
  std::vector<std::unique_ptr<Machine>>& machines_;
  Random random_;
  bool stopped_ = false;
  std::size_t open_ = 0;
  std::vector<Call> calls_;
  std::uint64_t values_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t refused_ = 0;
  std::vector<std::uint64_t> last_mod_;  // per key, as last heard: what guards are built from
  storage::Revision highest_seen_;
};

}  // namespace tenaz::sim
