// The core's only call outward: a read-only window on the durable log.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "raft/types.h"

namespace tenaz::raft {

// Called from the thread that drives the core. Answers speak only of what is durable and within [first, last].
// An implementation that cannot read what it holds (corruption, I/O error) must stop the process: the core has no way
// on.
class LogReader {
 public:
  virtual ~LogReader() = default;

  // The first entry that is still there; last_index() + 1 when the log is empty.
  virtual Index first_index() const = 0;
  virtual Index last_index() const = 0;
  // The term of an entry in [first_index() - 1, last_index()]; nothing outside.
  virtual std::optional<Term> term(Index index) const = 0;
  // Entries from `from` on, at most up to `to` (inclusive), stopping once `max_bytes` of cost are passed; at least one.
  // Requires from <= to <= last_index(). Empty when `from` has been compacted away, by another thread perhaps.
  virtual std::vector<Entry> entries(Index from, Index to, std::size_t max_bytes) const = 0;
};

}  // namespace tenaz::raft
