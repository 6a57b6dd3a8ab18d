#include "raft/read_index.h"

#include <utility>

namespace tenaz::raft {

void ReadIndex::round_started(std::uint64_t round, Index commit) {
  if (waiting_.empty()) return;
  rounds_.push_back({round, commit, std::exchange(waiting_, {})});
}

void ReadIndex::confirmed(std::uint64_t round, std::vector<ReadConfirmed>& out) {
  while (!rounds_.empty() && rounds_.front().round <= round) {
    for (ReadId id : rounds_.front().reads) out.push_back({id, rounds_.front().commit});
    rounds_.pop_front();
  }
}

void ReadIndex::fail_all(std::vector<ReadId>& out) {
  for (const Round& round : rounds_) out.insert(out.end(), round.reads.begin(), round.reads.end());
  out.insert(out.end(), waiting_.begin(), waiting_.end());
  rounds_.clear();
  waiting_.clear();
}

}  // namespace tenaz::raft
