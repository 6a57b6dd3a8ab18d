// Clients: every so often one of them calls a node and waits for the answer, until it loses its patience or the node's
// process dies. What they see becomes the history that tests/model judges: puts, deletes and compare-and-sets with
// every outcome, deletes of ranges, linearizable gets and lists at any node. Also checks what each call is promised
// (one answer, by its deadline), and what reads of older revisions and local reads promise.
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
  // Not more often than in a run of moderate load from now on: to take part under more than a node can keep up with is
  // asked of nobody.
  void calm_down() { call_interval_max_ = std::max(call_interval_max_, kCallIntervalMax); }
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

  // Asks this node for a change of the membership. `done` hears the answer, unless the process dies first.
  void change(std::size_t node, raft::MembershipChange change, raft::Duration patience, server::ChangeDone done);

  // Their events.
  void act(const Event& event);
  void check_call(const Event& event);
  void give_up(const Event& event);
  void read_state(const Event& event);

  // As the clients know it, or, with `resolved`, without a doubt: whether a write without an answer took effect, and at
  // which revision, is looked up in what was applied.
  model::History history(bool resolved) const;
  std::uint64_t operations() const { return operations_; }
  std::uint64_t acknowledged() const { return acknowledged_; }
  std::uint64_t reads() const { return reads_; }
  std::uint64_t lists() const { return lists_; }
  std::uint64_t refused() const { return refused_; }
  std::uint64_t unknown() const { return unknown_; }

 private:
  enum class What {
    write,
    range_delete,
    compact,
    get,    // linearizable
    list,   // linearizable: all its keys at one revision
    local,  // a get of what the node has, once it has applied `wanted`
    past,   // a list at `wanted`
    transfer,
    change,
    status
  };
  struct Call {
    What what = What::write;
    model::Operation operation;
    std::string range_end;  // of [operation.key, range_end); empty: no end
    KvState::Cells found;   // list
    storage::CommandOrigin origin;
    std::size_t node = 0;
    std::uint32_t life = 0;
    raft::Instant deadline;  // by the node's clock
    storage::Revision wanted;
    bool answered = false;
    bool finished = false;
    std::shared_ptr<Probe> probe;
  };

  std::string key(std::uint64_t number) const { return "k" + std::to_string(number); }
  std::uint64_t& last_mod(const std::string& key) { return last_mod_[static_cast<std::size_t>(key[1] - '0')]; }
  void next();
  void call(std::size_t node);
  static What choose(std::uint64_t of_thousand);
  void ask(std::size_t index);
  void fill_write(Call& call, storage::pb::Command& command);
  void guard(Call& call, storage::pb::Condition& condition);
  void send_write(std::size_t index, storage::pb::Command command);
  std::size_t open(Call call);
  void arm_check(std::size_t index);
  // False: an answer that must not be, or that nobody hears.
  bool answered(std::size_t index);
  void write_answered(std::size_t index, const server::WriteResult& result);
  void read_answered(std::size_t index, const server::ReadResult& result);
  void got(Call& call, const KvState& state);
  void listed(Call& call, const KvState& state);
  void finish(std::size_t index);
  void resolve(model::Operation& operation, const storage::CommandOrigin& origin) const;
  model::Time now() const { return world_.now().time_since_epoch().count(); }

  World& world_;
  Checker& checker_;
  const Scenario& scenario_;
  std::vector<std::unique_ptr<Machine>>& machines_;
  Random random_;
  raft::Duration call_interval_max_;
  bool stopped_ = false;
  std::size_t open_ = 0;
  std::vector<Call> calls_;
  std::uint64_t values_ = 0;
  std::uint64_t operations_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t lists_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t unknown_ = 0;
  std::vector<std::uint64_t> last_mod_;  // per key, as last heard: what guards are built from
  storage::Revision highest_seen_;
};

}  // namespace tenaz::sim
