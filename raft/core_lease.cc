// Leases (thesis 6.4.1, lease.h): what a voter promises and keeps, and what a leader may conclude from it.
//
// Why a lease is over before another leader is elected: the other needs a quorum's votes, one of them of a voter whose
// promise the lease counts on. That voter votes for another only
//   - after its promise, and so after the lease, by the drift bound;
//   - after a restart, once it has waited as long as it can have promised: HardState::promise is durable before the
//     answer leaves that promises more;
//   - at once for a transfer, into term T + 1 only: TimeoutNow is bound to the term T, whose leader gives its lease up
//     for good before it sends one. Leaders of earlier terms have no lease since the leader of T was elected. So it
//     does not matter how late such a message arrives, or whether the transfer was given up.
// Voters keep their promises whatever the configuration says by then; a leader counts on them only while the
// configuration in force allows it, and by the quorums of that configuration.
#include <algorithm>

#include "raft/core_impl.h"

namespace tenaz::raft {

// The answer that carries it waits for the hard state of this moment to be durable.
Duration Core::Impl::promise_to(NodeId leader) {
  const bool on = configuration().lease_reads;
  const Duration length = on ? options_.election_timeout_min : Duration::zero();
  // Only what is kept no more is forgotten.
  const bool kept = now_ < (on ? old_promises_end_ : promised_until_);
  if (length > hard_state_.promise || (length < hard_state_.promise && !kept)) {
    hard_state_.promise = length;
    hard_state_changed_ = true;
  }
  if (!on) return length;
  // That `leader` leads shows that no earlier one has a lease any more.
  promised_to_ = leader;
  promised_until_ = std::max(promised_until_, now_ + length);
  return length;
}

// For how long this node must not vote for `candidate`, itself included.
Duration Core::Impl::promise_remaining(NodeId candidate) const {
  if (candidate == promised_to_) return Duration::zero();
  return std::max(promised_until_ - now_, Duration::zero());
}

void Core::Impl::take_promise(Progress& peer, const HeartbeatReply& reply) {
  if (reply.promise <= Duration::zero()) return;
  if (const std::optional<Instant> sent = round_times_.started_at(reply.round))
    peer.promised(*sent + usable(std::min(reply.promise, kLongestPromise)));
}

// To itself this node has promised for as long as it leads.
Instant Core::Impl::lease_end() const {
  return lease_given_up_ ? Instant{} : tracker_.quorum_promised(configuration(), Instant::max());
}

// The moment that is judged is now_: no other leader has been elected by then, so everything that anybody was told to
// be written is at or below commit_. It lies between the read's arrival and its answer, and so it does not matter how
// much later, after a pause for example, the state is read: that only shows more.
bool Core::Impl::lease_holds() const {
  return configuration().lease_reads && read_ready() && now_ < lease_end();
}

}  // namespace tenaz::raft
