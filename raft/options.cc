#include "raft/options.h"

namespace tenaz::raft {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

std::vector<std::string> Options::check() const {
  std::vector<std::string> faults;
  auto require = [&](bool fine, const char* fault) {
    if (!fine) faults.emplace_back(fault);
  };
  auto between = [](auto low, auto value, auto high) { return low <= value && value <= high; };
  constexpr std::size_t kKiB = std::size_t{1} << 10, kMiB = std::size_t{1} << 20, kGiB = std::size_t{1} << 30;

  require(between(milliseconds(1), heartbeat_interval, minutes(1)), "raft.heartbeat_interval: must be 1ms to 60s");
  require(between(milliseconds(5), election_timeout_min, minutes(10)), "raft.election_timeout_min: must be 5ms to 10m");
  require(election_timeout_min >= 2 * heartbeat_interval,
          "raft.election_timeout_min: must be at least twice raft.heartbeat_interval");
  require(election_timeout_max <= minutes(10), "raft.election_timeout_max: must be at most 10m");
  // Equal timeouts would let the same candidates split the vote again and again (Raft, 5.2).
  require(2 * election_timeout_max >= 3 * election_timeout_min,
          "raft.election_timeout_max: must be at least 1.5 times raft.election_timeout_min, so that timeouts differ");
  require(between(milliseconds(10), transfer_timeout, minutes(1)), "raft.transfer_timeout: must be 10ms to 60s");
  require(between(milliseconds(10), disk_stall_timeout, minutes(10)), "raft.disk_stall_timeout: must be 10ms to 10m");
  require(between(4 * kKiB, max_append_bytes, kGiB), "raft.max_append_bytes: must be 4KiB to 1GiB");
  require(between(std::size_t{1}, max_inflight_appends, std::size_t{65'536}),
          "raft.max_inflight_appends: must be 1 to 65536");
  require(max_inflight_bytes >= max_append_bytes, "raft.max_inflight_bytes: must be at least raft.max_append_bytes");
  require(max_inflight_bytes <= 64 * kGiB, "raft.max_inflight_bytes: must be at most 64GiB");
  require(between(kMiB, max_uncommitted_bytes, 64 * kGiB), "raft.max_uncommitted_bytes: must be 1MiB to 64GiB");
  require(between(4 * kKiB, max_apply_bytes, kGiB), "raft.max_apply_bytes: must be 4KiB to 1GiB");
  require(cache_bytes <= 64 * kGiB, "raft.cache_bytes: must be at most 64GiB");
  return faults;
}

}  // namespace tenaz::raft
