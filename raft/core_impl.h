// The inside of Core. Private to core*.cc, which hold its parts: dispatch and output (core.cc), standing and voting
// (core_election.cc), leading (core_leader.cc), its lease and the promises that it rests on (core_lease.cc), who
// belongs to it (core_membership.cc), following (core_follower.cc), a stalled disk (core_stall.cc).
#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "raft/core.h"
#include "raft/invariants.h"
#include "raft/lease.h"
#include "raft/log.h"
#include "raft/quorum.h"
#include "raft/read_index.h"
#include "raft/tracker.h"
#include "raft/writes.h"

namespace tenaz::raft {

class Core::Impl {
 public:
  Impl(const Options& options, const Start& start, const LogReader& log);

  // --- core.cc: inputs, output, term rules --------------------------------------------------------------------------
  void step(Instant now, NodeId from, Message message);
  void advance(Instant now);
  void persisted(Instant now, WriteId id);
  void applied(Instant now, Index index);
  void log_compacted(Index index);
  Output take_output();
  Instant deadline() const;
  Status status() const;
  Role role() const;

  // --- core_leader.cc -----------------------------------------------------------------------------------------------
  std::variant<Proposed, Refusal> propose(Instant now, Payload payload);
  std::optional<Refusal> read(Instant now, ReadId id);
  bool transfer_leadership(Instant now, NodeId target);
  void snapshot_ready(Instant now, NodeId peer, const SnapshotMeta& meta, std::string snapshot_id);
  void snapshot_unavailable(Instant now, NodeId peer);
  void unreachable(NodeId peer);

  // --- core_membership.cc -------------------------------------------------------------------------------------------
  std::variant<Proposed, ChangeRefusal, ChangeFault> change_membership(Instant now, const MembershipChange& change,
                                                                       const StorageIds& known);

  // --- core_follower.cc ---------------------------------------------------------------------------------------------
  void snapshot_installed(Instant now, const SnapshotMeta& meta);
  void snapshot_failed(Instant now);

  // --- core_stall.cc ------------------------------------------------------------------------------------------------
  void disk_stalled(Instant now, bool stalled);

  const Log& log() const { return log_; }
  Term term() const { return hard_state_.term; }
  NodeId leader() const { return leader_; }
  Index commit() const { return commit_; }
  Index applied_index() const { return applied_; }
  const Configuration& configuration() const { return log_.latest_configuration().second; }
  const std::pair<Index, Configuration>& committed_configuration() const { return log_.configuration_at(commit_); }

 private:
  enum class State { follower, pre_candidate, candidate, leader };

  // --- core.cc ------------------------------------------------------------------------------------------------------
  void observe(Instant now) { now_ = std::max(now_, now); }
  void become_follower(Term term, NodeId leader);
  void enter_term(Term term);
  void answer_old_term(NodeId from, const Message& message);
  void send(NodeId to, Message message) { out_.send_now.push_back({to, std::move(message)}); }
  // Leaves only when the hard state of this moment is durable.
  void send_with_hard_state(NodeId to, Message message) { deferred_.push_back({to, std::move(message)}); }
  void commit_to(Index index);
  void hand_out_committed();
  void persist_changes();
  void release_deferred();
  void check_invariants();

  // --- core_election.cc ---------------------------------------------------------------------------------------------
  Duration election_timeout();
  Duration random_below(Duration bound);
  void reset_election_timer() { election_deadline_ = now_ + election_timeout(); }
  bool may_stand() const;
  void election_timer_fired();
  void stand_pre();
  void stand(bool transfer);
  void stand_if_told();
  void request_votes(Term term, bool pre_vote, bool transfer);
  void campaign_failed();
  void retry_when_trust_ends(Duration trust_remaining);
  void count_ballot(NodeId voter, Ballot ballot);
  Ballot ballot_of(NodeId voter) const;
  void count_own_durable_vote();
  Duration trust_in_leader() const;
  bool log_is_current(Index last_index, Term last_term) const;
  void on(NodeId from, const VoteRequest& request);
  void on(NodeId from, const VoteReply& reply);
  void on(NodeId from, const TimeoutNow& message);

