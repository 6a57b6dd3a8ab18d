#include "tests/sim/admission.h"

#include "tests/sim/world.h"

namespace tenaz::sim {

Admission::Changed Admission::set_members(std::size_t node, const std::vector<raft::Member>& members,
                                          const std::vector<raft::NodeId>& retired) {
  Node& self = nodes_[node];
  Changed changed;
  std::set<std::size_t> now;
  self.is_member = false;
  for (const raft::Member& member : members) {
    if (node_of(member.id) == node)
      self.is_member = true;
    else
      now.insert(node_of(member.id));
  }
  self.retired.clear();
  for (const raft::NodeId id : retired) self.retired.insert(node_of(id));
  for (const std::size_t peer : std::set<std::size_t>(self.peers)) {
    const bool stays_guest = self.guests.contains(peer) && !self.retired.contains(peer);
    if (now.contains(peer)) {
      self.guests.erase(peer);
    } else if (!stays_guest) {
      self.peers.erase(peer);
      self.guests.erase(peer);
      changed.gone.push_back(peer);
    }
  }
  for (const std::size_t peer : now)
    if (self.peers.insert(peer).second) changed.fresh.push_back(peer);
  return changed;
}

Admission::Verdict Admission::judge(std::size_t node, std::size_t other, bool called) const {
  const Node& self = nodes_[node];
  if (self.retired.contains(other)) return Verdict::removed;
  const bool known = self.peers.contains(other) && !self.guests.contains(other);
  return called || known || nodes_[other].is_member ? Verdict::welcome : Verdict::unknown;
}

bool Admission::let_in(std::size_t node, std::size_t other) {
  if (!nodes_[node].peers.insert(other).second) return false;
  nodes_[node].guests.insert(other);
  return true;
}

void Admission::guest_left(std::size_t node, std::size_t guest) {
  nodes_[node].guests.erase(guest);
  nodes_[node].peers.erase(guest);
}

}  // namespace tenaz::sim
