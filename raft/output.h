// Everything that the host must do for the core, in order. Taken with Core::take_output().
#pragma once

#include <optional>
#include <vector>

#include "raft/message.h"
#include "raft/types.h"

namespace tenaz::raft {

// Make all of it durable in one atomic write, in the order of ids, then report Core::persisted(id).
// Writing entries replaces whatever the log held from entries.front().index on (a conflicting tail goes with it).
struct Persist {
  WriteId id;
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;
};

// A linearizable read may be served once everything up to `index` is applied (thesis 6.4).
struct ReadConfirmed {
  ReadId id;
  Index index;
  bool by_lease = false;  // without a round
};

struct Output {
  // 1. May leave at once, even before `persist` is durable: nothing in them promises this node's disk.
  std::vector<Envelope> send_now;

  // 2. To be made durable.
  std::optional<Persist> persist;

  // 3. May leave only AFTER write `durable_after` (and so all earlier ones) is durable; 0: at once.
  WriteId durable_after;
  std::vector<Envelope> send_when_durable;

  // 4. Committed and durable here; apply in order, then report Core::applied(last index).
  std::vector<Entry> committed;

  // 5. Reads to answer, and reads to give up because leadership was lost.
  std::vector<ReadConfirmed> reads_confirmed;
  std::vector<ReadId> reads_failed;

  // 6. A follower's part: fetch this snapshot from `install->from` and install it, then report snapshot_installed() or
  //    snapshot_failed(). The core neither appends nor campaigns in between.
  struct Install {
    NodeId from;
    SnapshotMeta meta;
    std::string snapshot_id;
  };
  std::optional<Install> install;

  // 7. A leader's part: peers whose next entry is no longer in the log. Make an image and report snapshot_ready().
  std::vector<NodeId> snapshots_wanted;

  // 8. Peers that answered with a log shorter than what they had acknowledged in this term: their disk went back.
  //    They no longer count for this leader.
  std::vector<NodeId> rolled_back;

  bool empty() const {
    return send_now.empty() && !persist && send_when_durable.empty() && committed.empty() && reads_confirmed.empty() &&
           reads_failed.empty() && !install && snapshots_wanted.empty() && rolled_back.empty();
  }
};

}  // namespace tenaz::raft
