// What is known in memory of the log on disk: the terms of its entries as runs, and their sizes as running totals, so
// that neither term() nor compaction_target() reads the disk. A plain value of about 8 bytes per entry; not
// thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "raft/types.h"
#include "storage/raft_log_format.h"

namespace tenaz::storage {

class LogShape {
 public:
  LogShape() = default;
  // An empty log behind `before`.
  LogShape(raft::Index before, raft::Term before_term);

  // index must be last() + 1.
  void append(raft::Index index, raft::Term term, std::uint64_t bytes);
  // Drops `from` and all after it; first() <= from.
  void truncate(raft::Index from);
  // Drops all up to `to`, to <= last().
  void compact(raft::Index to);

  raft::Index first() const { return raft::Index(first_); }
  raft::Index last() const { return raft::Index(first_ + ends_.size() - 1); }
  // Of an entry in [first() - 1, last()].
  std::optional<raft::Term> term(raft::Index index) const;
  format::Bounds bounds() const;

  std::uint64_t bytes() const { return ends_.empty() ? 0 : ends_.back() - base_; }
  // The highest index <= limit with at least `retain` bytes of entries after it; first() - 1 if there is none.
  raft::Index compaction_target(raft::Index limit, std::uint64_t retain) const;

 private:
  struct Run {
    std::uint64_t from;  // up to the next run's
    raft::Term term;
  };
  std::uint64_t first_ = 1;
  std::deque<std::uint64_t> ends_;           // of entry first_ + i: bytes written up to and including it
  std::uint64_t base_ = 0;                   // the same for first_ - 1
  std::deque<Run> runs_{{0, raft::Term()}};  // never empty: the first covers first_ - 1
};

}  // namespace tenaz::storage
