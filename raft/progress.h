// What a leader knows of one other node's log, and what is on its way there.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>

#include "raft/core.h"
#include "raft/options.h"
#include "raft/types.h"

namespace tenaz::raft {

// probe: where the logs agree is not known: one append at a time, the next after an answer (or the loss of one).
// replicate: they agree up to match; appends are sent ahead, within a window.
// snapshot: what the peer needs next is no longer in the log; nothing is appended until it has the image.
class Progress {
 public:
  using Mode = PeerStatus::Mode;

  Progress(NodeId id, Index next, Instant now) : id_(id), next_(next), heard_(now), able_(now) {}

  NodeId id() const { return id_; }
  Mode mode() const { return mode_; }
  // Invariant: match < next. Everything up to match is equal to the leader's log and durable there.
  Index match() const { return match_; }
  Index next() const { return next_; }
  // The commit index that the peer will know once it has everything that was sent.
  Index commit_told() const { return commit_told_; }
  std::size_t inflight() const { return window_.size(); }
  bool rolled_back() const { return rolled_back_; }

  // --- liveness -----------------------------------------------------------------------------------------------------
  void heard(Instant now) {
    heard_ = now;
    ever_heard_ = true;
  }
  Instant last_heard() const { return heard_; }
  // Its disk answers: it says so, or more has become durable.
  void able(Instant now) { able_ = now; }
  Instant last_able() const { return able_; }
  bool active(Instant now, Duration within) const { return ever_heard_ && now - heard_ < within; }
  void acknowledged_round(std::uint64_t round) { round_ = std::max(round_, round); }
  std::uint64_t round() const { return round_; }
  // It votes for nobody else until then, by this node's clock (lease.h); epoch: it has promised nothing.
  void promised(Instant until) { promised_until_ = std::max(promised_until_, until); }
  Instant promised_until() const { return promised_until_; }

  // --- sending ------------------------------------------------------------------------------------------------------
  // Whether entries may be sent now.
  bool may_send(const Options& options) const;
  // An append with `entries` entries up to `last`, costing `bytes`, leaves. Returns its sequence number.
  std::uint64_t sent(Index last, std::size_t entries, std::size_t bytes, Index commit, Instant now);
  // Nothing of it is answered although it was sent a while ago: it may be lost.
  bool stalled(Instant now, Duration patience) const;
  // A probe is taken for lost; another may be sent.
  void resume_probe() { probe_sent_ = false; }

  // --- answers ------------------------------------------------------------------------------------------------------
  // Everything up to `index` is equal and durable there. `base`: the leader's compaction point.
  void accepted(Index index, Index base);
  // What a refusal says.
  enum class Refused {
    stale,       // an old one: what it says has been dealt with
    back_up,     // the logs differ at its prev_index
    rolled_back  // the peer has lost entries that it had acknowledged to this leader
  };
  Refused classify(const AppendReply& refusal) const;
  // Go on probing with the entry after `agreed`, the last one on which the logs may agree.
  void back_up(Index agreed);
  void mark_rolled_back();
  // What was sent may be lost: back to probing, with the first probe after a sign of life.
  void unreachable();

  // --- catching up (learners) ---------------------------------------------------------------------------------------
  // Thesis 4.2.1: a learner gets the log in rounds, each up to where the log ended when the round began. It has caught
  // up once a round took no longer than `patience`.
  void tend_catch_up(Index last, Instant now, Duration patience);
  bool caught_up() const { return caught_up_; }

  // --- snapshot -----------------------------------------------------------------------------------------------------
  void want_snapshot(Instant now);
  void snapshot_announced(const SnapshotMeta& meta, const std::string& snapshot_id, Instant now);
  void snapshot_ended(Instant now);                              // failed: probe again after a sign of life
  Index snapshot_index() const { return snapshot_.meta.index; }  // 0: no image yet
  const InstallSnapshot& snapshot() const { return snapshot_; }
  // When the image was last asked for or announced.
  Instant snapshot_since() const { return sent_at_; }

 private:
  struct InFlight {
    Index last;
    std::size_t bytes;
  };

  void probe_from(Index next);

  NodeId id_;
  Mode mode_ = Mode::probe;
  Index match_;
  Index next_;
  Index commit_told_;
  bool probe_sent_ = false;
  bool rolled_back_ = false;

  std::uint64_t sequence_ = 0;           // of the last append sent
  std::uint64_t sequence_at_match_ = 0;  // of the last append sent when match last moved
  std::uint64_t sequence_at_probe_ = 0;  // of the last append sent when probing began: answers up to it are old

  std::deque<InFlight> window_;  // appends with entries; `last` rises
  std::size_t window_bytes_ = 0;
  Instant sent_at_{};

  Instant heard_;
  Instant able_;
  bool ever_heard_ = false;
  std::uint64_t round_ = 0;
  Instant promised_until_{};

  Index round_end_;  // of the present round of catching up; 0: none
  Instant round_began_{};
  bool caught_up_ = false;

  InstallSnapshot snapshot_;  // term unset
};

}  // namespace tenaz::raft
