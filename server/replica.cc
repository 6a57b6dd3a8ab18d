#include "server/replica.h"

#include <algorithm>
#include <utility>

#include "raft/quorum.h"

namespace tenaz::server {

namespace {

// How often nodes tell each other about room on their disks.
constexpr raft::Duration kReportInterval = std::chrono::seconds(2);
// The log kept for slow followers that still make progress never grows beyond this.
constexpr std::uint64_t kMaxRetainedLogBytes = 512ull << 20;
// Commit times are kept this far apart, and this many: lags are known to a hundredth of a second, over a minute.
constexpr raft::Duration kCommitTimeGrain = std::chrono::milliseconds(10);
constexpr std::size_t kMaxCommitTimes = 8192;

raft::Start core_start(const ReplicaStart& start) {
  return {start.self, start.hard_state, start.applied, start.configuration, start.configuration_index,
          start.now,  start.random};
}

template <class Map>
std::vector<typename Map::mapped_type> take_up_to(Map& map, const typename Map::key_type& key) {
  std::vector<typename Map::mapped_type> out;
  const auto end = map.upper_bound(key);
  for (auto it = map.begin(); it != end; ++it) out.push_back(it->second);
  map.erase(map.begin(), end);
  return out;
}

}  // namespace

Replica::Replica(const ReplicaOptions& options, const ReplicaStart& start, Ports ports)
    : options_(options),
      self_(start.self),
      boot_(start.boot),
      wall_time_ms_(start.wall_time_ms),
      storage_ids_(start.storage_ids),
      ports_(ports),
      core_(options.raft, core_start(start), ports.log.reader()),
      disk_(options.raft.disk_stall_timeout),
      revision_(start.revision),
      durable_state_(start.applied),
      next_report_(start.now + kReportInterval),
      history_clock_seen_(start.now),
      next_history_(start.now),
      seen_role_(core_.role()),
      seen_term_(core_.term()) {}

Replica::~Replica() = default;

// --- the world
// --------------------------------------------------------------------------------------------------------

void Replica::on_message(raft::Instant now, raft::NodeId from, PeerMessage message) {
  struct Visitor {
    Replica& r;
    raft::Instant now;
    raft::NodeId from;
    void operator()(raft::Message& m) { r.core_.step(now, from, std::move(m)); }
    void operator()(ForwardWrites& m) { r.on_forward(now, from, std::move(m)); }
    void operator()(ForwardRefused& m) { r.on_refused(now, from, m); }
    void operator()(ReadIndexRequest& m) { r.on_read_request(now, from, m); }
    void operator()(ReadIndexReply& m) { r.on_read_reply(now, m); }
    void operator()(NodeReport& m) {
      if (m.disk_low)
        r.peers_low_.insert(from);
      else
        r.peers_low_.erase(from);
    }
    void operator()(TransferRequest& m) {
      if (r.stopping_ || !r.core_.transfer_leadership(now, m.target))
        r.ports_.transport.send(from, TransferRefused{m.boot, m.id});
    }
    void operator()(TransferRefused& m) { r.on_transfer_refused(m); }
    void operator()(ChangeRequest& m) { r.on_change_request(now, from, m); }
    void operator()(ChangeReply& m) { r.on_change_reply(now, m); }
    // Images are moved by the host's own machinery; these never get here.
    void operator()(SnapshotRequest&) {}
    void operator()(SnapshotManifest&) {}
    void operator()(SnapshotData&) {}
  };
  std::visit(Visitor{*this, now, from}, message);
}

void Replica::on_unreachable(raft::Instant, raft::NodeId peer) {
  core_.unreachable(peer);
  if (image_source_ == peer) ports_.snapshots.hurry();
  if (question_ && question_->leader == peer) {
    unasked_reads_.insert(unasked_reads_.end(), question_->tickets.begin(), question_->tickets.end());
    question_.reset();
  }
}

void Replica::on_persisted(raft::Instant now, raft::WriteId id) {
  durable_ = std::max(durable_, id);
  disk_answered(now);
  core_.persisted(now, id);
}

void Replica::on_applied(raft::Instant now, const storage::ApplyOutcome& outcome) {
  revision_ = std::max(revision_, outcome.revision);
  for (const auto& reply : outcome.replies) {
    if (reply.origin.boot != boot_) continue;
    WriteResult result;
    result.result = reply.result;
    finish_write(now, reply.origin.sequence, result, "ok");
  }
  if (outcome.term > applied_term_) {
    // Log terms never go back and a write is only ever appended in the term it was placed in: what was placed in an
    // earlier term and has not been applied by now never will be.
    applied_term_ = outcome.term;
    for (const auto sequence : waiters_.writes_placed_before(outcome.term))
      fail_write(now, sequence, Failure::no_leader, true);
  }
  core_.applied(now, outcome.index);
  for (const auto ticket : take_up_to(reads_behind_, outcome.index)) finish_read(now, ticket, std::nullopt);
  for (const auto ticket : take_up_to(revisions_behind_, revision_)) finish_read(now, ticket, std::nullopt);
}

void Replica::on_durable_state(raft::Instant now, raft::Index index) {
  durable_state_ = std::max(durable_state_, index);
  compact_log(now);
}

void Replica::on_log_compacted(raft::Instant, raft::Index index) {
  compacting_ = false;
  core_.log_compacted(index);
}

void Replica::on_image(raft::Instant now, raft::NodeId peer, raft::Index index, raft::Term term,
                       const std::string& id) {
  if (!leads()) return;
  // Behind an image that the log does not reach back to, nothing could be sent; nor is it known who the members were.
  const bool too_old = index.next() < ports_.log.reader().first_index();
  if (id.empty() || too_old) {
    images_.erase(peer);
    core_.snapshot_unavailable(now, peer);
    return;
  }
  const auto [configuration, configuration_index] = core_.configuration_at(index);
  images_[peer] = index;
  core_.snapshot_ready(now, peer, raft::SnapshotMeta{index, term, configuration, configuration_index}, id);
}

void Replica::on_installed(raft::Instant now, const raft::SnapshotMeta& meta, storage::Revision revision) {
  // What was skipped over cannot be told: a write that waits may be part of the snapshot.
  for (const auto sequence : waiters_.all_writes()) {
    const auto* write = waiters_.find_write(sequence);
    if (write->placed_in && write->placed_in <= meta.term) fail_write(now, sequence, Failure::leader_changed, false);
  }
  image_source_ = {};
  revision_ = std::max(revision_, revision);
  applied_term_ = std::max(applied_term_, meta.term);
  durable_state_ = std::max(durable_state_, meta.index);
  core_.snapshot_installed(now, meta);
  ports_.probe.snapshot_installed(meta.index);
  for (const auto ticket : take_up_to(reads_behind_, meta.index)) finish_read(now, ticket, std::nullopt);
  for (const auto ticket : take_up_to(revisions_behind_, revision_)) finish_read(now, ticket, std::nullopt);
}

void Replica::on_install_failed(raft::Instant now) {
  image_source_ = {};
  core_.snapshot_failed(now);
}

void Replica::on_disk_low(raft::Instant now, bool low) {
  if (low == disk_low_) return;
  disk_low_ = low;
  reclaimed_at_.reset();
  report_disk(now);
}

void Replica::tick(raft::Instant now) {
  watch_disk(now);
  core_.advance(now);
  expire(now);
  if (retry_forward_ && *retry_forward_ <= now) retry_forward_.reset();
  if (retry_propose_ && *retry_propose_ <= now) retry_propose_.reset();
  if (next_report_ <= now) {
    report_disk(now);
    reclaim_space(now);
    compact_history(now);
    compact_log(now);
  }
}

raft::Instant Replica::deadline() const {
  raft::Instant next = std::min({core_.deadline(), next_report_, disk_watch_due()});
  if (const auto waiting = waiters_.next_deadline()) next = std::min(next, *waiting);
  if (retry_forward_) next = std::min(next, *retry_forward_);
  if (retry_propose_) next = std::min(next, *retry_propose_);
  if (question_) next = std::min(next, question_->retry);
  for (const auto& transfer : transfers_) next = std::min(next, transfer.deadline);
  for (const auto& change : changes_)
    next = std::min(next,
                    change.step == Change::Step::waiting ? std::min(change.retry, change.deadline) : change.deadline);
  return next;
}

// --- effects
// ----------------------------------------------------------------------------------------------------------

// The one place that decides what happens before what. The core's output says it field by field (raft/output.h):
//   1. messages that promise nothing of this node's disk leave at once;
//   2. votes, terms and entries go to the log writer;
//   3. messages that rest on them wait in held_ until on_persisted() has reported that write;
//   4. what is committed and durable here goes to the applier, and clients are answered only from on_applied().
void Replica::carry_out(raft::Instant now) {
  while (!held_.empty() && held_.front().after <= durable_) {
    ports_.transport.send(held_.front().envelope.to, PeerMessage(std::move(held_.front().envelope.message)));
    held_.pop_front();
  }
  place_writes(now);
  ask_reads(now);
  for (raft::Output output = core_.take_output(); !output.empty(); output = core_.take_output()) {
    perform(now, std::move(output));
    note_transitions(now);
    place_writes(now);
    ask_reads(now);
  }
  note_transitions(now);
  settle_transfers(now);
  settle_changes(now);
}

void Replica::perform(raft::Instant now, raft::Output output) {
  if (output.persist) {
    issued_ = output.persist->id;
    disk_.asked(now);
    ports_.log.write(std::move(*output.persist));
  }
  for (auto& envelope : output.send_now) ports_.transport.send(envelope.to, PeerMessage(std::move(envelope.message)));
  for (auto& envelope : output.send_when_durable) {
    if (output.durable_after <= durable_)
      ports_.transport.send(envelope.to, PeerMessage(std::move(envelope.message)));
    else
      held_.push_back({output.durable_after, std::move(envelope)});
  }
  if (!output.committed.empty()) ports_.state.apply(std::move(output.committed));

  for (const auto& read : output.reads_confirmed) {
    const auto node = asked_of_core_.extract(read.id.value);
    if (node.empty()) continue;
    const ReadGroup& group = node.mapped();
    if (read.by_lease) ports_.probe.lease_reads(group.tickets.size() + (group.remote ? 1 : 0));
    if (group.remote)
      ports_.transport.send(group.remote, ReadIndexReply{group.remote_boot, group.remote_id, true, read.index});
    for (const auto ticket : group.tickets) read_when_applied(now, ticket, read.index);
  }
  for (const auto id : output.reads_failed) {
    const auto node = asked_of_core_.extract(id.value);
    if (node.empty()) continue;
    const ReadGroup& group = node.mapped();
    if (group.remote)
      ports_.transport.send(group.remote, ReadIndexReply{group.remote_boot, group.remote_id, false, {}});
    unasked_reads_.insert(unasked_reads_.end(), group.tickets.begin(), group.tickets.end());
  }
  if (output.install) {
    image_source_ = output.install->from;
    ports_.probe.snapshot_installing(output.install->from, output.install->meta.index);
    ports_.snapshots.install(*output.install);
  }
  for (const auto peer : output.snapshots_wanted) {
    ports_.probe.snapshot_wanted(peer);
    // The image will stand here or later: what follows must still be in the log when the peer has it.
    images_[peer] = core_.applied_index();
    ports_.snapshots.make_image(peer);
  }
  for (const auto peer : output.rolled_back) {
    ports_.probe.peer_rolled_back(peer);
    ports_.log.distrust(peer);
  }
}

// `now`: the term that this node is in after it led seen_term_.
const char* Replica::why_stepped_down(raft::Term now) const {
  if (disk_.stalled()) return "disk_stalled";
  if (now > seen_term_) return "higher_term";
  return raft::find_member(core_.configuration(), self_) ? "lost_quorum" : "removed";
}

void Replica::note_transitions(raft::Instant now) {
  note_membership();
  const raft::Role role = core_.role();
  const raft::Term term = core_.term();
  const bool moved = role != seen_role_ || term != seen_term_ || core_.leader() != seen_leader_;
  if (role != seen_role_ || term != seen_term_) {
    const bool was_candidate = seen_role_ == raft::Role::candidate;
    if (was_candidate) ports_.probe.election_ended(role == raft::Role::leader, seen_term_);
    if (seen_role_ == raft::Role::leader) ports_.probe.stepped_down(seen_term_, why_stepped_down(term));
    if (role == raft::Role::candidate || role == raft::Role::pre_candidate)
      ports_.probe.election_started(term, role == raft::Role::pre_candidate);
    if (role != seen_role_) ports_.probe.role_changed(role, term);
    if (role == raft::Role::leader) commit_times_.clear();
    if (role != raft::Role::leader) {
      images_.clear();
      heard_.clear();
    }
    seen_role_ = role;
    seen_term_ = term;
  }
  if (core_.leader() != seen_leader_) {
    seen_leader_ = core_.leader();
    ports_.probe.leader_changed(seen_leader_, term);
    // Another leader cannot bring this node on before the install has ended.
    if (image_source_ && seen_leader_ && seen_leader_ != image_source_) ports_.snapshots.hurry();
    retry_forward_.reset();
    if (question_) {
      unasked_reads_.insert(unasked_reads_.end(), question_->tickets.begin(), question_->tickets.end());
      question_.reset();
    }
    report_disk(now);
    place_writes(now);
    ask_reads(now);
  }
  if (moved) ports_.probe.standing_changed(role, term, seen_leader_);
  if (role == raft::Role::leader) {
    const raft::Index commit = core_.commit();
    if (commit_times_.empty() ||
        (commit > commit_times_.back().first && now - commit_times_.back().second >= kCommitTimeGrain)) {
      commit_times_.emplace_back(commit, now);
      if (commit_times_.size() > kMaxCommitTimes) commit_times_.pop_front();
    } else {
      commit_times_.back().first = commit;
    }
  }
}

// Only what the state machine holds durably may leave the log, and enough stays for followers that are a little behind:
// the retained bytes, everything behind an image that is being sent, and, within bounds, what a follower misses that is
// slow, or went away not long ago.
void Replica::compact_log(raft::Instant now) {
  if (compacting_) return;
  raft::Index limit = std::min(durable_state_, core_.applied_index());
  std::vector<std::pair<raft::NodeId, raft::Index>> overtaken;  // whose images the log will not reach back to
  if (leads()) {
    const bool may_wait = !disk_low_ && ports_.log.bytes() < kMaxRetainedLogBytes;
    for (const auto& peer : core_.status().peers) {
      if (peer.mode == raft::PeerStatus::Mode::snapshot) {
        if (const auto image = images_.find(peer.id); image != images_.end()) {
          if (may_wait)
            limit = std::min(limit, image->second);
          else
            overtaken.emplace_back(peer.id, image->second);
        }
        continue;
      }
      images_.erase(peer.id);
      if (peer.recently_active) heard_[peer.id] = now;
      const auto heard = heard_.find(peer.id);
      const bool waits = heard != heard_.end() && now - heard->second <= options_.log_retain_time;
      if ((peer.recently_active || waits) && may_wait && peer.match) limit = std::min(limit, peer.match);
    }
  }
  const raft::Index target = ports_.log.compaction_target(limit);
  if (target < ports_.log.reader().first_index()) return;
  for (const auto& [peer, image] : overtaken) {
    if (image >= target) continue;
    images_.erase(peer);
    ports_.probe.image_overtaken(peer, image);
  }
  compacting_ = true;
  auto [configuration, configuration_index] = core_.configuration_at(target);
  ports_.log.compact(target, std::move(configuration), configuration_index);
}

// --- disk space
// -------------------------------------------------------------------------------------------------------

bool Replica::puts_have_room() const {
  if (disk_low_) return false;
  const auto majority_has_room = [&](const std::vector<raft::NodeId>& voters) {
    const auto low = std::count_if(voters.begin(), voters.end(), [&](auto id) { return peers_low_.contains(id); });
    return 2 * (voters.size() - static_cast<std::size_t>(low)) > voters.size();
  };
  const auto& configuration = core_.configuration();
  return majority_has_room(configuration.voters) &&
         (!configuration.joint() || majority_has_room(configuration.outgoing));
}

void Replica::report_disk(raft::Instant now) {
  next_report_ = now + kReportInterval;
  for (const auto& member : core_.configuration().members)
    if (member.id != self_) ports_.transport.send(member.id, NodeReport{disk_low_});
}

// --- status
// -----------------------------------------------------------------------------------------------------------

NodeStatus Replica::status(raft::Instant now) const {
  NodeStatus out;
  out.raft = core_.status();
  out.revision = revision_;
  out.configuration = core_.configuration();
  out.committed_configuration = core_.committed_configuration();
  out.committed_configuration_index = core_.committed_configuration_index();
  out.lease_held = out.raft.read_ready && out.raft.lease && now < *out.raft.lease;
  out.disk_low = disk_low_;
  out.disk_stalled = disk_.stalled();
  out.stopping = draining_;
  std::vector<raft::NodeId> answering{self_};
  for (const auto& member : out.configuration.members) {
    if (member.id == self_) continue;
    PeerView view;
    view.id = member.id;
    view.address = member.peer;
    for (const auto& peer : out.raft.peers) {
      if (peer.id != member.id) continue;
      view.match_index = peer.match;
      view.lag_entries = out.raft.commit.past(peer.match);
      if (view.lag_entries > 0) {
        const auto first = std::find_if(commit_times_.begin(), commit_times_.end(),
                                        [&](const auto& sample) { return sample.first > peer.match; });
        const auto since = first == commit_times_.end() ? now : first->second;
        view.lag_seconds = std::chrono::duration<double>(now - since).count();
      }
      view.active = peer.recently_active;
      if (peer.recently_active) answering.push_back(peer.id);
    }
    out.peers.push_back(std::move(view));
  }
  const auto ballot = [&](raft::NodeId id) {
    const bool answers = std::find(answering.begin(), answering.end(), id) != answering.end();
    return answers ? raft::Ballot::granted : raft::Ballot::missing;
  };
  out.quorum_reachable = leads() ? raft::quorum_vote(out.configuration, ballot) == raft::VoteResult::won
                                 : static_cast<bool>(core_.leader());
  return out;
}

}  // namespace tenaz::server
