// Why a change of the membership was not made, for the person behind the client.
#include <algorithm>

#include "server/http/problem.h"

namespace tenaz::server::http {
namespace {

using raft::ChangeFault;
using raft::ChangeRefusal;

std::string node(raft::NodeId id) {
  return "node " + std::to_string(id.value);
}

raft::NodeId subject(const raft::MembershipChange& change) {
  if (const auto* added = std::get_if<raft::AddMember>(&change)) {
    return added->member.id;
  }
  if (const auto* promoted = std::get_if<raft::PromoteMember>(&change)) {
    return promoted->id;
  }
  const auto* removed = std::get_if<raft::RemoveMember>(&change);
  return removed != nullptr ? removed->id : raft::NodeId{};
}

// Which address is whose.
std::string taken_address(const raft::Member& added, const raft::Configuration& configuration) {
  for (const raft::Member& member : configuration.members) {
    for (const std::string* address : {&added.peer, &added.client}) {
      if (*address == member.peer || *address == member.client) {
        return *address + " is an address of " + node(member.id);
      }
    }
  }
  return "another member has one of these addresses";
}

std::string replaced_by(raft::NodeId replaced, const raft::Configuration& configuration) {
  const auto& members = configuration.members;
  const auto other = std::find_if(members.begin(), members.end(),
                                  [replaced](const raft::Member& member) { return member.replaces == replaced; });
  return (other == members.end() ? "another node" : node(other->id)) + " is to replace " + node(replaced) +
         " already: wait for that, or remove it";
}

Problem describe(ChangeFault fault, const raft::MembershipChange& change, const raft::Configuration& configuration) {
  const raft::NodeId id = subject(change);
  const auto* addition = std::get_if<raft::AddMember>(&change);
  const raft::Member added = addition != nullptr ? addition->member : raft::Member{};
  const auto& retired = configuration.retired;
  switch (fault) {
    case ChangeFault::id_taken:
      return {.code = Code::member_id_taken, .detail = node(id) + " is a member already"};
    case ChangeFault::id_retired:
      return {.code = Code::member_id_taken,
              .detail = "a member that was removed had the id " + std::to_string(id.value) +
                        ": ids are never used again, take another one"};
    case ChangeFault::address_taken:
      return {.code = Code::member_address_taken, .detail = taken_address(added, configuration)};
    case ChangeFault::unknown_member:
      return {.code = Code::not_found,
              .detail = node(id) + (std::binary_search(retired.begin(), retired.end(), id)
                                        ? " was removed from this cluster"
                                        : " is no member of this cluster")};
    case ChangeFault::not_a_learner:
      return {.code = Code::not_a_learner, .detail = node(id) + " votes already"};
    case ChangeFault::last_voter:
      return {.code = Code::would_lose_quorum,
              .detail = node(id) + " is the only voter: without it nobody could decide anything. Add another first"};
    case ChangeFault::replaces_no_voter:
      return {.code = Code::bad_parameter,
              .detail = "replaces: " + node(added.replaces) + " does not vote in this cluster",
              .parameter = "replaces"};
    case ChangeFault::already_replaced:
      return {.code = Code::membership_change_in_progress, .detail = replaced_by(added.replaces, configuration)};
    case ChangeFault::too_many_members:
      return {.code = Code::too_many_members,
              .detail = "a cluster has at most " + std::to_string(raft::kMaxMembers) + " members"};
  }
  return {.detail = "unexpected fault"};
}

Problem describe(ChangeRefusal refusal, const raft::MembershipChange& change) {
  switch (refusal) {
    case ChangeRefusal::not_leader:
      return problem_of(Failure::no_leader);
    case ChangeRefusal::not_ready:
      return {.code = Code::not_ready, .detail = "the leader has yet to commit its first entry; try again"};
    case ChangeRefusal::in_progress:
      return {.code = Code::membership_change_in_progress,
              .detail = "another change is not through yet, or leadership is being handed over; try again"};
    case ChangeRefusal::not_caught_up:
      return {.code = Code::not_caught_up,
              .detail = node(subject(change)) + " lacks too much: as a voter it would hold the others up"};
    case ChangeRefusal::would_lose_quorum:
      return {.code = Code::would_lose_quorum, .detail = "no majority of those who would vote then answers at present"};
  }
  return {.detail = "unexpected refusal"};
}

Problem describe(AddressFault fault) {
  switch (fault) {
    case AddressFault::unreachable:
      return {.code = Code::member_unreachable,
              .detail = "start the node first, with the addresses of this cluster in cluster.join"};
    case AddressFault::wrong_cluster:
      return {.code = Code::wrong_cluster, .detail = "the node there belongs to another cluster"};
    case AddressFault::wrong_node:
      return {.code = Code::wrong_node, .detail = "the node there has another id"};
    case AddressFault::refused:
      return {.code = Code::member_refused, .detail = "the node there does not take part in this cluster"};
  }
  return {.detail = "unexpected fault"};
}

}  // namespace

Problem problem_of(const raft::MembershipChange& change, const ChangeResult& result) {
  Problem problem;
  if (const auto* failure = std::get_if<Failure>(&result.fault)) {
    problem = problem_of(*failure);
  } else if (const auto* refusal = std::get_if<ChangeRefusal>(&result.fault)) {
    problem = describe(*refusal, change);
  } else if (const auto* fault = std::get_if<ChangeFault>(&result.fault)) {
    problem = describe(*fault, change, result.configuration);
  } else if (const auto* address = std::get_if<AddressFault>(&result.fault)) {
    problem = describe(*address);
  }
  if (!result.detail.empty()) {
    problem.detail += ": " + result.detail;
  }
  problem.outcome = result.not_applied ? Outcome::not_applied : Outcome::unknown;
  return problem;
}

}  // namespace tenaz::server::http
