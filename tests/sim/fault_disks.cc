// Faults of disks.
//
// What the cluster must survive: disks that stall, are slow, fail a sync (the node stops), or turn out to be damaged
// when they are read; and of a minority of the nodes at a time, states that are gone or damaged (fetched from another
// node), of a minority ever, logs that are damaged and disks that are emptied or put back to an earlier copy of
// themselves.
//
// What no one can survive, and is not done: a disk put back to a copy that no node in reach knows to be old, and empty
// disks of a majority of the founders, who then found an empty cluster, and answer for it until they meet one of the
// rest.
#include <algorithm>

#include "raft/membership.h"
#include "tests/sim/faults.h"

namespace tenaz::sim {

bool Faults::strike_disk(Fault& fault) {
  Machine& node = machine(fault);
  Random& random = fault.random;
  switch (fault.kind) {
    case FaultKind::disk_stall:
      note(fault, node_name(fault.node) + "'s disk stalls");
      node.log().stall(world_.now() + lasting(random));
      return true;
    case FaultKind::slow_disk:
      note(fault, node_name(fault.node) + "'s disk is slow");
      node.log().slow_down(random.between(milliseconds(5), milliseconds(300)));
      later(fault, lasting(random));
      return true;
    case FaultKind::slow_apply:
      note(fault, node_name(fault.node) + " applies slowly");
      node.applier().slow_down(random.between(milliseconds(5), milliseconds(500)));
      later(fault, lasting(random));
      return true;
    case FaultKind::fsync_error:
      note(fault, node_name(fault.node) + "'s next sync fails");
      node.log().fail_next_sync();
      return true;
    case FaultKind::disk_low:
      note(fault, node_name(fault.node) + " has little room left");
      node.set_disk_low(true);
      later(fault, lasting(random));
      return true;
    case FaultKind::corrupt_log:
      return break_log(fault);
    case FaultKind::corrupt_state:
      if (!may_lose_state(fault.node)) return false;
      note(fault, node_name(fault.node) + "'s state is damaged");
      node.corrupt_state(random);
      return true;
    case FaultKind::lose_state:
      if (!may_lose_state(fault.node)) return false;
      note(fault, node_name(fault.node) + " loses power and its state");
      node.lose_state_at_crash();
      crash(fault.node, random);
      return true;
    case FaultKind::empty_disk:
      return empty_disk(fault);
    default:
      if (!may_write_off(fault.node)) return false;
      copy_disk(fault);
      return true;
  }
}

void Faults::disk_goes_on(Fault& fault) {
  switch (fault.kind) {
    case FaultKind::slow_disk:
      if (same_life(fault)) machine(fault).log().slow_down({});
      return;
    case FaultKind::slow_apply:
      if (same_life(fault)) machine(fault).applier().slow_down({});
      return;
    case FaultKind::disk_low:
      if (same_life(fault)) machine(fault).set_disk_low(false);
      return;
    case FaultKind::put_back_disk:
      return put_back(fault);
    case FaultKind::step_back_disk:
      return step_back(fault);
    default:
      return;
  }
}

bool Faults::may_lose_state(std::size_t node) const {
  // What an operator has asked for may change who is needed.
  if (!operators_.quiet()) return false;
  const auto others = [this, node](std::size_t other) { return other != node && reliable(other); };
  for (raft::Configuration each : configurations()) {
    if (!is_quorum(each, others)) return false;
    // It may just be becoming a voter.
    const raft::Member* member = raft::find_member(each, node_id(node));
    if (member == nullptr || !member->promote) continue;
    std::erase(each.voters, member->replaces);
    each.voters.push_back(member->id);
    if (!is_quorum(each, others)) return false;
  }
  return true;
}

bool Faults::may_write_off(std::size_t node) const {
  return !machines_[node]->written_off() && may_lose_state(node);
}

void Faults::write_off(std::size_t node) {
  machines_[node]->write_off();
}

bool Faults::break_log(Fault& fault) {
  const Disk& disk = machine(fault).disk();
  if (!may_write_off(fault.node) || disk.log.empty()) return false;
  const raft::Index broken = disk.base + fault.random.between(1, disk.log.size());
  note(fault, node_name(fault.node) + "'s log is damaged at " + std::to_string(broken.value));
  machine(fault).break_log(broken, fault.random);
  write_off(fault.node);
  if (!machine(fault).up()) restart_later(fault.node, fault.random);
  return true;
}

// Only a disk that all others have met: one that nobody knows can be replaced by another one unseen.
bool Faults::empty_disk(Fault& fault) {
  const bool founder = fault.node < scenario_.nodes;
  if (founder && 2 * (founders_emptied_ + 1) > scenario_.nodes) return false;
  if (!may_write_off(fault.node) || !identities_.known_to_all(fault.node, who_may_vote())) return false;
  note(fault, node_name(fault.node) + " loses power, and all that is on its disk");
  machine(fault).crash();
  checker_.disk_is_lost(fault.node);
  machine(fault).empty_disk();
  if (founder) ++founders_emptied_;
  write_off(fault.node);
  restart_later(fault.node, fault.random);
  return true;
}

// First a copy is made. For put_back_disk the node then starts at least once more, so that the others can know the copy
// for what it is; for step_back_disk it does not.
void Faults::copy_disk(Fault& fault) {
  note(fault, "a copy is made of " + node_name(fault.node) + "'s disk");
  fault.copy = machine(fault).copy_of_disk();
  fault.copied_identity = identities_.of(fault.node);
  if (fault.kind == FaultKind::put_back_disk) crash(fault.node, fault.random);
  later(fault, fault.random.between(milliseconds(200), milliseconds(5000)));
}

void Faults::put_back(Fault& fault) {
  const bool noticed = identities_.known_to_all(fault.node, who_may_vote()) &&
                       identities_.of(fault.node).boots.size() > fault.copied_identity.boots.size();
  if (!noticed && ++fault.stage < 8) return later(fault, milliseconds(1000));
  if (!noticed || !may_write_off(fault.node)) return;
  note(fault, node_name(fault.node) + " loses power, and its disk goes back to the copy");
  if (machine(fault).up()) machine(fault).crash();
  checker_.disk_is_lost(fault.node);
  machine(fault).put_back(*fault.copy);
  identities_.put_back(fault.node, fault.copied_identity);
  write_off(fault.node);
  restart_later(fault.node, fault.random);
}

// A copy of the present start: nobody can tell by the starts. What it lost must not matter, then; a leader to which
// this node acknowledged it notices all the same, and distrusts the disk.
void Faults::step_back(Fault& fault) {
  if (!same_life(fault) || !may_write_off(fault.node) || !others_hold_what_is_lost(fault)) return;
  note(fault, node_name(fault.node) + " loses power, and its disk goes back a step");
  machine(fault).crash();
  checker_.disk_is_lost(fault.node);
  machine(fault).put_back(*fault.copy);
  write_off(fault.node);
  restart_later(fault.node, fault.random);
}

bool Faults::others_hold_what_is_lost(const Fault& fault) const {
  const Disk& now = machines_[fault.node]->disk();
  if (now.hard_state != fault.copy->hard_state || now.base != fault.copy->base) return false;
  for (raft::Index index = fault.copy->last_index().next(); index <= now.last_index(); index = index.next()) {
    const auto holds = [&](std::size_t other) {
      const Disk& disk = machines_[other]->disk();
      return other != fault.node && sound(other) && (disk.base >= index || disk.term(index) == now.term(index));
    };
    for (const raft::Configuration& each : configurations())
      if (!is_quorum(each, holds)) return false;
  }
  return true;
}

}  // namespace tenaz::sim
