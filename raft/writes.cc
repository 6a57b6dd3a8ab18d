#include "raft/writes.h"

#include <algorithm>

#include "raft/invariants.h"

namespace tenaz::raft {

WriteId Writes::issue(Index last, const std::optional<HardState>& hard_state) {
  issued_ = issued_.next();
  under_way_.push_back({issued_, last, hard_state});
  return issued_;
}

void Writes::truncate(Index from) {
  for (Write& write : under_way_) write.last = std::min(write.last, from.previous());
}

Writes::Durable Writes::persisted(WriteId id) {
  require(id <= issued_, "a write was reported durable that was never asked for");
  Durable durable;
  while (!under_way_.empty() && under_way_.front().id <= id) {
    durable.last = std::max(durable.last, under_way_.front().last);
    if (under_way_.front().hard_state) durable.hard_state = under_way_.front().hard_state;
    under_way_.pop_front();
  }
  return durable;
}

WriteId Writes::covering(Index index) const {
  for (const Write& write : under_way_)
    if (write.last >= index) return write.id;
  return WriteId{};
}

WriteId Writes::covering_hard_state() const {
  for (auto write = under_way_.rbegin(); write != under_way_.rend(); ++write)
    if (write->hard_state) return write->id;
  return WriteId{};
}

}  // namespace tenaz::raft
