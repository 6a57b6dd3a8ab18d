// A log in memory, standing for what is durable on one node's disk.
#pragma once

#include <vector>

#include "raft/log_reader.h"
#include "raft/output.h"

namespace tenaz::raft::test {

class MemoryLog final : public LogReader {
 public:
  explicit MemoryLog(Configuration founding = {}) : configuration_(std::move(founding)) {}

  Index first_index() const override { return base_.next(); }
  Index last_index() const override { return base_ + entries_.size(); }
  std::optional<Term> term(Index index) const override;
  std::vector<Entry> entries(Index from, Index to, std::size_t max_bytes) const override;

  void write(const Persist& write);
  void compact(Index index, const std::pair<Configuration, Index>& configuration);
  void reset(const SnapshotMeta& meta);
  // A disk that goes back: everything behind `last` is gone.
  void lose_after(Index last) { entries_.resize(last.past(base_)); }

  const HardState& hard_state() const { return hard_state_; }
  const Configuration& configuration() const { return configuration_; }
  Index configuration_index() const { return configuration_index_; }
  const Entry& at(Index index) const { return entries_[index.past(first_index())]; }

 private:
  HardState hard_state_;
  Index base_;
  Term base_term_;
  Configuration configuration_;
  Index configuration_index_;
  std::vector<Entry> entries_;
};

// Voters 1..n.
Configuration voters(std::uint64_t n);

}  // namespace tenaz::raft::test
