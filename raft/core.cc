#include "raft/core.h"

#include <algorithm>

#include "raft/core_impl.h"

namespace tenaz::raft {

namespace {

// Batches of committed entries that may be with the applier at once: one is applied while the next is on its way.
constexpr std::size_t kApplyBatches = 2;

template <class... Fs>
struct overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
overloaded(Fs...) -> overloaded<Fs...>;

}  // namespace

const char* to_string(Role role) {
  switch (role) {
    case Role::follower:
      return "follower";
    case Role::pre_candidate:
      return "pre_candidate";
    case Role::candidate:
      return "candidate";
    case Role::leader:
      return "leader";
    case Role::learner:
      return "learner";
  }
  return "unknown";
}

Term term_of(const Message& message) {
  return std::visit([](const auto& m) { return m.term; }, message);
}

Core::Impl::Impl(const Options& options, const Start& start, const LogReader& log)
    : options_(options),
      self_(start.self),
      random_(start.random),
      now_(start.now),
      hard_state_(start.hard_state),
      durable_hard_state_(start.hard_state),
      log_(log, options.cache_bytes, start.configuration, start.configuration_index),
      commit_(start.applied),
      applied_(start.applied),
      handed_out_(start.applied),
      promised_until_(start.now + start.hard_state.promise),
      old_promises_end_(promised_until_) {
  require(bool(self_), "a node needs an id");
  require(log_.last_term() <= hard_state_.term, "the log holds a later term than the hard state");
  require(applied_ >= log_.base() && applied_ <= log_.last_index(), "the applied index lies outside the log");
  const Configuration& members = configuration();
  const bool alone = members.voters.size() == 1 && !members.joint() && members.voters.front() == self_;
  election_deadline_ = alone ? now_ : now_ + election_timeout();
}

void Core::Impl::step(Instant now, NodeId from, Message message) {
  observe(now);
  if (from == self_) return;
  const Term term = term_of(message);
  // Votes look at stickiness and at the log before they let a term in.
  if (auto* request = std::get_if<VoteRequest>(&message)) return on(from, *request);
  if (auto* reply = std::get_if<VoteReply>(&message)) return on(from, *reply);
  if (term < hard_state_.term) return answer_old_term(from, message);
  if (term > hard_state_.term) become_follower(term, NodeId{});
  std::visit(overloaded{[](VoteRequest&) {}, [](VoteReply&) {}, [&](auto& m) { on(from, m); }}, message);
}

// A leader of an earlier term must learn that it is deposed: otherwise a node that went ahead to a higher term could
// neither follow it nor win against it (thesis 9.6; pre-vote with check-quorum). Sequence and round stay 0: they count
// within a term, and the sender may lead again by the time this answer, which carries the new term, arrives.
void Core::Impl::answer_old_term(NodeId from, const Message& message) {
  if (std::holds_alternative<AppendRequest>(message)) {
    AppendReply reply;
    reply.term = hard_state_.term;
    reply.last_index = log_.last_index();
    send(from, reply);
  } else if (std::holds_alternative<Heartbeat>(message)) {
    send(from, HeartbeatReply{hard_state_.term, 0});
  } else if (std::holds_alternative<InstallSnapshot>(message)) {
    send(from, InstallSnapshotFailed{hard_state_.term, Index{}});
  }
}

void Core::Impl::advance(Instant now) {
  observe(now);
  if (state_ == State::leader) {
    lead_until(now_);
  } else if (now_ >= election_deadline_) {
    election_timer_fired();
  }
}

void Core::Impl::enter_term(Term term) {
  require(term > hard_state_.term, "the term went back");
  hard_state_.term = term;
  hard_state_.vote = NodeId{};
  stand_until_.reset();
  hard_state_changed_ = true;
  // What they say is of an earlier term, and entries they vouch for may be replaced before they are ever written.
  deferred_.clear();
  deferred_match_ = Index{};
}

// Within a term the vote stays: forgetting it would allow a second one (thesis 3.4).
void Core::Impl::become_follower(Term term, NodeId leader) {
  const State before = state_;
  if (before == State::leader) stop_leading();
  if (term != hard_state_.term) enter_term(term);
  state_ = State::follower;
  leader_ = leader;
  ballots_.clear();
  // A plain follower's timer runs on when it merely hears of a higher term: otherwise a candidate that cannot win could
  // keep everyone else from standing.
  if (leader || before != State::follower) reset_election_timer();
}

void Core::Impl::persisted(Instant now, WriteId id) {
  observe(now);
  const Writes::Durable durable = writes_.persisted(id);
  if (durable.hard_state) durable_hard_state_ = *durable.hard_state;
  log_.persisted(durable.last);
  if (state_ == State::candidate) count_own_durable_vote();
  if (state_ == State::leader) maybe_commit();
}

void Core::Impl::applied(Instant now, Index index) {
  observe(now);
  if (index <= applied_) return;
  require(index <= handed_out_, "an entry was applied that was never handed out");
  applied_ = index;
  while (!apply_ends_.empty() && apply_ends_.front() <= index) apply_ends_.pop_front();
  stand_if_told();
}

void Core::Impl::log_compacted(Index index) {
  require(index <= applied_, "the log was compacted past the applied index");
  log_.compacted(index);
}

void Core::Impl::commit_to(Index index) {
  if (index <= commit_) return;
  require(index <= log_.last_index(), "the commit index is past the log");
  commit_ = index;
}

Output Core::Impl::take_output() {
  if (state_ == State::leader) tend_membership();
  if (state_ == State::leader) replicate();
  hand_out_committed();
  persist_changes();
  release_deferred();
  check_invariants();
  return std::exchange(out_, {});
}

void Core::Impl::hand_out_committed() {
  const Index limit = std::min(commit_, log_.durable_index());
  if (installing_ || handed_out_ >= limit || apply_ends_.size() >= kApplyBatches) return;
  out_.committed = log_.entries(handed_out_.next(), limit, options_.max_apply_bytes);
  require(!out_.committed.empty(), "committed entries were compacted before they were applied");
  handed_out_ = out_.committed.back().index;
  apply_ends_.push_back(handed_out_);
}

void Core::Impl::persist_changes() {
  if (!hard_state_changed_ && !log_.has_unwritten()) return;
  Persist persist;
  if (hard_state_changed_) persist.hard_state = hard_state_;
  hard_state_changed_ = false;
  persist.entries = log_.take_unwritten();
  persist.id = writes_.issue(log_.written(), persist.hard_state);
  out_.persist = std::move(persist);
}

void Core::Impl::release_deferred() {
  if (deferred_.empty()) return;
  WriteId after = writes_.covering_hard_state();
  if (deferred_match_ > log_.durable_index()) {
    const WriteId covering = writes_.covering(deferred_match_);
    require(bool(covering), "an acknowledged entry is neither durable nor on its way to the disk");
    after = std::max(after, covering);
  }
  auto& to = after ? out_.send_when_durable : out_.send_now;
  to.insert(to.end(), std::make_move_iterator(deferred_.begin()), std::make_move_iterator(deferred_.end()));
  out_.durable_after = after;
  deferred_.clear();
  deferred_match_ = Index{};
}

void Core::Impl::check_invariants() {
  const Vitals now{self_,       hard_state_,       state_ == State::leader,
                   log_.base(), log_.last_index(), log_.durable_index(),
                   commit_,     handed_out_,       applied_};
  if (const char* fault = broken_state(now)) fail(fault);
  if (last_vitals_)
    if (const char* fault = broken_transition(*last_vitals_, now)) fail(fault);
  last_vitals_ = now;
}

Instant Core::Impl::deadline() const {
  if (state_ != State::leader) return election_deadline_;
  Instant due = Instant::max();
  if (!tracker_.peers().empty()) due = std::min(heartbeat_due_, quorum_check_due_);
  if (transfer_target_) due = std::min(due, transfer_deadline_);
  return due;
}

Role Core::Impl::role() const {
  switch (state_) {
    case State::pre_candidate:
      return Role::pre_candidate;
    case State::candidate:
      return Role::candidate;
    case State::leader:
      return Role::leader;
    case State::follower:
      break;
  }
  return is_voter(configuration(), self_) ? Role::follower : Role::learner;
}

Status Core::Impl::status() const {
  Status s;
  s.self = self_;
  s.role = role();
  s.term = hard_state_.term;
  s.voted_for = hard_state_.vote;
  s.leader = leader_;
  s.first_index = log_.first_index();
  s.last_index = log_.last_index();
  s.durable_index = log_.durable_index();
  s.commit = commit_;
  s.applied = applied_;
  s.transfer_target = transfer_target_;
  if (state_ != State::leader) return s;
  s.read_ready = read_ready();
  if (configuration().lease_reads) s.lease = lease_end();
  for (const Progress& peer : tracker_.peers())
    s.peers.push_back({peer.id(), peer.mode(), peer.match(), peer.next(), peer.inflight(),
                       peer.active(now_, quorum_patience()), peer.rolled_back(), peer.caught_up()});
  return s;
}

Core::Core(const Options& options, const Start& start, const LogReader& log)
    : impl_(std::make_unique<Impl>(options, start, log)) {}
Core::~Core() = default;

void Core::step(Instant now, NodeId from, Message message) {
  impl_->step(now, from, std::move(message));
}
void Core::advance(Instant now) {
  impl_->advance(now);
}
std::variant<Proposed, Refusal> Core::propose(Instant now, Payload payload) {
  return impl_->propose(now, std::move(payload));
}
std::optional<Refusal> Core::read(Instant now, ReadId id) {
  return impl_->read(now, id);
}
bool Core::transfer_leadership(Instant now, NodeId target) {
  return impl_->transfer_leadership(now, target);
}
std::variant<Proposed, ChangeRefusal, ChangeFault> Core::change_membership(Instant now, const MembershipChange& change,
                                                                           const StorageIds& known) {
  return impl_->change_membership(now, change, known);
}
void Core::persisted(Instant now, WriteId id) {
  impl_->persisted(now, id);
}
void Core::applied(Instant now, Index index) {
  impl_->applied(now, index);
}
void Core::snapshot_ready(Instant now, NodeId peer, const SnapshotMeta& meta, std::string snapshot_id) {
  impl_->snapshot_ready(now, peer, meta, std::move(snapshot_id));
}
void Core::snapshot_unavailable(Instant now, NodeId peer) {
  impl_->snapshot_unavailable(now, peer);
}
void Core::snapshot_installed(Instant now, const SnapshotMeta& meta) {
  impl_->snapshot_installed(now, meta);
}
void Core::snapshot_failed(Instant now) {
  impl_->snapshot_failed(now);
}
void Core::log_compacted(Index index) {
  impl_->log_compacted(index);
}
void Core::unreachable(NodeId peer) {
  impl_->unreachable(peer);
}
void Core::disk_stalled(Instant now, bool stalled) {
  impl_->disk_stalled(now, stalled);
}
Output Core::take_output() {
  return impl_->take_output();
}
Instant Core::deadline() const {
  return impl_->deadline();
}
Status Core::status() const {
  return impl_->status();
}
Role Core::role() const {
  return impl_->role();
}
Term Core::term() const {
  return impl_->term();
}
NodeId Core::leader() const {
  return impl_->leader();
}
Index Core::commit() const {
  return impl_->commit();
}
Index Core::applied_index() const {
  return impl_->applied_index();
}
Index Core::last_index() const {
  return impl_->log().last_index();
}
const Configuration& Core::configuration() const {
  return impl_->configuration();
}
Index Core::configuration_index() const {
  return impl_->log().latest_configuration().first;
}
std::uint64_t Core::configuration_version() const {
  return impl_->log().configuration_version();
}
const Configuration& Core::committed_configuration() const {
  return impl_->committed_configuration().second;
}
Index Core::committed_configuration_index() const {
  return impl_->committed_configuration().first;
}
std::pair<Configuration, Index> Core::configuration_at(Index index) const {
  const auto& [at, configuration] = impl_->log().configuration_at(index);
  return {configuration, at};
}

}  // namespace tenaz::raft
