// Changes of the membership that clients of this node wait for: asked of the own core or of the leader, and answered
// once the own log shows them committed.
#include <algorithm>
#include <utility>

#include "server/replica.h"

namespace tenaz::server {

namespace {

// Nobody leads, or a leader has yet to commit in its term: asked again after this.
constexpr raft::Duration kChangeRetry = std::chrono::milliseconds(20);
// Voters did not answer: asked again after this, for that long.
constexpr raft::Duration kSilenceRetry = std::chrono::milliseconds(100);
constexpr raft::Duration kSilencePatience = std::chrono::seconds(1);

std::string list(const std::vector<raft::NodeId>& ids) {
  std::string out;
  for (const auto id : ids) out += (out.empty() ? "" : ", ") + std::to_string(id.value);
  return out;
}

// Which of these voters a leader would have to do without.
std::string silence(const std::vector<raft::NodeId>& voters, const raft::Status& leader) {
  std::vector<raft::NodeId> silent;
  for (const auto voter : voters) {
    const auto answers = [&](const raft::PeerStatus& peer) {
      return peer.id == voter && peer.recently_active && !peer.rolled_back;
    };
    if (voter != leader.self && std::none_of(leader.peers.begin(), leader.peers.end(), answers))
      silent.push_back(voter);
  }
  return "the voters would be " + list(voters) + ": of these " + std::to_string(voters.size() - silent.size()) +
         " answer, and " + std::to_string(voters.size() / 2 + 1) + " are needed; no answer from " + list(silent);
}

std::string distance(raft::NodeId learner, const raft::Status& leader) {
  const std::string node = "node " + std::to_string(learner.value);
  for (const auto& peer : leader.peers) {
    if (peer.id != learner) continue;
    if (!peer.recently_active) return node + " does not answer";
    if (peer.mode == raft::PeerStatus::Mode::snapshot) return node + " is still being sent an image of the state";
    const auto missing = leader.last_index.past(peer.match);
    return node +
           (missing > 0 ? " lacks " + std::to_string(missing) + " entries" : " has yet to show that it keeps up");
  }
  return {};
}

ChangeResult failed(Failure failure, bool not_applied) {
  ChangeResult out;
  out.fault = failure;
  out.not_applied = not_applied;
  return out;
}

}  // namespace

void Replica::change_membership(raft::Instant now, raft::MembershipChange change, raft::Instant deadline,
                                ChangeDone done) {
  if (draining_) return done(failed(Failure::stopping, true));
  Change waiting;
  waiting.change = std::move(change);
  waiting.deadline = deadline;
  waiting.retry = now;
  waiting.done = std::move(done);
  changes_.push_back(std::move(waiting));
  ask_for_changes(now);
}

// A change is asked for once: what was sent may have been appended.
void Replica::ask_for_changes(raft::Instant now) {
  auto waiting = std::exchange(changes_, {});
  for (auto& change : waiting) {
    if (change.step != Change::Step::waiting || change.retry > now) {
      changes_.push_back(std::move(change));
    } else if (leads()) {
      const ChangeAnswer answer = core_.change_membership(now, change.change, storage_ids_);
      const std::string detail = detail_of(answer, change.change);
      take_result(now, std::move(change), answer, detail);
    } else {
      change.id = ++last_change_id_;
      const bool asked =
          core_.leader() && ports_.transport.send(core_.leader(), ChangeRequest{boot_, change.id, change.change});
      change.step = asked ? Change::Step::asked : Change::Step::waiting;
      change.retry = now + kChangeRetry;
      change.asked_at = core_.committed_configuration_index();
      changes_.push_back(std::move(change));
    }
  }
}

// On the leader: what only it sees.
std::string Replica::detail_of(const ChangeAnswer& answer, const raft::MembershipChange& change) const {
  const auto* refusal = std::get_if<raft::ChangeRefusal>(&answer);
  if (refusal && *refusal == raft::ChangeRefusal::would_lose_quorum) {
    const auto next = raft::changed(core_.configuration(), change);
    return silence(std::get<raft::Configuration>(next).voters, core_.status());
  }
  const auto* promotion = std::get_if<raft::PromoteMember>(&change);
  if (refusal && *refusal == raft::ChangeRefusal::not_caught_up && promotion)
    return distance(promotion->id, core_.status());
  return {};
}

void Replica::take_result(raft::Instant now, Change change, const ChangeAnswer& answer, const std::string& detail) {
  if (const auto* proposed = std::get_if<raft::Proposed>(&answer)) {
    change.step = Change::Step::proposed;
    change.proposed = *proposed;
    changes_.push_back(std::move(change));
    return;
  }
  ChangeResult result;
  if (const auto* fault = std::get_if<raft::ChangeFault>(&answer)) {
    result.fault = *fault;
  } else {
    const auto refusal = std::get<raft::ChangeRefusal>(answer);
    // A new leader has yet to hear of those who are there: whoever stays silent for that long is not.
    const bool too_silent = refusal == raft::ChangeRefusal::would_lose_quorum;
    if (too_silent && !change.silent_since) change.silent_since = now;
    const raft::Instant patience = std::min(change.silent_since.value_or(now) + kSilencePatience, change.deadline);
    if (refusal == raft::ChangeRefusal::not_leader || refusal == raft::ChangeRefusal::not_ready ||
        (too_silent && now + kSilenceRetry < patience)) {
      change.step = Change::Step::waiting;
      change.retry = now + (too_silent ? kSilenceRetry : kChangeRetry);
      changes_.push_back(std::move(change));
      return;
    }
    result.fault = refusal;
  }
  result.detail = detail;
  result.configuration = core_.committed_configuration();
  result.configuration_index = core_.committed_configuration_index();
  change.done(result);
}

void Replica::on_change_request(raft::Instant now, raft::NodeId from, const ChangeRequest& message) {
  ChangeReply reply{message.boot, message.id, raft::ChangeRefusal::not_leader};
  if (!stopping_) {
    reply.result = core_.change_membership(now, message.change, storage_ids_);
    reply.detail = detail_of(reply.result, message.change);
  }
  ports_.transport.send(from, std::move(reply));
}

void Replica::on_change_reply(raft::Instant now, const ChangeReply& message) {
  if (message.boot != boot_) return;
  const auto asked = std::find_if(changes_.begin(), changes_.end(), [&](const Change& change) {
    return change.id == message.id && change.step == Change::Step::asked;
  });
  if (asked == changes_.end()) return;
  Change change = std::move(*asked);
  changes_.erase(asked);
  take_result(now, std::move(change), message.result, message.detail);
}

// Done when a configuration says so that was committed after the change was asked for, at its place or behind it. The
// leader's answer may be lost: the own log says it all the same.
bool Replica::carried_out(const Change& change) const {
  const bool late_enough = change.step == Change::Step::proposed ? core_.commit() >= change.proposed.index
                           : change.step == Change::Step::asked
                               ? core_.committed_configuration_index() > change.asked_at
                               : false;
  return late_enough && raft::holds(core_.committed_configuration(), change.change);
}

void Replica::settle_changes(raft::Instant now) {
  if (changes_.empty()) return;
  ask_for_changes(now);
  auto waiting = std::exchange(changes_, {});
  for (auto& change : waiting) {
    if (carried_out(change)) {
      ChangeResult result;
      result.configuration = core_.committed_configuration();
      result.configuration_index = core_.committed_configuration_index();
      change.done(result);
      continue;
    }
    // What is applied is durable here: before, the disk may still hold an entry of an earlier leader in its place.
    if (change.step == Change::Step::proposed && core_.applied_index() >= change.proposed.index) {
      // Another entry was committed in its place.
      const auto term = ports_.log.reader().term(change.proposed.index);
      if (term && *term != change.proposed.term) {
        change.done(failed(Failure::leader_changed, true));
        continue;
      }
    }
    if (now < change.deadline) {
      changes_.push_back(std::move(change));
    } else if (change.step == Change::Step::waiting) {
      change.done(failed(core_.leader() ? Failure::timeout : Failure::no_leader, true));
    } else {
      change.done(failed(Failure::timeout, false));
    }
  }
}

void Replica::fail_changes() {
  for (auto& change : std::exchange(changes_, {}))
    change.done(failed(Failure::stopping, change.step == Change::Step::waiting));
}

// The leader stops to replicate to whom it has removed as soon as the configuration without it is appended: so the node
// itself never sees that one.
void Replica::on_removed() {
  for (auto& change : std::exchange(changes_, {})) {
    const auto* removal = std::get_if<raft::RemoveMember>(&change.change);
    if (!removal || removal->id != self_) {
      changes_.push_back(std::move(change));
      continue;
    }
    ChangeResult result;
    result.configuration = raft::left_joint(core_.configuration());
    result.configuration_index = core_.configuration_index();
    auto& c = result.configuration;
    for (auto* ids : {&c.voters, &c.learners}) std::erase(*ids, self_);
    result.configuration = raft::left_joint(c);
    // It may have been removed before it got to know of its addition.
    auto& retired = result.configuration.retired;
    if (const auto place = std::lower_bound(retired.begin(), retired.end(), self_);
        place == retired.end() || *place != self_)
      retired.insert(place, self_);
    change.done(result);
  }
}

// The transport speaks with all who matter: those of the configuration in force, and, while that is not committed,
// those of the one before, which may come back. Nobody is told of a removal that is not committed: it may never be.
void Replica::introduce() {
  const raft::Configuration& committed = core_.committed_configuration();
  std::vector<raft::Member> members = core_.configuration().members;
  for (const auto& member : committed.members)
    if (!raft::find_member(core_.configuration(), member.id)) members.push_back(member);
  ports_.transport.set_members(members, committed.retired);
}

void Replica::note_membership() {
  const std::uint64_t version = core_.configuration_version();
  const raft::Index committed_at = core_.committed_configuration_index();
  if (version == seen_configuration_ && committed_at == seen_committed_) return;
  seen_configuration_ = version;
  seen_committed_ = committed_at;
  introduce();
  ports_.probe.members_changed(core_.configuration(), committed_at == core_.configuration_index());
  const auto& retired = core_.committed_configuration().retired;
  removed_ = std::binary_search(retired.begin(), retired.end(), self_);
}

}  // namespace tenaz::server
