// What a test and the library that it puts into a node (preload.cc) share: one page of memory, mapped from a file by
// both. Fields are read and written atomically, each by itself.
#pragma once

#include <atomic>
#include <cstdint>

namespace tenaz::chaos {

// The variable of the environment that names the file.
inline constexpr const char* kControlVariable = "TENAZ_CHAOS_CONTROL";

struct Control {
  // Written by the test.
  std::atomic<std::int64_t> wall_offset_ns;  // added to the wall clock
  std::atomic<std::uint32_t> syncs_stall;    // 1: fsync and fdatasync wait until it is 0 again
  std::atomic<std::uint32_t> syncs_fail;     // 1: they fail with EIO
  std::atomic<std::uint32_t> sync_delay_us;  // they take so much longer
  // Counted by the library.
  std::atomic<std::uint64_t> syncs_begun;
  std::atomic<std::uint64_t> syncs_stalled;
  std::atomic<std::uint64_t> syncs_failed;
  std::atomic<std::uint64_t> wall_reads;  // while it was moved
};

inline constexpr std::size_t kControlBytes = 4096;
static_assert(sizeof(Control) <= kControlBytes);

}  // namespace tenaz::chaos
