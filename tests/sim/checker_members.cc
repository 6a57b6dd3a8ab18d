// What must hold of configurations. Everything is counted here anew: raft/quorum and raft/membership are being tested.
#include <algorithm>
#include <set>

#include "raft/describe.h"
#include "raft/membership.h"
#include "tests/sim/checker.h"
#include "tests/sim/disk.h"
#include "tests/sim/in_force.h"

namespace tenaz::sim {
namespace {

using Ids = std::set<raft::NodeId>;

Ids set_of(const std::vector<raft::NodeId>& ids) {
  return {ids.begin(), ids.end()};
}

Ids without(const Ids& ids, const Ids& others) {
  Ids out;
  std::set_difference(ids.begin(), ids.end(), others.begin(), others.end(), std::inserter(out, out.end()));
  return out;
}

// Some group of nodes could decide by `a`, and the rest of them by `b`.
bool disjoint_majorities(const raft::Configuration& a, const raft::Configuration& b) {
  for (std::uint64_t group = 0; group < std::uint64_t{1} << kMachinesMax; ++group) {
    const auto in = [group](std::size_t node) { return (group >> node & 1) != 0; };
    const auto out = [group](std::size_t node) { return (group >> node & 1) == 0; };
    if (is_quorum(a, in) && is_quorum(b, out)) return true;
  }
  return false;
}

// Why `after` may not come next; null: it may.
const char* wrong_step(const raft::Configuration& before, const raft::Configuration& after) {
  const Ids old_voters = set_of(before.voters);
  const Ids new_voters = set_of(after.voters);
  if (new_voters.empty()) return "has no voters";
  if (before.joint() && after.joint()) return "is joint like the one before";
  if (before.joint() && new_voters != old_voters) return "ends a joint one with other voters";
  if (!before.joint() && !after.joint() && new_voters != old_voters)
    return "has other voters without a joint one before";
  if (after.joint()) {
    if (set_of(after.outgoing) != old_voters) return "leaves other voters than there were";
    const std::size_t added = without(new_voters, old_voters).size();
    const std::size_t removed = without(old_voters, new_voters).size();
    if (added > 1 || removed > 1 || added + removed == 0) return "changes more than one voter, or none";
  }
  if (!std::includes(after.retired.begin(), after.retired.end(), before.retired.begin(), before.retired.end()))
    return "forgets who was removed";
  const Ids retired = set_of(after.retired);
  Ids members;
  for (const raft::Member& member : after.members) members.insert(member.id);
  if (without(members, retired) != members) return "has a member whose id was used up";
  for (const raft::Member& member : before.members)
    if (!members.contains(member.id) && !retired.contains(member.id)) return "loses a member without a trace";
  if (disjoint_majorities(before, after)) return "could decide without anybody of the one before";
  return nullptr;
}

}  // namespace

// A copy that was acknowledged and then lost counts: a quorum of those that are left still meets all others.
bool Checker::held_by_quorum(const raft::Configuration& configuration, raft::Index index, raft::Term term) const {
  const auto holds = [&](const Disk& disk) { return disk.base >= index || disk.term(index) == term; };
  return is_quorum(configuration, [&](std::size_t node) {
    return holds(*disks_[node]) || std::any_of(lost_.begin(), lost_.end(), [&](const auto& lost) {
             return lost.first == node && holds(*lost.second);
           });
  });
}

// By the configuration that was in force when it committed: since then it may have begun the next change. What a fresh
// leader knows was perhaps committed by its predecessor, who had already left a joint configuration.
bool Checker::held_by_some_quorum(const raft::Core& leader, raft::Index index, raft::Term term, bool fresh) const {
  for (raft::Index at = leader.last_index();;) {
    const auto [configuration, begins] = leader.configuration_at(at);
    if (held_by_quorum(configuration, index, term)) return true;
    if (begins <= index) {
      return fresh && configuration.joint() && held_by_quorum(raft::left_joint(configuration), index, term);
    }
    at = begins.previous();
  }
}

// Called when a leader has appended a configuration.
void Checker::changes_one_at_a_time(std::size_t node, const raft::Core& core) {
  const Seen& seen = seen_[node];
  const raft::Index index = core.configuration_index();
  if (index < seen.configuration) return fail(node, "leads, and a configuration is gone from its log");
  const auto [before, before_index] = core.configuration_at(index.previous());
  if (before_index > core.commit()) fail(node, "begins a change before the one before is committed");
  if (const char* fault = wrong_step(before, core.configuration()))
    fail(node, "appends a configuration that " + std::string(fault) + ": " + raft::describe(before) + " -> " +
                   raft::describe(core.configuration()));
  if (seen.noop_term != core.term() || seen.noop > core.commit())
    fail(node, "changes the membership before it has committed in its own term");
}

void Checker::configuration_committed(std::size_t node, const raft::Entry& entry) {
  const auto next = raft::decode_configuration(*entry.payload);
  if (!next) return fail(node, "a configuration that was committed cannot be read");
  const raft::Configuration& before = configurations_.back().second;
  if (const char* fault = wrong_step(before, *next))
    fail(node, "applies a configuration that " + std::string(fault) + ": " + raft::describe(before) + " -> " +
                   raft::describe(*next));
  configurations_.emplace_back(entry.index, *next);
}

void Checker::change_answered(const raft::MembershipChange& change, const server::ChangeResult& result) {
  // One that has had the answer that it was removed knows no more than that.
  const bool known = result.done() && !result.configuration.members.empty();
  if (known && !raft::holds(result.configuration, change))
    world_.fail("a change is called done, and the configuration does not say so: " +
                raft::describe(result.configuration));
  if (result.done() || result.not_applied)
    change_answers_.push_back({change, result.done(), result.configuration, result.configuration_index});
}

void Checker::check_change_answers() {
  for (const ChangeAnswer& answer : change_answers_) {
    const auto* added = std::get_if<raft::AddMember>(&answer.change);
    // Each request has a name of its own.
    const auto shows_it = [added](const auto& each) {
      const raft::Member* member = raft::find_member(each.second, added->member.id);
      return member && member->name == added->member.name;
    };
    if (added && std::any_of(configurations_.begin(), configurations_.end(), shows_it) != answer.done)
      world_.fail(
          "to add " + added->member.name +
          (answer.done ? " was done, and no configuration shows it" : " was refused, and a configuration has it"));
    const auto* removed = std::get_if<raft::RemoveMember>(&answer.change);
    const auto& retired = configurations_.back().second.retired;
    if (removed && answer.done && !std::binary_search(retired.begin(), retired.end(), removed->id))
      world_.fail("to remove n" + std::to_string(removed->id.value) + " was done, and no configuration shows it");
  }
}

}  // namespace tenaz::sim
