// The memory that this server holds for its clients, all together: bodies that come in, answers that are not taken.
// What is small is not counted: connections are. Any thread.
#pragma once

#include <atomic>
#include <cstddef>

namespace tenaz::server::http {

class Budget {
 public:
  // Up to this many bytes are not worth counting.
  static constexpr std::size_t kSmall = 16 << 10;

  explicit Budget(std::size_t limit) : limit_(limit) {}

  // One alone may exceed the limit, or what is larger could never be served.
  bool fits(std::size_t bytes) const {
    const std::size_t held = held_.load(std::memory_order_relaxed);
    return bytes <= kSmall || held == 0 || held + bytes <= limit_;
  }
  bool take(std::size_t bytes) {
    const std::size_t held = held_.fetch_add(bytes, std::memory_order_relaxed);
    if (held == 0 || held + bytes <= limit_) {
      return true;
    }
    give_back(bytes);
    return false;
  }
  void give_back(std::size_t bytes) { held_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> held_{0};
};

// What one connection holds of it.
class Share {
 public:
  // False: there is no room for so much, and what was held still is.
  bool grow_to(Budget& budget, std::size_t bytes) {
    if (bytes <= Budget::kSmall || bytes <= held_) {
      return true;
    }
    if (!budget.take(bytes - held_)) {
      return false;
    }
    held_ = bytes;
    return true;
  }
  void give_back(Budget& budget) {
    if (held_ != 0) {
      budget.give_back(held_);
      held_ = 0;
    }
  }

 private:
  std::size_t held_ = 0;
};

}  // namespace tenaz::server::http
