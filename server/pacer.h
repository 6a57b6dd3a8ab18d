// Lets so many bytes a second go, and no burst beyond a twentieth of a second's. Pure: time comes from outside.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace tenaz::server {

class Pacer {
 public:
  using Clock = std::chrono::steady_clock;

  // 0: as many as there are.
  explicit Pacer(std::uint64_t bytes_per_second) : rate_(bytes_per_second) {}

  // `bytes` go; how long to wait before they do.
  std::chrono::nanoseconds take(Clock::time_point now, std::uint64_t bytes) {
    if (rate_ == 0) return {};
    free_ = std::max(free_, now - kBurst);
    const auto wait = std::max(free_ - now, Clock::duration(0));
    free_ += std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(static_cast<double>(bytes) / static_cast<double>(rate_)));
    return wait;
  }

 private:
  static constexpr std::chrono::milliseconds kBurst{50};

  std::uint64_t rate_;
  Clock::time_point free_{};  // what was let go so far is paid for by then
};

}  // namespace tenaz::server
