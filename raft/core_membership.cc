// Who belongs to the cluster: a leader's part (thesis 4). A configuration is in force from when it is appended, and no
// longer when it is truncated: raft/log keeps them. Votes are decided by term and log alone (core_election.cc).
#include <algorithm>

#include "raft/core_impl.h"

namespace tenaz::raft {

void Core::Impl::append_configuration(const Configuration& configuration) {
  append_own(EntryKind::configuration, make_payload(encode(configuration)));
  // A newcomer is asked for what comes just before this entry; from its answer the leader learns what it lacks.
  tracker_.update(configuration, log_.last_index(), now_);
}

bool Core::Impl::answers(NodeId voter) const {
  if (voter == self_) return true;
  const auto& peers = tracker_.peers();
  return std::any_of(peers.begin(), peers.end(), [&](const Progress& peer) {
    return peer.id() == voter && !peer.rolled_back() && peer.active(now_, quorum_patience());
  });
}

// A change that the present voters commit, and after which nothing would ever be committed again, must not begin.
bool Core::Impl::would_keep_quorum(const Configuration& next) const {
  return quorum_vote(next, [&](NodeId id) { return answers(id) ? Ballot::granted : Ballot::missing; }) ==
         VoteResult::won;
}

std::optional<ChangeRefusal> Core::Impl::try_change(const Configuration& next) {
  if (next.joint() && !would_keep_quorum(next)) return ChangeRefusal::would_lose_quorum;
  append_configuration(next);
  return std::nullopt;
}

// One at a time, and only after an entry of the own term is committed: before, a change of an earlier leader could be
// in the log of a majority and not yet counted (thesis 4.1; Ongaro's erratum of 2015).
std::variant<Proposed, ChangeRefusal, ChangeFault> Core::Impl::change_membership(Instant now,
                                                                                 const MembershipChange& change,
                                                                                 const StorageIds& known) {
  observe(now);
  if (state_ != State::leader) return ChangeRefusal::not_leader;
  if (!read_ready()) return ChangeRefusal::not_ready;
  const auto& [index, present] = log_.latest_configuration();
  if (index > commit_ || present.joint() || transfer_target_) return ChangeRefusal::in_progress;
  const auto next = changed(present, change);
  if (const auto* fault = std::get_if<ChangeFault>(&next)) return *fault;
  if (const auto* promotion = std::get_if<PromoteMember>(&change)) {
    const Progress* peer = tracker_.find(promotion->id);
    if (!peer || !peer->caught_up()) return ChangeRefusal::not_caught_up;
    // It did once, and nothing has been heard of it since.
    if (!answers(promotion->id) && would_keep_quorum(std::get<Configuration>(next)))
      return ChangeRefusal::not_caught_up;
  }
  if (const auto refusal = try_change(with_disks(std::get<Configuration>(next), known))) return *refusal;
  return Proposed{hard_state_.term, log_.last_index()};
}

// What a leader does by itself, whoever began the change: leave a joint configuration once it is committed
// (thesis 4.3), leave itself if it is no longer a member (4.2.2), promote learners that have caught up (4.2.1).
void Core::Impl::tend_membership() {
  const auto& [index, present] = log_.latest_configuration();
  if (index > commit_ || !read_ready()) return;
  if (present.joint()) return append_configuration(left_joint(present));
  if (!is_voter(present, self_)) return leave();
  if (!present.learners.empty() && !transfer_target_) promote_learners();
}

void Core::Impl::tend_catch_up(Progress& peer) {
  if (!is_voter(configuration(), peer.id())) peer.tend_catch_up(log_.last_index(), now_, options_.election_timeout_min);
}

void Core::Impl::promote_learners() {
  const Configuration present = configuration();
  for (const Member& member : present.members) {
    if (!member.promote) continue;
    const Progress* peer = tracker_.find(member.id);
    if (!peer || !peer->caught_up() || !answers(member.id)) continue;
    const auto next = changed(present, PromoteMember{member.id});
    if (!try_change(std::get<Configuration>(next))) return;
  }
}

// The last thing that it does is to name a successor, so that nobody has to wait for a timeout.
void Core::Impl::leave() {
  const Progress* successor = tracker_.best_successor(configuration(), now_, quorum_patience());
  if (successor) send(successor->id(), TimeoutNow{hard_state_.term, successor->id()});
  become_follower(hard_state_.term, NodeId{});
}

}  // namespace tenaz::raft