  // --- core_leader.cc -----------------------------------------------------------------------------------------------
  void become_leader();
  void stop_leading();
  bool read_ready() const { return commit_ >= term_start_; }
  void append_own(EntryKind kind, Payload payload);
  void maybe_commit();
  void lead_until(Instant now);
  void check_quorum();
  Duration quorum_patience() const;
  void start_round();
  void confirm_reads();
  void replicate();
  void replicate_to(Progress& peer);
  bool append_to(Progress& peer, bool with_entries);
  void announce_snapshot(Progress& peer);
  void tend_snapshot(Progress& peer);
  void hand_over_when_ready();
  void on(NodeId from, const AppendReply& reply);
  void on(NodeId from, const HeartbeatReply& reply);
  void on(NodeId from, const InstallSnapshotFailed& message);
  Index where_logs_may_agree(const AppendReply& refusal) const;

  // --- core_lease.cc ------------------------------------------------------------------------------------------------
  Duration promise_to(NodeId leader);
  Duration promise_remaining(NodeId candidate) const;
  void take_promise(Progress& peer, const HeartbeatReply& reply);
  Instant lease_end() const;
  bool lease_holds() const;

  // --- core_membership.cc -------------------------------------------------------------------------------------------
  void append_configuration(const Configuration& configuration);
  bool answers(NodeId voter) const;
  bool would_keep_quorum(const Configuration& configuration) const;
  std::optional<ChangeRefusal> try_change(const Configuration& next);
  void tend_membership();
  void tend_catch_up(Progress& peer);
  void promote_learners();
  void leave();

  // --- core_stall.cc ------------------------------------------------------------------------------------------------
  bool others_can_commit() const;
  void leave_to_others();
  void transfer_in_vain();
  Instant disks_due() const;

  // --- core_follower.cc ---------------------------------------------------------------------------------------------
  void heard_leader(NodeId from);
  void on(NodeId from, AppendRequest& request);
  void on(NodeId from, const Heartbeat& message);
  void on(NodeId from, InstallSnapshot& message);
  void append_new(std::vector<Entry>& entries);
  void accept(NodeId to, std::uint64_t sequence, Index match);
  void refuse(NodeId to, const AppendRequest& request);

  const Options options_;
  const NodeId self_;
  const std::function<std::uint64_t(std::uint64_t)> random_;
  Instant now_;

  // Everyone's state.
  State state_ = State::follower;
  HardState hard_state_;
  bool hard_state_changed_ = false;  // since the last write was issued
  HardState durable_hard_state_;
  Log log_;
  Writes writes_;
  NodeId leader_;
  Index commit_;
  Index applied_;
  Index handed_out_;              // for apply; applied_ <= handed_out_ <= min(commit_, durable)
  std::deque<Index> apply_ends_;  // last indexes of the batches that were handed out and are not applied
  Instant election_deadline_;     // followers and candidates
  bool disk_stalled_ = false;
  Instant disk_stalled_at_;  // since when, if it is

  // What this voter has promised: until then it votes for nobody but promised_to_ (0: to whom, it has forgotten).
  NodeId promised_to_;
  Instant promised_until_;
  const Instant old_promises_end_;  // those of earlier processes of this node

  // A follower's. `leader_contact_` has a meaning while leader_ is set.
  Instant leader_contact_;
  std::optional<Output::Install> installing_;
  std::optional<Instant> stand_until_;  // told by TimeoutNow in this term to stand: as soon as it may, until then

  // A candidate's.
  std::vector<std::pair<NodeId, Ballot>> ballots_;
  unsigned failed_campaigns_ = 0;

  // A leader's.
  Tracker tracker_;
  ReadIndex reads_;
  Index term_start_;  // of the no-op that opened the term
  std::uint64_t round_ = 0;
  RoundTimes round_times_;
  bool lease_given_up_ = false;  // for the rest of the term
  Instant heartbeat_due_;
  Instant quorum_check_due_;
  std::deque<std::size_t> uncommitted_costs_;  // of entries [term_start_, last], less the committed ones
  std::size_t uncommitted_bytes_ = 0;
  NodeId transfer_target_;
  Instant transfer_deadline_;
  Instant timeout_now_sent_;  // epoch: not yet
  bool leaving_ = false;      // the transfer is on account of the stalled disk

  // What take_output() will return. `deferred_` depends on the hard state and on entries up to `deferred_match_`.
  Output out_;
  std::vector<Envelope> deferred_;
  Index deferred_match_;
  std::optional<Vitals> last_vitals_;
};

}  // namespace tenaz::raft
