// The clocks of production. Only what surrounds the replica reads them; the replica itself is told the time.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

#include "raft/types.h"

namespace tenaz::server {

// CLOCK_BOOTTIME: never set, never jumps, counts suspension.
inline raft::Instant boot_now() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return raft::Instant(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

// Milliseconds since 1970, for display only.
inline std::uint64_t wall_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

}  // namespace tenaz::server
