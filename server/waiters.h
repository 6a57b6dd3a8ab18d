// Client calls that wait for an answer: writes by sequence, reads by ticket, all with a deadline. A table, not a
// thread: the replica owns it. Every call that is added is answered exactly once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "raft/types.h"
#include "server/node.h"

namespace tenaz::server {

using WriteDone = std::function<void(const WriteResult&)>;
using ReadDone = std::function<void(const ReadResult&)>;

struct WaitingWrite {
  WriteDone done;
  raft::Instant arrived;
  raft::Instant deadline;
  std::size_t bytes = 0;
  // The term in which it was proposed here or forwarded; 0 while it only queues. Once an entry of a later term is
  // applied and this write has not been, it never will be: log terms never go back, and a leader appends a forwarded
  // write only in the term that it was meant for.
  raft::Term placed_in;
  // The last term in which a leader refused it before appending: it is not offered to that leader again.
  raft::Term refused_in;
  // Of a forwarded write, kept in case it is refused.
  std::string command;
  bool is_put = false;
};

struct WaitingRead {
  ReadDone done;
  raft::Instant arrived;
  raft::Instant deadline;
  bool for_revision = false;  // waits for a revision to be applied here, whoever leads
};

using ReadTicket = std::uint64_t;

class Waiters {
 public:
  void add_write(std::uint64_t sequence, WaitingWrite write);
  // Nothing if it is not (any longer) waited for. The pointer is good until the next call.
  WaitingWrite* find_write(std::uint64_t sequence);
  std::optional<WaitingWrite> take_write(std::uint64_t sequence);

  ReadTicket add_read(WaitingRead read);
  std::optional<WaitingRead> take_read(ReadTicket ticket);
  bool waits(ReadTicket ticket) const { return reads_.contains(ticket); }

  // What is past its deadline at `now`, oldest first; still in the table.
  struct Expired {
    std::vector<std::uint64_t> writes;
    std::vector<ReadTicket> reads;
  };
  Expired expired(raft::Instant now);
  // When expired() has something to say next; nothing if nobody waits.
  std::optional<raft::Instant> next_deadline() const;

  // Writes placed in a term below `term`, in the order of their sequences.
  std::vector<std::uint64_t> writes_placed_before(raft::Term term) const;
  std::vector<std::uint64_t> all_writes() const;
  std::vector<ReadTicket> all_reads() const;

  std::size_t bytes() const { return bytes_; }
  std::size_t size() const { return writes_.size() + reads_.size(); }

 private:
  // Deadlines are rounded up to this, so that thousands of calls with the same timeout share a bucket.
  static constexpr raft::Duration kGrain = std::chrono::milliseconds(10);

  struct Bucket {
    std::vector<std::uint64_t> writes;
    std::vector<ReadTicket> reads;
  };
  Bucket& bucket_of(raft::Instant deadline);

  std::unordered_map<std::uint64_t, WaitingWrite> writes_;
  std::unordered_map<ReadTicket, WaitingRead> reads_;
  // May name calls that were answered long ago; never misses one that waits.
  std::map<raft::Instant, Bucket> buckets_;
  std::size_t bytes_ = 0;
  ReadTicket last_ticket_ = 0;
};

}  // namespace tenaz::server
