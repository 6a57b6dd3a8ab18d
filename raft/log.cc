#include "raft/log.h"

#include <algorithm>

#include "raft/invariants.h"
#include "raft/membership.h"

namespace tenaz::raft {

namespace {
constexpr std::size_t kScanBytes = 1 << 20;
}

Log::Log(const LogReader& reader, std::size_t cache_bytes, Configuration configuration, Index configuration_index)
    : reader_(reader), cache_limit_(cache_bytes) {
  base_ = reader.first_index().previous();
  last_ = durable_ = written_ = base_;
  cache_first_ = base_.next();
  const std::optional<Term> base_term = reader.term(base_);
  require(base_term.has_value(), "the log does not know the term of its compaction point");
  runs_.push_back({base_, *base_term});
  configurations_.emplace_back(configuration_index, std::move(configuration));
  const Index end = reader.last_index();
  while (last_ < end) {
    std::vector<Entry> entries = reader.entries(last_.next(), end, kScanBytes);
    require(!entries.empty(), "the log has a hole");
    for (Entry& entry : entries) {
      append(std::move(entry));
      durable_ = written_ = last_;
      evict();
    }
  }
}

std::optional<Term> Log::term(Index index) const {
  if (index > last_ || index < base_) return std::nullopt;
  if (index >= runs_.back().first) return runs_.back().term;
  const auto after =
      std::upper_bound(runs_.begin(), runs_.end(), index, [](Index i, const Run& run) { return i < run.first; });
  return std::prev(after)->term;
}

Index Log::last_at_most(Index from, Term term) const {
  Index end = from;
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    if (run->first > from) continue;
    if (run->term <= term) return end;
    end = run->first.previous();
  }
  return base_;
}

void Log::append(Entry entry) {
  require(entry.index == last_.next(), "entries must be appended without a gap");
  require(entry.term >= last_term(), "the terms in a log never fall");
  note(entry);
  last_ = entry.index;
  cache_bytes_ += entry.cost();
  cache_.push_back(std::move(entry));
}

void Log::note(const Entry& entry) {
  if (entry.term != runs_.back().term) runs_.push_back({entry.index, entry.term});
  if (entry.kind == EntryKind::configuration) {
    std::optional<Configuration> configuration = decode_configuration(*entry.payload);
    require(configuration.has_value(), "a configuration entry cannot be read by this version");
    configurations_.emplace_back(entry.index, std::move(*configuration));
    ++configuration_version_;
  }
}

void Log::truncate(Index from) {
  require(from > base_, "an entry behind the compaction point cannot be truncated");
  while (!cache_.empty() && cache_.back().index >= from) {
    cache_bytes_ -= cache_.back().cost();
    cache_.pop_back();
  }
  cache_first_ = std::min(cache_first_, from);
  while (runs_.size() > 1 && runs_.back().first >= from) runs_.pop_back();
  while (configurations_.size() > 1 && configurations_.back().first >= from) {
    configurations_.pop_back();
    ++configuration_version_;
  }
  last_ = std::min(last_, from.previous());
  durable_ = std::min(durable_, last_);
  written_ = std::min(written_, last_);
}

std::vector<Entry> Log::entries(Index from, Index to, std::size_t max_bytes) const {
  if (from > to) return {};
  if (from < cache_first_) return reader_.entries(from, std::min(to, cache_first_.previous()), max_bytes);
  const auto begin = cache_.begin() + static_cast<std::ptrdiff_t>(from.past(cache_first_));
  const auto limit = begin + static_cast<std::ptrdiff_t>(to.past(from)) + 1;
  auto end = begin + 1;
  for (std::size_t bytes = begin->cost(); end != limit && (bytes += end->cost()) <= max_bytes;) ++end;
  return {begin, end};
}

std::vector<Entry> Log::take_unwritten() {
  const Index from = written_.next();
  written_ = last_;
  if (from > last_) return {};
  return {cache_.begin() + static_cast<std::ptrdiff_t>(from.past(cache_first_)), cache_.end()};
}

void Log::persisted(Index index) {
  durable_ = std::max(durable_, index);
  evict();
}

void Log::evict() {
  while (cache_bytes_ > cache_limit_ && !cache_.empty() && cache_.front().index <= durable_) {
    cache_bytes_ -= cache_.front().cost();
    cache_.pop_front();
    cache_first_ = cache_first_.next();
  }
}

void Log::compacted(Index index) {
  if (index <= base_) return;
  require(index <= durable_, "the log was compacted past its durable part");
  const Term base_term = *term(index);
  while (!cache_.empty() && cache_.front().index <= index) {
    cache_bytes_ -= cache_.front().cost();
    cache_.pop_front();
  }
  cache_first_ = std::max(cache_first_, index.next());
  base_ = index;
  const auto kept = std::find_if(runs_.begin(), runs_.end(), [index](const Run& run) { return run.first > index; });
  runs_.erase(runs_.begin(), kept);
  runs_.insert(runs_.begin(), {index, base_term});
  const auto in_force = std::find_if(configurations_.begin(), configurations_.end(),
                                     [index](const auto& configuration) { return configuration.first > index; });
  configurations_.erase(configurations_.begin(), std::prev(in_force));
}

void Log::reset(const SnapshotMeta& meta) {
  base_ = last_ = durable_ = written_ = meta.index;
  cache_.clear();
  cache_bytes_ = 0;
  cache_first_ = meta.index.next();
  runs_.assign(1, {meta.index, meta.term});
  configurations_.clear();
  configurations_.emplace_back(meta.configuration_index, meta.configuration);
  ++configuration_version_;
}

const std::pair<Index, Configuration>& Log::configuration_at(Index index) const {
  auto found = configurations_.rbegin();
  while (std::next(found) != configurations_.rend() && found->first > index) ++found;
  return *found;
}

}  // namespace tenaz::raft
