// Tests wait for conditions, never for a guess of how long something takes. The deadlines only end a test that has
// failed.
#pragma once

#include <chrono>
#include <thread>
#include <utility>

namespace tenaz::harness {

inline constexpr std::chrono::seconds kPatience{60};

// True as soon as `condition()` is; false after `patience`.
template <typename Condition>
bool eventually(Condition&& condition, std::chrono::nanoseconds patience = kPatience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

}  // namespace tenaz::harness
