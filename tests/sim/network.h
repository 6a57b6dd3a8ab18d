// The network between nodes. What it may do: delay, lose, duplicate (messages between cores only, at once or much
// later), let lanes overtake each other, cut links in one or both directions, break connections. What it never does:
// change order within a lane of one connection, or deliver a forwarded write twice (TCP does not; tenaz never sends one
// twice).
#pragma once

#include <cstdint>
#include <vector>

#include "server/messages.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

class Network {
 public:
  Network(World& world, const NetworkFaults& faults, std::size_t nodes);

  // TransportPort::send.
  bool send(std::size_t from, std::size_t to, server::PeerMessage message);

  // The message of a deliver event if it arrives, for its receiver.
  std::optional<server::PeerMessage> arrives(const Event& event);

  // What a node's process does to its connections.
  void process_died(std::size_t node);
  void process_started(std::size_t node);
  void on_reconnect(const Event& event);
  void on_break(const Event& event);

  // Faults.
  void cut(std::size_t from, std::size_t to, bool cut) { link(from, to).cut = cut; }
  bool is_cut(std::size_t from, std::size_t to) const { return links_[from * nodes_ + to].cut; }
  void break_connections(std::size_t from, std::size_t to);
  void heal();
  // No loss, no duplicates, short delays from now on.
  void calm();

  std::uint64_t delivered() const { return delivered_; }

 private:
  struct Connection {
    bool up = true;
    bool breaking = false;     // somebody will notice that nothing gets through
    std::uint32_t number = 0;  // rises with every new connection
    raft::Instant last_arrival;
  };
  struct Link {
    bool cut = false;
    Connection lanes[server::kLanes];
  };
  Link& link(std::size_t from, std::size_t to) { return links_[from * nodes_ + to]; }
  raft::Duration delay();
  void close(std::size_t from, std::size_t to, std::size_t lane);
  void deliver_at(raft::Instant at, std::size_t from, std::size_t to, std::size_t lane, server::PeerMessage message,
                  std::uint32_t connection);

  World& world_;
  NetworkFaults faults_;
  Random random_;
  std::size_t nodes_;
  std::vector<Link> links_;
  std::vector<bool> running_;
  Slab<server::PeerMessage> messages_;
  std::uint64_t delivered_ = 0;
};

}  // namespace tenaz::sim
