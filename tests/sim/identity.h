// Handshakes between nodes, as production has them: every new connection shows whose disk this is, and each side judges
// the other by what it has remembered (server/peer/identity.h holds the rule, the same for both). Who is told that its
// disk has forgotten something fences it and stops.
//
// What the cluster must survive: disks of a minority that were emptied, or went back to a copy, and come up again as if
// nothing had happened.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/peer/identity.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

// The part of a disk that says whose it is.
struct DiskIdentity {
  std::string storage_id;
  std::vector<std::uint64_t> boots;  // one per start on this disk, the first one first
  std::map<std::size_t, storage::PeerPin> pins;
  bool fenced = false;
  bool retired = false;  // it knows that its node was removed from the cluster
};

class Identities {
 public:
  // Called once it is durable on `node`'s disk: what it knows of a peer, that its own disk is fenced, that `peer`'s is
  // distrusted.
  struct Recorded {
    bool member = false;    // by the committed configuration
    std::string committed;  // the disk that it records; empty: none
    std::string coming;     // that the one in force records
  };
  struct Callbacks {
    std::function<void(std::size_t node)> remembered;
    std::function<void(std::size_t node)> fenced;
    std::function<void(std::size_t node, std::size_t peer)> distrusts;
    std::function<void(std::size_t node)> retired;
    // What the node's configurations say of this peer's disk.
    std::function<Recorded(std::size_t node, std::size_t peer)> recorded;
    // The life of the node's process; a write of an earlier one is lost.
    std::function<std::uint32_t(std::size_t node)> life;
  };
  Identities(World& world, std::size_t nodes, Callbacks callbacks);

  const DiskIdentity& of(std::size_t node) const { return disks_[node]; }
  void put_back(std::size_t node, DiskIdentity copy) { disks_[node] = std::move(copy); }
  // Another disk, or none of what was on it.
  void replace(std::size_t node);
  void started(std::size_t node, std::uint64_t boot);

  // Both sides judge each other. False: no connection.
  bool greet(std::size_t dialer, std::size_t listener);
  // This node's core has found out that the peer's disk went back.
  void distrust(std::size_t node, std::size_t peer);
  // That this node was removed from the cluster is to be remembered on its disk.
  void retire(std::size_t node);
  // All of these have met this disk's present life, and so would notice if it went back before it.
  bool known_to_all(std::size_t node, const std::vector<std::size_t>& others) const;

  void on_written(const Event& event);

 private:
  struct Write {
    enum class What { pin, distrust, fence, retire } what;
    std::size_t peer = 0;
    storage::PeerPin pin;
  };
  server::peer::LocalIdentity shown_by(std::size_t node) const;
  bool accepts(std::size_t node, std::size_t other);
  void write(std::size_t node, Write write);

  World& world_;
  const Callbacks callbacks_;
  Random random_;
  std::vector<DiskIdentity> disks_;
  Slab<Write> writes_;
};

}  // namespace tenaz::sim
