// The writes that the host has been given and has not reported durable yet.
//
// Why not "the highest index reported": a report for entry 5 of term 2 may come when that entry has been replaced by
// entry 5 of term 4, whose write is still under way. So each write remembers up to where it vouches for the log as it
// stands now, and a truncation takes that back.
#pragma once

#include <deque>
#include <optional>

#include "raft/types.h"

namespace tenaz::raft {

class Writes {
 public:
  // A write of everything up to `last` leaves for the disk. Ids rise by one, in the order of the calls.
  WriteId issue(Index last, const std::optional<HardState>& hard_state);

  // Entries from `from` on are no longer the log's.
  void truncate(Index from);

  struct Durable {
    Index last;  // entries up to here are durable; 0: the report says nothing of entries
    std::optional<HardState> hard_state;
  };
  // Write `id` and all before it are durable. An id that was never issued stops the process; an old one says nothing.
  Durable persisted(WriteId id);

  // The write after which everything up to `index` is durable; 0: none under way.
  WriteId covering(Index index) const;
  // The write after which the hard state is durable; 0: none under way.
  WriteId covering_hard_state() const;
  WriteId last_issued() const { return issued_; }

 private:
  struct Write {
    WriteId id;
    Index last;
    std::optional<HardState> hard_state;
  };
  std::deque<Write> under_way_;  // ids rise; `last` may fall where a truncation lies between two writes
  WriteId issued_;
};

}  // namespace tenaz::raft
