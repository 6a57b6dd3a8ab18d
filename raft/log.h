// The log as the core sees it: what LogReader holds durably, plus the tail that is not durable yet, plus a bounded
// cache of recent entries, so that replication and apply seldom read the disk. Also what must be known of every entry
// without reading it: its term, and which configuration was in force.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "raft/log_reader.h"
#include "raft/types.h"

namespace tenaz::raft {

class Log {
 public:
  // Reads the whole log once, for its terms and configurations. `configuration`: in force at the compaction point.
  Log(const LogReader& reader, std::size_t cache_bytes, Configuration configuration, Index configuration_index);

  // The compaction point: the last index that is gone. Its term is still known.
  Index base() const { return base_; }
  Index first_index() const { return base_.next(); }
  Index last_index() const { return last_; }
  Term last_term() const { return runs_.back().term; }
  // Entries up to here are durable in this very form.
  Index durable_index() const { return durable_; }

  // The term of an entry in [base, last]; nothing outside.
  std::optional<Term> term(Index index) const;
  // The last index <= `from` whose term is at most `term`; base() if there is none. Requires base() <= from <= last.
  Index last_at_most(Index from, Term term) const;

  // Requires entry.index == last_index() + 1 and a term that is not below the last one.
  void append(Entry entry);
  // Drops everything from `from` on; base() < from.
  void truncate(Index from);

  // Entries from `from` on up to `to`, within `max_bytes` but at least one; perhaps fewer than fit, where cache and
  // disk meet. Empty when they were compacted away already.
  std::vector<Entry> entries(Index from, Index to, std::size_t max_bytes) const;

  // What no write has been asked for yet; from now on it counts as asked for.
  std::vector<Entry> take_unwritten();
  bool has_unwritten() const { return written_ < last_; }
  // Everything up to there has been asked for.
  Index written() const { return written_; }
  // Everything up to `index` is durable.
  void persisted(Index index);

  // The log now begins behind `index`.
  void compacted(Index index);
  // A snapshot replaced all of it.
  void reset(const SnapshotMeta& meta);

  // The latest configuration, and where it was appended.
  const std::pair<Index, Configuration>& latest_configuration() const { return configurations_.back(); }
  // Changes with it, also if it was appended at the same index.
  std::uint64_t configuration_version() const { return configuration_version_; }
  // The one in force at `index` >= base().
  const std::pair<Index, Configuration>& configuration_at(Index index) const;

 private:
  // Consecutive entries of one term: from `first` to the next run. Terms never fall, so a log has few runs.
  struct Run {
    Index first;
    Term term;
  };

  void note(const Entry& entry);
  void evict();

  const LogReader& reader_;
  const std::size_t cache_limit_;
  Index base_;
  Index last_;
  Index durable_;
  Index written_;
  std::vector<Run> runs_;                                        // never empty; the first one holds base_
  std::vector<std::pair<Index, Configuration>> configurations_;  // never empty; rising; the first is in force at base_

  std::uint64_t configuration_version_ = 1;

  // Invariant: entries [cache_first_, last_], which include all that are not durable.
  std::deque<Entry> cache_;
  Index cache_first_;
  std::size_t cache_bytes_ = 0;
};

}  // namespace tenaz::raft
