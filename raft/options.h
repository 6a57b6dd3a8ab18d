// What an operator may set about consensus. Defaults suit a cluster in one region.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace tenaz::raft {

struct Options {
  // How often a leader shows that it is alive. Shorter: failures are seen sooner, more small messages.
  std::chrono::nanoseconds heartbeat_interval = std::chrono::milliseconds(50);

  // A follower that has not heard a leader stands after a time drawn uniformly from
  // [election_timeout_min, min(2 * election_timeout_min, election_timeout_max)]. It must outlast several heartbeats and
  // a slow fsync; shorter means sooner failover and more needless elections. The maximum also bounds every back-off.
  std::chrono::nanoseconds election_timeout_min = std::chrono::milliseconds(250);
  std::chrono::nanoseconds election_timeout_max = std::chrono::milliseconds(1500);

  // A leadership transfer that has not succeeded by then is given up.
  std::chrono::nanoseconds transfer_timeout = std::chrono::milliseconds(1500);

  // A write of the log that has been under way for so long counts as a stalled disk (measured by the host): a leader
  // hands over if the others can commit without it. Well above a slow fsync; shorter means that writes go on sooner.
  std::chrono::nanoseconds disk_stall_timeout = std::chrono::milliseconds(300);

  // Largest append message, in bytes of entries; one entry may exceed it.
  std::size_t max_append_bytes = 1 << 20;

  // Appends in flight to one peer: messages, and bytes of entries. More hides latency, fewer bounds memory.
  std::size_t max_inflight_appends = 64;
  std::size_t max_inflight_bytes = 8 << 20;

  // Proposed and not yet committed, in bytes; over it proposals are refused as overloaded.
  std::size_t max_uncommitted_bytes = 64 << 20;

  // Entries handed out for apply at once, in bytes; the next batch follows when the host reports applied().
  std::size_t max_apply_bytes = 4 << 20;

  // Recent entries kept in memory for slow followers and the applier, in bytes.
  std::size_t cache_bytes = 8 << 20;

  // One line per fault, each naming the field as the configuration file spells it; empty if all is well.
  std::vector<std::string> check() const;
};

}  // namespace tenaz::raft
