#include "server/waiters.h"

#include <algorithm>

namespace tenaz::server {

Waiters::Bucket& Waiters::bucket_of(raft::Instant deadline) {
  const auto grains = (deadline.time_since_epoch() + kGrain - raft::Duration(1)) / kGrain;
  return buckets_[raft::Instant(grains * kGrain)];
}

void Waiters::add_write(std::uint64_t sequence, WaitingWrite write) {
  bucket_of(write.deadline).writes.push_back(sequence);
  bytes_ += write.bytes;
  writes_.emplace(sequence, std::move(write));
}

WaitingWrite* Waiters::find_write(std::uint64_t sequence) {
  const auto it = writes_.find(sequence);
  return it == writes_.end() ? nullptr : &it->second;
}

std::optional<WaitingWrite> Waiters::take_write(std::uint64_t sequence) {
  const auto it = writes_.find(sequence);
  if (it == writes_.end()) return std::nullopt;
  std::optional<WaitingWrite> write(std::move(it->second));
  writes_.erase(it);
  bytes_ -= write->bytes;
  return write;
}

ReadTicket Waiters::add_read(WaitingRead read) {
  const ReadTicket ticket = ++last_ticket_;
  bucket_of(read.deadline).reads.push_back(ticket);
  reads_.emplace(ticket, std::move(read));
  return ticket;
}

std::optional<WaitingRead> Waiters::take_read(ReadTicket ticket) {
  const auto it = reads_.find(ticket);
  if (it == reads_.end()) return std::nullopt;
  std::optional<WaitingRead> read(std::move(it->second));
  reads_.erase(it);
  return read;
}

Waiters::Expired Waiters::expired(raft::Instant now) {
  Expired out;
  while (!buckets_.empty() && buckets_.begin()->first <= now) {
    for (const auto sequence : buckets_.begin()->second.writes)
      if (writes_.contains(sequence)) out.writes.push_back(sequence);
    for (const auto ticket : buckets_.begin()->second.reads)
      if (reads_.contains(ticket)) out.reads.push_back(ticket);
    buckets_.erase(buckets_.begin());
  }
  return out;
}

std::optional<raft::Instant> Waiters::next_deadline() const {
  if (writes_.empty() && reads_.empty()) return std::nullopt;
  return buckets_.begin()->first;
}

std::vector<std::uint64_t> Waiters::writes_placed_before(raft::Term term) const {
  std::vector<std::uint64_t> out;
  for (const auto& [sequence, write] : writes_)
    if (write.placed_in && write.placed_in < term) out.push_back(sequence);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::uint64_t> Waiters::all_writes() const {
  std::vector<std::uint64_t> out;
  for (const auto& [sequence, write] : writes_) out.push_back(sequence);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<ReadTicket> Waiters::all_reads() const {
  std::vector<ReadTicket> out;
  for (const auto& [ticket, read] : reads_) out.push_back(ticket);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace tenaz::server
