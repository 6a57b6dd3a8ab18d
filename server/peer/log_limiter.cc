#include "server/peer/log_limiter.h"

#include <algorithm>
#include <functional>

namespace tenaz::server::peer {

std::optional<std::uint64_t> LogLimiter::admit(Clock::time_point now, const std::string& source,
                                               const std::string& text) {
  auto found = windows_.find(source);
  if (found == windows_.end()) {
    if (windows_.size() >= kMaxSources) {
      std::erase_if(windows_, [&](const auto& item) { return now - item.second.start > kWindow; });
    }
    const std::string key = windows_.size() >= kMaxSources ? std::string() : source;
    found = windows_.try_emplace(key, Window{now, {}, 0}).first;
  }
  Window& window = found->second;
  std::uint64_t held_back = 0;
  if (now - window.start > kWindow) {
    held_back = window.held_back;
    window = {now, {}, 0};
  }
  const std::size_t hash = std::hash<std::string>{}(text);
  const bool known = std::find(window.texts.begin(), window.texts.end(), hash) != window.texts.end();
  if (known || window.texts.size() >= kMaxTexts) {
    ++window.held_back;
    return {};
  }
  window.texts.push_back(hash);
  return held_back;
}

}  // namespace tenaz::server::peer
