// Linearizable reads that wait for their leader to learn that it still leads (thesis 6.4). All reads that wait when a
// round of heartbeats starts share it; those that come later wait for the next one, since only a round that started
// after a read arrived proves anything to it.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "raft/output.h"
#include "raft/types.h"

namespace tenaz::raft {

class ReadIndex {
 public:
  void add(ReadId id) { waiting_.push_back(id); }

  // Somebody waits, and no round is under way that would make way for the next.
  bool wants_round() const { return !waiting_.empty() && rounds_.empty(); }

  // Round `round` starts; rounds rise. The leader knows everything up to `commit` to be committed.
  void round_started(std::uint64_t round, Index commit);

  // A quorum has acknowledged `round` (and so all before it).
  void confirmed(std::uint64_t round, std::vector<ReadConfirmed>& out);

  // Leadership is lost: nobody who waits will be answered.
  void fail_all(std::vector<ReadId>& out);

 private:
  struct Round {
    std::uint64_t round;
    Index commit;
    std::vector<ReadId> reads;
  };
  std::vector<ReadId> waiting_;
  std::deque<Round> rounds_;  // under way, with reads; rising
};

}  // namespace tenaz::raft
