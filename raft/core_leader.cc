// Leading: replication, commit, reads, check-quorum, hand-over, snapshots for those behind
// (thesis 3.5, 3.6, 3.10, 6.2, 6.4).
#include <algorithm>

#include "raft/core_impl.h"

namespace tenaz::raft {

void Core::Impl::become_leader() {
  require(hard_state_.vote == self_, "a leader did not vote for itself");
  state_ = State::leader;
  leader_ = self_;
  failed_campaigns_ = 0;
  ballots_.clear();
  round_ = 0;
  round_times_.clear();
  lease_given_up_ = false;
  tracker_.start(configuration(), self_, log_.last_index().next(), now_);
  heartbeat_due_ = now_ + options_.heartbeat_interval;
  quorum_check_due_ = now_ + quorum_patience();
  term_start_ = log_.last_index().next();
  append_own(EntryKind::noop, empty_payload());
}

void Core::Impl::stop_leading() {
  reads_.fail_all(out_.reads_failed);
  tracker_.clear();
  uncommitted_costs_.clear();
  uncommitted_bytes_ = 0;
  transfer_target_ = NodeId{};
  leaving_ = false;
}

void Core::Impl::append_own(EntryKind kind, Payload payload) {
  Entry entry{hard_state_.term, log_.last_index().next(), kind, std::move(payload)};
  const std::size_t charged = kind == EntryKind::commands ? entry.cost() : 0;
  uncommitted_costs_.push_back(charged);
  uncommitted_bytes_ += charged;
  log_.append(std::move(entry));
}

std::variant<Proposed, Refusal> Core::Impl::propose(Instant now, Payload payload) {
  observe(now);
  if (state_ != State::leader) return Refusal::not_leader;
  if (transfer_target_) return Refusal::transferring;
  // An entry that is too large by itself may go when it is the only one.
  const std::size_t cost = Entry{Term{}, Index{}, EntryKind::commands, payload}.cost();
  if (uncommitted_bytes_ > 0 && uncommitted_bytes_ + cost > options_.max_uncommitted_bytes) return Refusal::overloaded;
  append_own(EntryKind::commands, std::move(payload));
  return Proposed{hard_state_.term, log_.last_index()};
}

// Only an entry of the own term is committed by counting; it takes the earlier ones along (thesis 3.6.2).
void Core::Impl::maybe_commit() {
  const Index reached = tracker_.committed(configuration(), log_.durable_index());
  if (reached <= commit_ || log_.term(reached) != hard_state_.term) return;
  const std::uint64_t own_before = commit_.next().past(term_start_);
  for (std::uint64_t done = reached.next().past(term_start_) - own_before; done > 0; --done) {
    uncommitted_bytes_ -= uncommitted_costs_.front();
    uncommitted_costs_.pop_front();
  }
  commit_to(reached);
}

void Core::Impl::lead_until(Instant now) {
  if (transfer_target_ && now >= transfer_deadline_) transfer_in_vain();
  if (tracker_.peers().empty()) return;
  if (now >= quorum_check_due_) check_quorum();
  if (state_ == State::leader && now >= heartbeat_due_) start_round();
}

Duration Core::Impl::quorum_patience() const {
  return std::min<Duration>(2 * options_.election_timeout_min, options_.election_timeout_max);
}

// Thesis 6.2: a leader that hears no quorum steps down, or it would keep its followers from electing another.
void Core::Impl::check_quorum() {
  const Instant heard = tracker_.quorum_heard(configuration(), now_);
  const Instant due = std::min(heard + quorum_patience(), disks_due());
  if (now_ >= due) return become_follower(hard_state_.term, NodeId{});
  quorum_check_due_ = due;
}

std::optional<Refusal> Core::Impl::read(Instant now, ReadId id) {
  observe(now);
  if (state_ != State::leader) return Refusal::not_leader;
  if (lease_holds())
    out_.reads_confirmed.push_back({id, commit_, true});
  else
    reads_.add(id);
  return std::nullopt;
}

// Heartbeats overtake appends, so each tells only what its receiver is known to hold.
void Core::Impl::start_round() {
  round_times_.started(++round_, now_);
  heartbeat_due_ = now_ + options_.heartbeat_interval;
  // Before its first commit a leader does not know what is committed (thesis 6.4): reads wait.
  if (read_ready()) reads_.round_started(round_, commit_);
  for (const Progress& peer : tracker_.peers()) {
    const Index commit = peer.rolled_back() ? Index{} : std::min(peer.match(), commit_);
    send(peer.id(), Heartbeat{hard_state_.term, commit, round_});
  }
  confirm_reads();
}

void Core::Impl::confirm_reads() {
  reads_.confirmed(tracker_.confirmed_round(configuration(), round_), out_.reads_confirmed);
}

void Core::Impl::replicate() {
  if (read_ready() && reads_.wants_round()) start_round();
  for (Progress& peer : tracker_.peers()) replicate_to(peer);
  if (disk_stalled_) leave_to_others();
  if (transfer_target_) hand_over_when_ready();
}

void Core::Impl::replicate_to(Progress& peer) {
  while (peer.may_send(options_)) {
    const bool more = peer.next() <= log_.last_index();
    // The commit index that the peer could hold and has not been told.
    const bool news = peer.commit_told() < std::min(commit_, peer.next().previous());
    if (peer.mode() != Progress::Mode::probe && !more && !news) return;
    if (!append_to(peer, more)) return;
    if (!more) return;
  }
}

// False when the log does not hold what the peer needs any more.
bool Core::Impl::append_to(Progress& peer, bool with_entries) {
  AppendRequest request;
  request.term = hard_state_.term;
  request.prev_index = peer.next().previous();
  request.commit = commit_;
  std::optional<Term> prev_term = log_.term(request.prev_index);
  // A newcomer with an empty log does not know the configuration at the log's beginning, which no entry holds: an image
  // brings the one in force with it.
  if (!request.prev_index && log_.base() == Index{} && !find_member(log_.configuration_at(Index{}).second, peer.id()))
    prev_term.reset();
  if (prev_term && with_entries)
    request.entries = log_.entries(peer.next(), log_.last_index(), options_.max_append_bytes);
  if (!prev_term || (with_entries && request.entries.empty())) {
    // An image is made only for somebody who is there to fetch it.
    if (peer.active(now_, quorum_patience())) {
      peer.want_snapshot(now_);
      out_.snapshots_wanted.push_back(peer.id());
    }
    return false;
  }
  request.prev_term = *prev_term;
  std::size_t bytes = 0;
  for (const Entry& entry : request.entries) bytes += entry.cost();
  request.sequence =
      peer.sent(request.prev_index + request.entries.size(), request.entries.size(), bytes, commit_, now_);
  send(peer.id(), std::move(request));
  return true;
}

void Core::Impl::on(NodeId from, const AppendReply& reply) {
  Progress* peer = state_ == State::leader ? tracker_.find(from) : nullptr;
  if (!peer || peer->rolled_back()) return;
  peer->heard(now_);
  if (reply.accepted) {
    if (reply.match > log_.last_index()) return;  // not an answer to anything that this leader sent
    if (reply.match > peer->match()) peer->able(now_);
    peer->accepted(reply.match, log_.base());
    tend_catch_up(*peer);
    return maybe_commit();
  }
  switch (peer->classify(reply)) {
    case Progress::Refused::stale:
      return;
    case Progress::Refused::back_up:
      return peer->back_up(where_logs_may_agree(reply));
    case Progress::Refused::rolled_back:
      peer->mark_rolled_back();
      out_.rolled_back.push_back(from);
  }
}

// The last entry that could be equal: the logs differ at prev_index, and here no entry with a term above conflict_term
// can be in the follower's log at or before conflict_index.
Index Core::Impl::where_logs_may_agree(const AppendReply& refusal) const {
  const Index from = std::min({refusal.conflict_index, refusal.prev_index.previous(), log_.last_index()});
  if (from < log_.base()) return from;
  return log_.last_at_most(from, refusal.conflict_term);
}

void Core::Impl::on(NodeId from, const HeartbeatReply& reply) {
  Progress* peer = state_ == State::leader ? tracker_.find(from) : nullptr;
  if (!peer || peer->rolled_back()) return;
  peer->heard(now_);
  if (!reply.disk_stalled) peer->able(now_);
  take_promise(*peer, reply);
  if (reply.round <= round_ && reply.round > peer->round()) {
    peer->acknowledged_round(reply.round);
    confirm_reads();
  }
  tend_catch_up(*peer);
  if (peer->mode() == Progress::Mode::snapshot) return tend_snapshot(*peer);
  if (!peer->stalled(now_, options_.heartbeat_interval)) return;
  // The peer is there, but an append or its answer seems to be lost. An empty append costs little and shows what it
  // holds.
  if (peer->mode() == Progress::Mode::probe)
    peer->resume_probe();
  else
    append_to(*peer, false);
}

bool Core::Impl::transfer_leadership(Instant now, NodeId target) {
  observe(now);
  if (state_ != State::leader || transfer_target_) return false;
  const Progress* peer =
      target ? tracker_.find(target) : tracker_.best_successor(configuration(), now_, quorum_patience());
  if (!peer || peer->rolled_back()) return false;
  const std::vector<NodeId>& voters = configuration().voters;
  if (!std::binary_search(voters.begin(), voters.end(), peer->id())) return false;
  transfer_target_ = peer->id();
  transfer_deadline_ = now_ + options_.transfer_timeout;
  timeout_now_sent_ = Instant{};
  return true;
}

// Thesis 3.10: once the target holds the whole log it is told to stand, again after a while in case that was lost.
void Core::Impl::hand_over_when_ready() {
  const Progress* peer = tracker_.find(transfer_target_);
  if (!peer || peer->rolled_back()) {
    transfer_target_ = NodeId{};
    leaving_ = false;  // to another one, then
    return;
  }
  if (peer->match() != log_.last_index()) return;
  if (timeout_now_sent_ != Instant{} && now_ - timeout_now_sent_ < options_.election_timeout_min) return;
  timeout_now_sent_ = now_;
  lease_given_up_ = true;  // before it leaves: voters grant what it brings about whatever they have promised
  send(peer->id(), TimeoutNow{hard_state_.term, peer->id()});
}

void Core::Impl::snapshot_ready(Instant now, NodeId id, const SnapshotMeta& meta, std::string snapshot_id) {
  observe(now);
  Progress* peer = state_ == State::leader ? tracker_.find(id) : nullptr;
  if (!peer || peer->mode() != Progress::Mode::snapshot) return;
  // A late answer has shown that it holds more than the image: back to probing from there.
  if (meta.index <= peer->match()) return peer->snapshot_ended(now_);
  peer->snapshot_announced(meta, snapshot_id, now_);
  announce_snapshot(*peer);
}

void Core::Impl::announce_snapshot(Progress& peer) {
  InstallSnapshot message = peer.snapshot();
  message.term = hard_state_.term;
  send(peer.id(), std::move(message));
}

void Core::Impl::snapshot_unavailable(Instant now, NodeId id) {
  observe(now);
  Progress* peer = state_ == State::leader ? tracker_.find(id) : nullptr;
  if (peer && peer->mode() == Progress::Mode::snapshot) peer->snapshot_ended(now_);
}

// The announcement may be lost, and so may the news that it was carried out.
void Core::Impl::tend_snapshot(Progress& peer) {
  if (!peer.snapshot_index() || now_ - peer.snapshot_since() < options_.election_timeout_max) return;
  peer.snapshot_announced(peer.snapshot().meta, peer.snapshot().snapshot_id, now_);
  announce_snapshot(peer);
}

void Core::Impl::on(NodeId from, const InstallSnapshotFailed& message) {
  Progress* peer = state_ == State::leader ? tracker_.find(from) : nullptr;
  if (!peer) return;
  peer->heard(now_);
  if (peer->mode() == Progress::Mode::snapshot && peer->snapshot_index() == message.index) peer->snapshot_ended(now_);
}

void Core::Impl::unreachable(NodeId id) {
  if (state_ != State::leader) return;
  if (Progress* peer = tracker_.find(id)) peer->unreachable();
}

}  // namespace tenaz::raft
