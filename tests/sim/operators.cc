#include "tests/sim/operators.h"

#include <algorithm>

#include "raft/membership.h"

namespace tenaz::sim {
namespace {

constexpr std::size_t kVotersMax = 7;
constexpr std::uint64_t kNobody = 99;
// A question can lie with a frozen leader, or on a slow way to it, for this long after its asker has given up.
constexpr raft::Duration kLate = seconds(12);

std::string text_of(const raft::MembershipChange& change) {
  if (const auto* added = std::get_if<raft::AddMember>(&change))
    return "add " + added->member.name + (added->member.promote ? "" : " to learn") +
           (added->member.replaces ? " for n" + std::to_string(added->member.replaces.value) : "");
  if (const auto* promoted = std::get_if<raft::PromoteMember>(&change))
    return "promote n" + std::to_string(promoted->id.value);
  if (const auto* removed = std::get_if<raft::RemoveMember>(&change))
    return "remove n" + std::to_string(removed->id.value);
  return std::get<raft::SetLeaseReads>(change).on ? "turn lease reads on" : "turn lease reads off";
}

}  // namespace

bool Operators::ask(std::size_t node, Random& random) {
  bool asked = ask_for(node, random);
  // One at a time, the others are refused.
  while (random.chance(300)) {
    const auto other = static_cast<std::size_t>(random.below(machines_.size()));
    if (machines_[other]->running()) asked |= ask_for(other, random);
  }
  return asked;
}

bool Operators::ask_for(std::size_t node, Random& random) {
  const auto change = draw(checker_.last_configuration().second, random);
  if (!change) return false;
  const std::size_t request = happens_until_.size();
  const raft::Duration patience = random.between(milliseconds(200), milliseconds(5000));
  happens_until_.push_back(world_.now() + patience + kLate);
  world_.note(node_name(node) + " is asked to " + text_of(*change));
  clients_.change(node, *change, patience, [this, request, change = *change](const server::ChangeResult& result) {
    answered(request, change, result);
  });
  return true;
}

void Operators::answered(std::size_t request, const raft::MembershipChange& change,
                         const server::ChangeResult& result) {
  if (result.done() || result.not_applied) happens_until_[request] = {};
  ++(result.done() ? done_ : refused_);
  world_.remember(request * 16 + result.fault.index());
  world_.note("to " + text_of(change) +
              (result.done()        ? ": done"
               : result.not_applied ? ": refused "
                                    : ": unknown ") +
              result.detail);
  checker_.change_answered(change, result);
}

bool Operators::quiet() const {
  return std::all_of(happens_until_.begin(), happens_until_.end(),
                     [this](raft::Instant until) { return until < world_.now(); });
}

std::optional<raft::MembershipChange> Operators::draw(const raft::Configuration& now, Random& random) {
  const std::uint64_t what = random.below(1000);
  if (what < 450) return addition(now, random);
  if (what < 750) return removal(now, random);
  if (what < 850) {
    if (now.learners.empty()) return {};
    return raft::PromoteMember{random.one_of(now.learners)};
  }
  // On only where clocks keep within what leases take for granted.
  if (what < 910) return raft::SetLeaseReads{scenario_.lease_reads && random.chance(500)};
  return nonsense(now, random);
}

// Each request has a name and addresses of its own, so that what came of it can be told from what came of others.
raft::Member Operators::member(raft::NodeId id) {
  const std::string name = "n" + std::to_string(id.value) + "#" + std::to_string(happens_until_.size());
  return {id, name, name + ":peer", name + ":client", {}};
}

std::optional<raft::MembershipChange> Operators::addition(const raft::Configuration& now, Random& random) {
  std::vector<std::size_t> waiting;
  for (std::size_t node = 0; node < machines_.size(); ++node)
    if (machines_[node]->joining() && sound(node)) waiting.push_back(node);
  const auto soon =
      std::count_if(now.members.begin(), now.members.end(), [](const auto& each) { return each.promote; });
  if (waiting.empty() || now.voters.size() + static_cast<std::size_t>(soon) >= kVotersMax) return {};
  raft::Member added = member(node_id(random.one_of(waiting)));
  added.promote = random.chance(800);
  if (!added.promote) return raft::AddMember{added};
  for (const raft::NodeId voter : now.voters)
    if (!machines_[node_of(voter)]->up() && random.chance(700)) added.replaces = voter;
  if (!added.replaces && random.chance(150)) added.replaces = random.one_of(now.voters);
  return raft::AddMember{added};
}

std::optional<raft::MembershipChange> Operators::removal(const raft::Configuration& now, Random& random) {
  raft::NodeId id = random.one_of(now.members).id;
  if (random.chance(350))
    for (const auto& machine : machines_)
      if (machine->running() && machine->replica().core().role() == raft::Role::leader)
        id = machine->replica().core().leader();
  for (raft::Configuration from : possible_configurations(checker_, machines_)) {
    for (auto* ids : {&from.voters, &from.outgoing}) std::erase(*ids, id);
    // Nor the last one from whom a damaged state could be fetched.
    const auto stays = [this](std::size_t node) { return sound(node) && !machines_[node]->state_in_danger(); };
    if (!from.voters.empty() && !is_quorum(from, stays)) return {};
  }
  return raft::RemoveMember{id};
}

// Refused, whatever state the cluster is in.
raft::MembershipChange Operators::nonsense(const raft::Configuration& now, Random& random) {
  switch (random.below(5)) {
    case 0:
      return raft::AddMember{member(random.one_of(now.members).id)};
    case 1: {
      raft::Member twice = member(node_id(machines_.size() - 1));
      twice.replaces = raft::NodeId(kNobody);
      return raft::AddMember{twice};
    }
    case 2:
      return raft::PromoteMember{random.one_of(now.voters)};
    case 3:
      if (!now.retired.empty()) return raft::AddMember{member(random.one_of(now.retired))};
      [[fallthrough]];
    default:
      return raft::RemoveMember{raft::NodeId(kNobody)};
  }
}

}  // namespace tenaz::sim
