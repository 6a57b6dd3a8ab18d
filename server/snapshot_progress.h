// How far the transfer of an image is: for the status, the metrics, and a line in the log now and then. Not
// thread-safe.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

#include "raft/types.h"

namespace tenaz::server {

enum class Direction { in, out };
inline const char* to_string(Direction direction) {
  return direction == Direction::in ? "in" : "out";
}

struct SnapshotProgress {
  raft::NodeId peer;
  Direction direction = Direction::in;
  raft::Index index;  // where the image stands
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
  double seconds = 0;           // since it began
  double bytes_per_second = 0;  // on average
};

// For the metrics. From the threads that move images.
class SnapshotEvents {
 public:
  virtual ~SnapshotEvents() = default;
  virtual void snapshot_moved(Direction, std::uint64_t /*bytes*/) {}
  // Pieces come again after a break: a lost connection, or a sender that was too slow.
  virtual void snapshot_resumed() {}
  virtual void snapshot_ended(Direction, bool /*whole*/, std::chrono::nanoseconds /*took*/) {}
};

class SnapshotTransfer {
 public:
  using Clock = std::chrono::steady_clock;

  // `bytes_before`: are there from an earlier attempt, and do not count for the rate.
  SnapshotTransfer(raft::NodeId peer, Direction direction, raft::Index index, std::uint64_t bytes_total,
                   Clock::time_point now, std::uint64_t bytes_before = 0);

  // So many bytes are there, from the beginning. Every tenth of the whole is a line in the log, one a second at most.
  void reached(std::uint64_t bytes_done, Clock::time_point now);

  SnapshotProgress view(Clock::time_point now) const;
  std::chrono::nanoseconds took(Clock::time_point now) const { return now - began_; }
  Clock::time_point last() const { return last_; }
  bool whole() const { return done_ == total_; }
  std::uint64_t moved() const { return done_ - std::min(done_, before_); }

 private:
  raft::NodeId peer_;
  Direction direction_;
  raft::Index index_;
  std::uint64_t before_;
  std::uint64_t done_;
  std::uint64_t total_;
  Clock::time_point began_;
  Clock::time_point last_;    // of reached()
  Clock::time_point logged_;  // of the last line
  std::uint64_t tenths_logged_ = 0;
};

// "12.3 MiB in 4.5 s, 2.7 MiB/s"
std::string moved_text(std::uint64_t bytes, std::chrono::nanoseconds took);

}  // namespace tenaz::server
