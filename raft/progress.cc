#include "raft/progress.h"

#include <algorithm>

#include "raft/invariants.h"

namespace tenaz::raft {

bool Progress::may_send(const Options& options) const {
  if (rolled_back_) return false;
  switch (mode_) {
    case Mode::probe:
      return !probe_sent_;
    case Mode::replicate:
      return window_.size() < options.max_inflight_appends && window_bytes_ < options.max_inflight_bytes;
    case Mode::snapshot:
      return false;
  }
  return false;
}

std::uint64_t Progress::sent(Index last, std::size_t entries, std::size_t bytes, Index commit, Instant now) {
  sent_at_ = now;
  commit_told_ = std::min(commit, last);
  if (mode_ == Mode::probe) {
    probe_sent_ = true;
  } else if (entries > 0) {
    window_.push_back({last, bytes});
    window_bytes_ += bytes;
    next_ = last.next();
  }
  return ++sequence_;
}

bool Progress::stalled(Instant now, Duration patience) const {
  const bool waits = mode_ == Mode::probe ? probe_sent_ : match_.next() < next_;
  return waits && now - sent_at_ >= patience;
}

void Progress::accepted(Index index, Index base) {
  if (index > match_) {
    match_ = index;
    sequence_at_match_ = sequence_;
  }
  while (!window_.empty() && window_.front().last <= match_) {
    window_bytes_ -= window_.front().bytes;
    window_.pop_front();
  }
  const bool installed = snapshot_.meta.index && match_ >= snapshot_.meta.index;
  if (mode_ == Mode::snapshot && match_ < base && !installed) return;
  // Where the logs agree is known, also when the answer is a late one: match never lies.
  if (mode_ != Mode::replicate) {
    mode_ = Mode::replicate;
    snapshot_ = {};
    next_ = match_.next();
  }
  next_ = std::max(next_, match_.next());
}

Progress::Refused Progress::classify(const AppendReply& refusal) const {
  // Sent after `match` was acknowledged, so the follower looked at a log that held it once.
  const bool lost = refusal.last_index < match_ || (match_ && refusal.prev_index <= match_);
  if (refusal.sequence > sequence_at_match_ && lost) return Refused::rolled_back;
  if (mode_ == Mode::snapshot || refusal.sequence <= sequence_at_probe_ || refusal.prev_index <= match_)
    return Refused::stale;
  return Refused::back_up;
}

void Progress::back_up(Index agreed) {
  probe_from(std::max(agreed, match_).next());
}

void Progress::probe_from(Index next) {
  mode_ = Mode::probe;
  next_ = next;
  probe_sent_ = false;
  sequence_at_probe_ = sequence_;
  window_.clear();
  window_bytes_ = 0;
}

void Progress::mark_rolled_back() {
  probe_from(match_.next());
  rolled_back_ = true;
}

void Progress::unreachable() {
  if (mode_ != Mode::replicate) return;
  probe_from(match_.next());
  probe_sent_ = true;
  sent_at_ = Instant{};
}

void Progress::tend_catch_up(Index last, Instant now, Duration patience) {
  if (mode_ != Mode::replicate || rolled_back_) {
    caught_up_ = false;
    round_end_ = Index{};
    return;
  }
  if (round_end_ && match_ < round_end_) return;
  if (round_end_) caught_up_ = now - round_began_ <= patience;
  if (match_ < last) {
    round_end_ = last;
    round_began_ = now;
  } else {  // nothing is missing
    round_end_ = Index{};
    caught_up_ = true;
  }
}

void Progress::want_snapshot(Instant now) {
  probe_from(next_);
  mode_ = Mode::snapshot;
  snapshot_ = {};
  sent_at_ = now;
}

void Progress::snapshot_announced(const SnapshotMeta& meta, const std::string& snapshot_id, Instant now) {
  snapshot_.meta = meta;
  snapshot_.snapshot_id = snapshot_id;
  sent_at_ = now;
}

void Progress::snapshot_ended(Instant now) {
  probe_from(match_.next());
  snapshot_ = {};
  probe_sent_ = true;
  sent_at_ = now;
}

}  // namespace tenaz::raft
