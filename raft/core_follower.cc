// Following (thesis 3.5, 5).
#include <algorithm>

#include "raft/core_impl.h"

namespace tenaz::raft {

void Core::Impl::heard_leader(NodeId from) {
  require(state_ != State::leader, "two leaders in one term");
  require(!leader_ || leader_ == from, "two leaders in one term");
  failed_campaigns_ = 0;
  become_follower(hard_state_.term, from);
  leader_contact_ = now_;
}

void Core::Impl::on(NodeId from, AppendRequest& request) {
  heard_leader(from);
  if (installing_) return;
  std::vector<Entry>& entries = request.entries;
  Index expected = request.prev_index;
  Term lowest = request.prev_term;
  for (const Entry& entry : entries) {
    expected = expected.next();
    // Not a message of this protocol.
    if (entry.index != expected || entry.term < lowest || entry.term > request.term || !entry.payload) return;
    lowest = entry.term;
  }
  // Committed entries are the same everywhere, also where they are compacted here and cannot be compared any more.
  const bool agrees = request.prev_index <= commit_ || log_.term(request.prev_index) == request.prev_term;
  if (!agrees) return refuse(from, request);
  append_new(entries);
  const Index verified = std::max(commit_, expected);
  commit_to(std::min(request.commit, verified));
  accept(from, request.sequence, verified);
}

// Truncates only where an entry differs: a late or repeated message must not take away what came after it.
void Core::Impl::append_new(std::vector<Entry>& entries) {
  for (Entry& entry : entries) {
    if (entry.index <= log_.base()) continue;
    if (const std::optional<Term> held = log_.term(entry.index)) {
      if (*held == entry.term) continue;
      require(entry.index > commit_, "a committed entry would be overwritten");
      log_.truncate(entry.index);
      writes_.truncate(entry.index);
    }
    log_.append(std::move(entry));
  }
}

// Leaves when everything up to `match` is durable here. Answers that wait together become one.
void Core::Impl::accept(NodeId to, std::uint64_t sequence, Index match) {
  deferred_match_ = std::max(deferred_match_, match);
  if (!deferred_.empty() && deferred_.back().to == to) {
    if (auto* last = std::get_if<AppendReply>(&deferred_.back().message)) {
      last->sequence = std::max(last->sequence, sequence);
      last->match = std::max(last->match, match);
      return;
    }
  }
  AppendReply reply;
  reply.term = hard_state_.term;
  reply.sequence = sequence;
  reply.accepted = true;
  reply.match = match;
  reply.last_index = log_.last_index();
  send_with_hard_state(to, reply);
}

// Where the leader should try next: no entry here with a term above prev_term can be equal to the leader's
// (thesis 3.5).
void Core::Impl::refuse(NodeId to, const AppendRequest& request) {
  AppendReply reply;
  reply.term = hard_state_.term;
  reply.sequence = request.sequence;
  reply.prev_index = request.prev_index;
  reply.last_index = log_.last_index();
  const Index from = std::min(request.prev_index.previous(), log_.last_index());
  reply.conflict_index = std::max(commit_, log_.last_at_most(from, request.prev_term));
  reply.conflict_term = *log_.term(reply.conflict_index);
  send(to, reply);
}

void Core::Impl::on(NodeId from, const Heartbeat& message) {
  heard_leader(from);
  // It speaks of what this node acknowledged. If the log no longer reaches that far, the disk went back, and nothing
  // may be concluded from it.
  if (!installing_ && message.commit <= log_.last_index()) commit_to(message.commit);
  send_with_hard_state(from, HeartbeatReply{hard_state_.term, message.round, promise_to(from), disk_stalled_});
}

void Core::Impl::on(NodeId from, InstallSnapshot& message) {
  heard_leader(from);
  if (installing_) return;
  const SnapshotMeta& meta = message.meta;
  if (meta.index <= commit_) return accept(from, 0, commit_);
  // This log has it all: the entries behind the snapshot are acknowledged and must stay.
  if (log_.term(meta.index) == meta.term) {
    commit_to(meta.index);
    return accept(from, 0, meta.index);
  }
  installing_ = Output::Install{from, std::move(message.meta), std::move(message.snapshot_id)};
  out_.install = installing_;
}

void Core::Impl::snapshot_installed(Instant now, const SnapshotMeta& meta) {
  observe(now);
  require(installing_ && installing_->meta.index == meta.index, "a snapshot was installed that nobody asked for");
  const NodeId sender = installing_->from;
  installing_.reset();
  writes_.truncate(Index{1});
  log_.reset(meta);
  commit_ = applied_ = handed_out_ = meta.index;
  apply_ends_.clear();
  reset_election_timer();
  accept(leader_ ? leader_ : sender, 0, meta.index);
}

void Core::Impl::snapshot_failed(Instant now) {
  observe(now);
  if (!installing_) return;
  const Index index = installing_->meta.index;
  const NodeId to = leader_ ? leader_ : installing_->from;
  installing_.reset();
  reset_election_timer();
  send(to, InstallSnapshotFailed{hard_state_.term, index});
}

}  // namespace tenaz::raft
