#include "storage/options.h"

#include <algorithm>

namespace tenaz::storage {

std::vector<std::string> Options::check() const {
  std::vector<std::string> faults;
  auto require = [&](bool fine, const char* fault) {
    if (!fine) faults.emplace_back(fault);
  };
  auto between = [](auto low, auto value, auto high) { return low <= value && value <= high; };
  constexpr std::size_t kMiB = std::size_t{1} << 20, kGiB = std::size_t{1} << 30, kTiB = std::size_t{1} << 40;

  require(between(kMiB, cache_bytes, kTiB), "storage.cache_bytes: must be 1MiB to 1TiB");
  require(between(kMiB, write_buffer_bytes, kGiB), "storage.write_buffer_bytes: must be 1MiB to 1GiB");
  require(between(kMiB, log_buffer_bytes, kGiB), "storage.log_buffer_bytes: must be 1MiB to 1GiB");
  require(log_retain_bytes <= kTiB, "storage.log_retain_bytes: must be at most 1TiB");
  require(log_retain_time <= std::chrono::hours(24), "storage.log_retain_time: must be at most 24h");
  require(reserve_bytes <= kTiB, "storage.reserve_bytes: must be at most 1TiB");
  require(key_cache_bytes <= kTiB, "storage.key_cache_bytes: must be at most 1TiB");
  return faults;
}

int open_tables(std::uint64_t open_files) {
  return static_cast<int>(std::clamp<std::uint64_t>(open_files / 8, 32, 1024));
}

}  // namespace tenaz::storage
