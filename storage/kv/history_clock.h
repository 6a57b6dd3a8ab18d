// How old the store's revisions are: what compaction by age goes by.
//
// It counts with a clock of its own, which is part of the state. From entry to entry the clock advances by as much as
// the leaders' wall times in the entries have advanced, but never backwards, and by at most kMaxStepMs. So a wall clock
// that jumps ahead makes history look at most a minute older than it is, per jump; one that jumps back, or a leader
// whose clock is behind, makes nothing older. Where writes are farther apart than that, history looks younger than it
// is, and is kept for longer.
//
// Marks tell which revision was in force when the clock stood where: one a second at most, and ever fewer the farther
// they reach back, so that ten years take some ten thousand of them.
//
// Example: entries of the wall times 100.0 s, 100.2 s, 105 s, 90 s, 9999 s, each with one put. The clock stands at 0,
// 0.2, 5, 5 and 65 s; the marks are 0 s: revision 0, 5 s: revision 2, 65 s: revision 4.
//
// Threads: revision_at() and now_ms() from any; the rest from the applier (and while the state is opened).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

namespace tenaz::storage::kv {

class HistoryClock {
 public:
  static constexpr std::uint64_t kMaxStepMs = 60'000;

  struct Mark {
    std::uint64_t revision = 0;
    std::uint64_t time_ms = 0;  // of this clock, when the revision was in force

    bool operator==(const Mark&) const = default;
  };

  // As it was stored: where it stood, the wall time that it had seen last (0: none), and its marks by rising revision.
  void load(std::uint64_t now_ms, std::uint64_t wall_ms, std::vector<Mark> marks);

  // An entry with this wall time is applied to the store at `revision`. The mark that is to be stored, if any.
  std::optional<Mark> advance(std::uint64_t wall_ms, std::uint64_t revision);
  // What lies below `revision`, and that itself, is of no use any more. The revisions of the marks that go.
  std::vector<std::uint64_t> forget(std::uint64_t revision);

  std::uint64_t now_ms() const;
  std::uint64_t wall_ms() const;
  // The latest revision that is known to have been in force when the clock stood at `time_ms`; 0: none.
  std::uint64_t revision_at(std::uint64_t time_ms) const;

 private:
  mutable std::mutex mutex_;
  std::uint64_t now_ms_ = 0;
  std::uint64_t wall_ms_ = 0;
  std::deque<Mark> marks_;  // both members rise
};

}  // namespace tenaz::storage::kv
