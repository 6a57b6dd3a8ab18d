// Keeps one bad neighbour from filling the log: per source, each text once and only so many texts in a while.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tenaz::server::peer {

class LogLimiter {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kWindow{30};
  static constexpr std::size_t kMaxTexts = 16;     // of one source in one window
  static constexpr std::size_t kMaxSources = 256;  // beyond, newcomers share one

  // May this line be written? If so: how many of this source were held back before it.
  std::optional<std::uint64_t> admit(Clock::time_point now, const std::string& source, const std::string& text);

 private:
  struct Window {
    Clock::time_point start;
    std::vector<std::size_t> texts;  // hashes
    std::uint64_t held_back = 0;
  };
  std::map<std::string, Window> windows_;
};

}  // namespace tenaz::server::peer
