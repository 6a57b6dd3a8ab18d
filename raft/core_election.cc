// Standing and voting (thesis 3.4, 3.6, 4.2.3, 6.2, 9.6).
#include <algorithm>

#include "raft/core_impl.h"

namespace tenaz::raft {

Duration Core::Impl::random_below(Duration bound) {
  if (bound <= Duration::zero()) return Duration::zero();
  return Duration{static_cast<Duration::rep>(random_(static_cast<std::uint64_t>(bound.count())))};
}

// Uniform in [min, 2 * min], the upper end doubling with every failed campaign, never past max.
Duration Core::Impl::election_timeout() {
  const Duration shortest = options_.election_timeout_min;
  const unsigned doublings = std::min(failed_campaigns_, 16U);
  const Duration longest = std::min<Duration>(options_.election_timeout_max, 2 * shortest * (1LL << doublings));
  return shortest + random_below(longest - shortest + Duration{1});
}

// Not while a snapshot is on its way in or the disk does not take the own vote, and not before every committed
// configuration has been applied: the votes would be counted by a configuration that the cluster has left behind. Who
// votes no more by a configuration that is not committed may be the only one that can bring it to those who do
// (thesis 4.2.2).
bool Core::Impl::may_stand() const {
  const auto& [index, committed] = committed_configuration();
  if (installing_ || disk_stalled_ || index > applied_) return false;
  return is_voter(configuration(), self_) || is_voter(committed, self_);
}

void Core::Impl::election_timer_fired() {
  if (state_ != State::follower) ++failed_campaigns_;
  if (const Duration bound = promise_remaining(self_); bound > Duration::zero()) {
    election_deadline_ = now_ + bound + random_below(options_.election_timeout_min / 2);
    return;
  }
  if (may_stand()) return stand_pre();
  leader_ = NodeId{};
  reset_election_timer();
}

// Thesis 9.6: ask first whether one could win, without entering the term.
void Core::Impl::stand_pre() {
  state_ = State::pre_candidate;
  leader_ = NodeId{};
  ballots_.clear();
  reset_election_timer();
  request_votes(hard_state_.term.next(), true, false);
  count_ballot(self_, Ballot::granted);
}

void Core::Impl::stand(bool transfer) {
  // A promise makes its giver a follower, so none has been given since it began to ask for pre-votes.
  require(transfer || promise_remaining(self_) == Duration::zero(), "a node stands against its promise");
  enter_term(hard_state_.term.next());
  hard_state_.vote = self_;
  state_ = State::candidate;
  leader_ = NodeId{};
  ballots_.clear();
  reset_election_timer();
  request_votes(hard_state_.term, false, transfer);
  // The own vote counts once it is durable: count_own_durable_vote().
}

void Core::Impl::request_votes(Term term, bool pre_vote, bool transfer) {
  const VoteRequest request{term, log_.last_index(), log_.last_term(), pre_vote, transfer};
  const Configuration& members = configuration();
  for (const Member& member : members.members) {
    if (member.id == self_ || !is_voter(members, member.id)) continue;
    if (pre_vote)
      send(member.id, request);
    else
      send_with_hard_state(member.id, request);
  }
}

void Core::Impl::count_own_durable_vote() {
  if (durable_hard_state_ == hard_state_ && ballot_of(self_) == Ballot::missing) count_ballot(self_, Ballot::granted);
}

Ballot Core::Impl::ballot_of(NodeId voter) const {
  for (const auto& [id, ballot] : ballots_)
    if (id == voter) return ballot;
  return Ballot::missing;
}

void Core::Impl::count_ballot(NodeId voter, Ballot ballot) {
  if (ballot_of(voter) != Ballot::missing) return;
  ballots_.emplace_back(voter, ballot);
  switch (quorum_vote(configuration(), [this](NodeId id) { return ballot_of(id); })) {
    case VoteResult::pending:
      return;
    case VoteResult::won:
      return state_ == State::pre_candidate ? stand(false) : become_leader();
    case VoteResult::lost:
      return campaign_failed();
  }
}

void Core::Impl::campaign_failed() {
  ++failed_campaigns_;
  become_follower(hard_state_.term, NodeId{});
}

// The voter names the moment from which it may listen; a little later, by chance, so that candidates do not meet there.
void Core::Impl::retry_when_trust_ends(Duration trust_remaining) {
  if (trust_remaining <= Duration::zero()) return;
  const Duration longest = options_.election_timeout_max;
  const Duration wait = std::min<Duration>(trust_remaining, longest);
  const unsigned doublings = std::min(failed_campaigns_, 16U);
  const Duration spread = std::min<Duration>(longest - wait, options_.election_timeout_min / 2 * (1LL << doublings));
  election_deadline_ = std::min(election_deadline_, now_ + wait + random_below(spread) + Duration{1});
}

// How much longer this node withholds votes for the sake of a leader it hears (thesis 4.2.3, 6.4.1).
Duration Core::Impl::trust_in_leader() const {
  if (state_ == State::leader) return std::max(quorum_check_due_ - now_, Duration::zero());
  if (!leader_) return Duration::zero();
  return std::max(leader_contact_ + options_.election_timeout_min - now_, Duration::zero());
}

// Thesis 3.6.1.
bool Core::Impl::log_is_current(Index last_index, Term last_term) const {
  return std::pair(last_term, last_index) >= std::pair(log_.last_term(), log_.last_index());
}

// Decided by term and log alone, whatever the own configuration says of this node or of the candidate (thesis 4.2.2).
void Core::Impl::on(NodeId from, const VoteRequest& request) {
  VoteReply reply;
  reply.campaign_term = request.term;
  reply.pre_vote = request.pre_vote;
  // A transfer needs no regard for promises: in its term the leader has given its lease up (core_lease.cc).
  if (request.term >= hard_state_.term && !request.transfer)
    reply.trust_remaining = std::max(trust_in_leader(), promise_remaining(from));
  const bool withheld = reply.trust_remaining > Duration::zero() || (request.pre_vote && disk_stalled_);
  if (request.term > hard_state_.term && !request.pre_vote && !withheld) become_follower(request.term, NodeId{});

  const bool free_to_vote =
      request.term > hard_state_.term || hard_state_.vote == from || (!hard_state_.vote && !leader_);
  reply.granted = request.term >= hard_state_.term && !withheld && free_to_vote &&
                  log_is_current(request.last_index, request.last_term);
  reply.term = request.pre_vote && reply.granted ? request.term : hard_state_.term;
  if (!reply.granted || request.pre_vote) return send(from, reply);

  if (hard_state_.vote != from) {
    hard_state_.vote = from;
    hard_state_changed_ = true;
  }
  reset_election_timer();
  send_with_hard_state(from, reply);
}

void Core::Impl::on(NodeId from, const VoteReply& reply) {
  const bool promise = reply.pre_vote && reply.granted;  // its term is one that nobody has entered
  if (!promise && reply.term > hard_state_.term) {
    become_follower(reply.term, NodeId{});
    return retry_when_trust_ends(reply.trust_remaining);
  }
  const bool ours = reply.pre_vote ? state_ == State::pre_candidate && reply.campaign_term == hard_state_.term.next()
                                   : state_ == State::candidate && reply.campaign_term == hard_state_.term;
  if (!ours) return;
  const Term campaign = hard_state_.term;
  count_ballot(from, reply.granted ? Ballot::granted : Ballot::refused);
  if (!reply.granted && hard_state_.term == campaign) retry_when_trust_ends(reply.trust_remaining);
}

// Thesis 3.10. The sender has made sure that this node's log holds everything.
void Core::Impl::on(NodeId, const TimeoutNow& message) {
  if (message.target != self_ || state_ == State::leader) return;
  // A leader that has left names its successor at once, which has yet to apply that very configuration.
  stand_until_ = now_ + options_.election_timeout_min;
  stand_if_told();
}

void Core::Impl::stand_if_told() {
  if (!stand_until_ || !may_stand()) return;
  const bool in_time = now_ <= *stand_until_;
  stand_until_.reset();
  if (in_time) stand(true);
}

}  // namespace tenaz::raft
