// The network between nodes. What it may do: delay, lose, duplicate and reorder (messages between cores only, at once
// or much later), let lanes overtake each other, cut links in one or both directions, break connections. What it never
// does: deliver a forwarded write twice, or change the order of what is not between cores within a lane of one
// connection (TCP does neither; tenaz never sends one twice).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "server/messages.h"
#include "tests/sim/admission.h"
#include "tests/sim/scenario.h"
#include "tests/sim/topology.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

class Network {
 public:
  // Whether two nodes that can reach each other come to a connection: they may be too busy, or refuse each other.
  using Greeter = std::function<bool(std::size_t dialer, std::size_t listener)>;

  Network(World& world, const NetworkFaults& faults, std::size_t nodes, Greeter greeter);

  // TransportPort::send.
  bool send(std::size_t from, std::size_t to, server::PeerMessage message);

  // The message of a deliver event if it arrives, for its receiver.
  std::optional<server::PeerMessage> arrives(const Event& event);

  // Whom a node speaks with from now on: TransportPort::set_members.
  void set_members(std::size_t node, const std::vector<raft::Member>& members,
                   const std::vector<raft::NodeId>& retired);
  const Admission& admission() const { return admission_; }

  // What a node's process does to its connections. One that starts speaks with nobody before it is told whom.
  void process_died(std::size_t node);
  void process_started(std::size_t node);
  void on_reconnect(const Event& event);
  void on_break(const Event& event);

  // Faults. A link that was cut several times works again when it was mended as often.
  void cut(const Ways& ways);
  void mend(const Ways& ways);
  bool is_cut(std::size_t from, std::size_t to) const { return links_[from * nodes_ + to].cuts > 0; }
  bool both_ways(std::size_t a, std::size_t b) const { return !is_cut(a, b) && !is_cut(b, a); }
  void break_connections(std::size_t from, std::size_t to);
  // Much is lost and late until this many storms have ended.
  void storm(bool begins) { storms_ += begins ? 1 : -1; }
  // All links are whole; no loss, no duplicates, short delays from now on.
  void heal();

  std::uint64_t delivered() const { return delivered_; }

 private:
  struct Connection {
    bool up = false;
    bool breaking = false;     // somebody will notice that nothing gets through
    std::uint32_t number = 0;  // rises with every new connection
    std::uint32_t call = 0;    // of the attempts to connect: only the latest goes on
    raft::Instant last_arrival;
  };
  struct Link {
    int cuts = 0;
    Connection lanes[server::kLanes];
  };
  Link& link(std::size_t from, std::size_t to) { return links_[from * nodes_ + to]; }
  raft::Duration delay();
  void close(std::size_t from, std::size_t to, std::size_t lane);
  void call(std::size_t from, std::size_t to, std::size_t lane, raft::Duration after);
  // `node` speaks with this peer no more.
  void leave(std::size_t node, std::size_t peer);
  void see_guest_off(std::size_t node, std::size_t guest);
  void deliver_at(raft::Instant at, std::size_t from, std::size_t to, std::size_t lane, server::PeerMessage message,
                  std::uint32_t connection);

  World& world_;
  NetworkFaults faults_;
  const Greeter greeter_;
  Random random_;
  int storms_ = 0;
  std::size_t nodes_;
  std::vector<Link> links_;
  std::vector<bool> running_;
  Admission admission_;
  Slab<server::PeerMessage> messages_;
  std::uint64_t delivered_ = 0;
};

}  // namespace tenaz::sim
