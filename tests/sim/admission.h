// Whom each node's transport speaks with, and whom it lets in: a model of set_members() and of guests
// (server/peer/transport.cc), and of what a handshake says of the membership (server/peer/handshake.cc).
#pragma once

#include <cstddef>
#include <set>
#include <vector>

#include "raft/types.h"

namespace tenaz::sim {

class Admission {
 public:
  explicit Admission(std::size_t nodes) : nodes_(nodes) {}

  // A process on `node` begins, or has ended: it knows nobody.
  void forget(std::size_t node) { nodes_[node] = {}; }

  struct Changed {
    std::vector<std::size_t> gone;   // it speaks with them no more
    std::vector<std::size_t> fresh;  // it begins to call them
  };
  // TransportPort::set_members.
  Changed set_members(std::size_t node, const std::vector<raft::Member>& members,
                      const std::vector<raft::NodeId>& retired);

  // It calls this peer, and takes what it says.
  bool speaks_with(std::size_t node, std::size_t peer) const { return nodes_[node].peers.contains(peer); }
  bool is_guest(std::size_t node, std::size_t peer) const { return nodes_[node].guests.contains(peer); }

  enum class Verdict { welcome, unknown, removed };
  // What `node` makes of `other` in a handshake; `called`: it has called that node itself.
  Verdict judge(std::size_t node, std::size_t other, bool called) const;

  // After a handshake: who is no member, as far as `node` knows, is heard as long as it is connected. True: it is to be
  // called back.
  bool let_in(std::size_t node, std::size_t other);
  void guest_left(std::size_t node, std::size_t guest);

 private:
  struct Node {
    std::set<std::size_t> peers;  // members and guests
    std::set<std::size_t> guests;
    std::set<std::size_t> retired;
    bool is_member = false;  // by its own configuration, and so knows an address to be called at
  };
  std::vector<Node> nodes_;
};

}  // namespace tenaz::sim
