// What a test and the library that it puts into a node (preload.cc) share: one page of memory, mapped from a file by
// both. Fields are read and written atomically, each by itself.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tenaz::harness {

// The variable of the environment that names the file.
inline constexpr const char* kControlVariable = "TENAZ_TEST_CONTROL";

struct Control {
  // Written by the test.
  std::atomic<std::int64_t> wall_offset_ns;  // added to the wall clock
  std::atomic<std::uint32_t> sync_stall_ms;  // each fsync and fdatasync waits so long, or until this is 0
  std::atomic<std::int32_t> sync_error;      // if not 0, they fail with this errno
  char part[128];                            // only of files whose path contains it; changed while nothing is asked for
  // Counted by the library.
  std::atomic<std::uint64_t> syncs_stalled;
  std::atomic<std::uint64_t> syncs_failed;
  std::atomic<std::uint64_t> wall_reads;  // of a clock that is off
};

inline constexpr std::size_t kControlBytes = 4096;
static_assert(sizeof(Control) <= kControlBytes);

}  // namespace tenaz::harness
