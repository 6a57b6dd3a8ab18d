// Tells when the log's disk has stalled: something waits to become durable, and nothing has become so for too long. It
// is told the time, so that production and the simulator use the very same. On the replica's thread.
//
// A process that was stopped, or whose loop was late, finds answers waiting that the disk gave long ago. So lateness of
// the look itself is not the disk's: after a late one the disk gets a moment more, once per wait.
#pragma once

#include <algorithm>

#include "raft/types.h"

namespace tenaz::server {

class DiskWatch {
 public:
  explicit DiskWatch(raft::Duration patience) : patience_(patience) {}

  // A write was given to the log.
  void asked(raft::Instant now) {
    if (!waits_) progress(now, true);
  }
  // Some of what waited is durable; `more` still waits.
  void answered(raft::Instant now, bool more) { progress(now, more); }

  // When look() is due; Instant::max() while nothing can change.
  raft::Instant due() const { return waits_ && !stalled_ ? since_ + patience_ : raft::Instant::max(); }
  void look(raft::Instant now) {
    if (now < due() || due() == raft::Instant::max()) return;
    const raft::Duration moment = patience_ / 4;
    if (now - due() > moment && !forgiven_) {
      since_ = now + moment - patience_;
      forgiven_ = true;
      return;
    }
    stalled_ = true;
  }

  bool stalled() const { return stalled_; }
  // Since when nothing has become durable, while something waits.
  raft::Instant since() const { return since_; }

 private:
  void progress(raft::Instant now, bool waits) {
    waits_ = waits;
    since_ = now;
    forgiven_ = stalled_ = false;
  }

  raft::Duration patience_;
  bool waits_ = false;
  bool forgiven_ = false;
  bool stalled_ = false;
  raft::Instant since_;
};

}  // namespace tenaz::server
