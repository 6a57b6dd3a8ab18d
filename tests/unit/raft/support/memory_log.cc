#include "tests/unit/raft/support/memory_log.h"

#include "raft/invariants.h"
#include "raft/membership.h"

namespace tenaz::raft::test {

std::optional<Term> MemoryLog::term(Index index) const {
  if (index == base_) return base_term_;
  if (index < base_ || index > last_index()) return std::nullopt;
  return at(index).term;
}

std::vector<Entry> MemoryLog::entries(Index from, Index to, std::size_t max_bytes) const {
  require(from <= to && to <= last_index(), "the log was read outside its bounds");
  std::vector<Entry> out;
  if (from < first_index()) return out;
  std::size_t bytes = 0;
  for (Index index = from; index <= to && (out.empty() || bytes < max_bytes); index = index.next()) {
    out.push_back(at(index));
    bytes += out.back().cost();
  }
  return out;
}

void MemoryLog::write(const Persist& write) {
  if (write.hard_state) {
    require(write.hard_state->term >= hard_state_.term, "a hard state of an earlier term was written");
    hard_state_ = *write.hard_state;
  }
  if (write.entries.empty()) return;
  const Index first = write.entries.front().index;
  require(first > base_ && first <= last_index().next(), "a write would leave a hole in the log");
  entries_.resize(first.past(first_index()));
  entries_.insert(entries_.end(), write.entries.begin(), write.entries.end());
}

void MemoryLog::compact(Index index, const std::pair<Configuration, Index>& configuration) {
  if (index <= base_) return;
  base_term_ = *term(index);
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(index.past(base_)));
  base_ = index;
  std::tie(configuration_, configuration_index_) = configuration;
}

void MemoryLog::reset(const SnapshotMeta& meta) {
  entries_.clear();
  base_ = meta.index;
  base_term_ = meta.term;
  configuration_ = meta.configuration;
  configuration_index_ = meta.configuration_index;
}

Configuration voters(std::uint64_t n) {
  std::vector<Member> members;
  for (std::uint64_t id = 1; id <= n; ++id) members.push_back({NodeId{id}, "n" + std::to_string(id), "", "", ""});
  return founding_configuration(std::move(members));
}

}  // namespace tenaz::raft::test
