#include "server/peer/identity.h"

namespace tenaz::server::peer {

std::optional<std::uint64_t> LocalIdentity::boot_of(std::uint64_t number) const {
  if (number == incarnation) return boot;
  if (number > incarnation || incarnation - number > earlier_boots.size()) return {};
  return earlier_boots[incarnation - number - 1];
}

storage::PeerPin pin_of(const LocalIdentity& shown) {
  return {shown.node, shown.storage_id, shown.incarnation, shown.boot};
}

std::optional<std::string> why_not_the_same_disk(const storage::PeerPin& pinned, const LocalIdentity& shown) {
  const std::string node = "node " + std::to_string(shown.node.value);
  const std::string advice = "; remove " + node + " from the cluster and add it anew";
  if (pinned.storage_id != shown.storage_id)
    return "disk replaced: " + node +
           " is known with another storage id. A voter whose disk was emptied or replaced has forgotten its votes" +
           advice;
  if (pinned.incarnation == storage::PeerPin::kDistrusted)
    return "disk rolled back: " + node + " has lost entries that it had acknowledged" + advice;
  if (shown.incarnation < pinned.incarnation)
    return "disk rolled back: " + node + " has been started " + std::to_string(pinned.incarnation) +
           " times on this disk, but shows start " + std::to_string(shown.incarnation) +
           ". An older copy of its data has forgotten what it acknowledged" + advice;
  if (const auto boot = shown.boot_of(pinned.incarnation); boot && *boot != pinned.boot)
    return "disk rolled back: start " + std::to_string(pinned.incarnation) + " of " + node +
           " was another one than its disk remembers. A copy of its data has forgotten what it acknowledged since" +
           advice;
  return {};
}

}  // namespace tenaz::server::peer
