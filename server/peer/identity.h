// Whose disk a node is (design: identity), and the one rule that decides whether a disk is still the one that the
// others know. Pure: production asks it at every handshake, the simulator for its model of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "raft/types.h"
#include "storage/raft_log.h"

namespace tenaz::server::peer {

// Versions of the wire format that a build speaks. Two nodes use the highest that both know.
inline constexpr std::uint32_t kMinProtocol = 1;
inline constexpr std::uint32_t kMaxProtocol = 1;

inline const std::string kNoCluster(16, '\0');

// What this node says of itself in a handshake.
struct LocalIdentity {
  std::string cluster_id;  // 16 raw bytes; kNoCluster: a node that has yet to learn which cluster it joins
  raft::NodeId node;
  std::string storage_id;         // 16 raw bytes
  std::uint64_t incarnation = 0;  // starts of this node on this disk
  std::uint64_t boot = 0;         // random, fresh at every start; not 0
  std::uint32_t min_protocol = kMinProtocol;
  std::uint32_t max_protocol = kMaxProtocol;
  std::uint64_t features = 0;
  std::vector<std::uint64_t> earlier_boots{};  // of the starts before, the latest first; as far back as is known
  std::string address{};  // where others reach its peers' port, as its configuration says; empty: it is in none

  // The boot of start `number`; nothing if that is too long ago, or still to come.
  std::optional<std::uint64_t> boot_of(std::uint64_t number) const;
};

// What is to be remembered of a disk that shows itself like this.
storage::PeerPin pin_of(const LocalIdentity& shown);

// Why the disk that shows itself like this is not the one that was `pinned`, a sentence for both nodes' logs; nothing
// if it is. A disk that was put back has either fewer starts than were met, or others.
std::optional<std::string> why_not_the_same_disk(const storage::PeerPin& pinned, const LocalIdentity& shown);

}  // namespace tenaz::server::peer
