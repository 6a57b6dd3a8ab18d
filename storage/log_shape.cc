#include "storage/log_shape.h"

#include <algorithm>

namespace tenaz::storage {

LogShape::LogShape(raft::Index before, raft::Term before_term)
    : first_(before.value + 1), runs_{{before.value, before_term}} {}

void LogShape::append(raft::Index index, raft::Term term, std::uint64_t bytes) {
  ends_.push_back((ends_.empty() ? base_ : ends_.back()) + bytes);
  if (runs_.back().term != term) runs_.push_back({index.value, term});
}

void LogShape::truncate(raft::Index from) {
  if (from > last()) return;
  ends_.resize(from.value - first_);
  while (runs_.size() > 1 && runs_.back().from >= from.value) runs_.pop_back();
}

void LogShape::compact(raft::Index to) {
  if (to.value < first_) return;
  const auto gone = static_cast<std::ptrdiff_t>(to.value + 1 - first_);
  base_ = ends_[static_cast<std::size_t>(gone) - 1];
  ends_.erase(ends_.begin(), ends_.begin() + gone);
  first_ = to.value + 1;
  while (runs_.size() > 1 && runs_[1].from <= to.value) runs_.pop_front();
  runs_.front().from = to.value;
}

std::optional<raft::Term> LogShape::term(raft::Index index) const {
  if (index.value + 1 < first_ || index > last()) return {};
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), index.value,
                                      [](std::uint64_t i, const Run& run) { return i < run.from; });
  return std::prev(after)->term;
}

format::Bounds LogShape::bounds() const {
  return {first(), runs_.front().term, last(), runs_.back().term};
}

raft::Index LogShape::compaction_target(raft::Index limit, std::uint64_t retain) const {
  const raft::Index none(first_ - 1);
  if (bytes() <= retain) return none;
  // Entry first_ + i may go if what follows it, ends_.back() - ends_[i], is still enough.
  const std::uint64_t most = ends_.back() - retain;
  const auto after = std::upper_bound(ends_.begin(), ends_.end(), most);
  const raft::Index target(first_ - 1 + static_cast<std::uint64_t>(after - ends_.begin()));
  return std::max(none, std::min(target, limit));
}

}  // namespace tenaz::storage
