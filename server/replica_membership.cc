// Changes of the membership that clients of this node wait for: asked of the own core or of the leader, and answered
// once the own log shows them committed.
#include <algorithm>
#include <utility>

#include "server/replica.h"

namespace tenaz::server {

namespace {

// Nobody leads, or a leader has yet to commit in its term: asked again after this.
constexpr raft::Duration kChangeRetry = std::chrono::milliseconds(20);

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
      take_result(now, std::move(change), core_.change_membership(now, change.change, storage_ids_));
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

void Replica::take_result(raft::Instant now, Change change, const ChangeAnswer& answer) {
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
    if (refusal == raft::ChangeRefusal::not_leader || refusal == raft::ChangeRefusal::not_ready) {
      change.step = Change::Step::waiting;
      change.retry = now + kChangeRetry;
      changes_.push_back(std::move(change));
      return;
    }
    result.fault = refusal;
  }
  result.configuration = core_.committed_configuration();
  change.done(result);
}

void Replica::on_change_request(raft::Instant now, raft::NodeId from, const ChangeRequest& message) {
  ChangeReply reply{message.boot, message.id, raft::ChangeRefusal::not_leader};
  if (!stopping_) reply.result = core_.change_membership(now, message.change, storage_ids_);
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
  take_result(now, std::move(change), message.result);
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
      change.done(result);
      continue;
    }
    if (change.step == Change::Step::proposed && core_.commit() >= change.proposed.index) {
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

// The transport speaks with all who matter: those of the configuration in force, and, while that is not committed,
// those of the one before, which may come back.
void Replica::note_membership() {
  const std::uint64_t version = core_.configuration_version();
  const raft::Index committed_at = core_.committed_configuration_index();
  if (version == seen_configuration_ && committed_at == seen_committed_) return;
  seen_configuration_ = version;
  seen_committed_ = committed_at;
  const raft::Configuration& committed = core_.committed_configuration();
  std::vector<raft::Member> members = core_.configuration().members;
  for (const auto& member : committed.members)
    if (!raft::find_member(core_.configuration(), member.id)) members.push_back(member);
  ports_.transport.set_members(members, committed.retired);
  ports_.probe.members_changed(core_.configuration(), committed_at == core_.configuration_index());
  removed_ = std::binary_search(committed.retired.begin(), committed.retired.end(), self_);
}

}  // namespace tenaz::server
