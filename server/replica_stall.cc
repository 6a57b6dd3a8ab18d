// What the replica does about its own log's disk when that does not answer. Who leads is the core's to settle
// (raft/core_stall.cc); here it is noticed, told, and clients are not left waiting for it.
#include <utility>

#include "server/replica.h"

namespace tenaz::server {

namespace {

// A stall that is shorter is only a delay to clients. Beyond it they are told to go to another node.
constexpr raft::Duration kClientPatience = std::chrono::seconds(1);

}  // namespace

void Replica::watch_disk(raft::Instant now) {
  const bool before = disk_.stalled();
  disk_.look(now);
  if (!disk_.stalled()) return;
  if (!before) {
    core_.disk_stalled(now, true);
    ports_.probe.disk_stalled(true);
  }
  if (disk_refuses_ || now < disk_.since() + kClientPatience) return;
  disk_refuses_ = true;
  refuse_for_disk(now);
}

raft::Instant Replica::disk_watch_due() const {
  if (!disk_.stalled()) return disk_.due();
  return disk_refuses_ ? raft::Instant::max() : disk_.since() + kClientPatience;
}

void Replica::disk_answered(raft::Instant now) {
  const bool before = disk_.stalled();
  disk_.answered(now, issued_ > durable_);
  disk_refuses_ = false;
  if (!before) return;
  core_.disk_stalled(now, false);
  ports_.probe.disk_stalled(false);
}

// What is in the log already, here or with the leader, may be committed without this disk and goes on to wait. Other
// nodes' writes are theirs to answer.
void Replica::refuse_for_disk(raft::Instant now) {
  for (const auto& item : std::exchange(queue_, {})) {
    if (item.from != self_)
      queue_.push_back(item);
    else if (item.sequence != 0)
      fail_write(now, item.sequence, Failure::disk_stalled, true);
    else
      reclaimed_at_.reset();
  }
  for (auto read = reads_behind_.upper_bound(ports_.log.reader().last_index()); read != reads_behind_.end();) {
    const ReadTicket ticket = read->second;
    read = reads_behind_.erase(read);
    finish_read(now, ticket, Failure::disk_stalled);
  }
}

}  // namespace tenaz::server
