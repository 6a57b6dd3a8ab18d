#include "storage/kv/history_clock.h"

#include <algorithm>

namespace tenaz::storage::kv {
namespace {

constexpr std::uint64_t kFinestMs = 1000;
// Two marks are at least this part of all the time apart that the marks span.
constexpr std::uint64_t kSpanParts = 1024;

}  // namespace

void HistoryClock::load(std::uint64_t now_ms, std::uint64_t wall_ms, std::vector<Mark> marks) {
  const std::lock_guard guard(mutex_);
  now_ms_ = now_ms;
  wall_ms_ = wall_ms;
  marks_.assign(marks.begin(), marks.end());
}

std::optional<HistoryClock::Mark> HistoryClock::advance(std::uint64_t wall_ms, std::uint64_t revision) {
  const std::lock_guard guard(mutex_);
  if (wall_ms_ != 0 && wall_ms > wall_ms_) now_ms_ += std::min(wall_ms - wall_ms_, kMaxStepMs);
  wall_ms_ = wall_ms;
  if (!marks_.empty()) {
    const std::uint64_t apart = std::max(kFinestMs, (now_ms_ - marks_.front().time_ms) / kSpanParts);
    if (now_ms_ - marks_.back().time_ms < apart || revision <= marks_.back().revision) return {};
  }
  marks_.push_back({revision, now_ms_});
  return marks_.back();
}

std::vector<std::uint64_t> HistoryClock::forget(std::uint64_t revision) {
  const std::lock_guard guard(mutex_);
  std::vector<std::uint64_t> gone;
  for (; !marks_.empty() && marks_.front().revision <= revision; marks_.pop_front())
    gone.push_back(marks_.front().revision);
  return gone;
}

std::uint64_t HistoryClock::now_ms() const {
  const std::lock_guard guard(mutex_);
  return now_ms_;
}

std::uint64_t HistoryClock::wall_ms() const {
  const std::lock_guard guard(mutex_);
  return wall_ms_;
}

std::uint64_t HistoryClock::revision_at(std::uint64_t time_ms) const {
  const std::lock_guard guard(mutex_);
  const auto later = std::upper_bound(marks_.begin(), marks_.end(), time_ms,
                                      [](std::uint64_t time, const Mark& mark) { return time < mark.time_ms; });
  return later == marks_.begin() ? 0 : std::prev(later)->revision;
}

}  // namespace tenaz::storage::kv
