// Configurations as data: their bytes in the log, and what becomes of one when members are added, promoted or removed
// (thesis 4). Pure functions.
//
// A change of voters goes through a joint configuration (thesis 4.3): changed() gives {voters: new, outgoing: old}, and
// once that is committed left_joint() gives {voters: new}. What does not touch the voters is one step. For example,
// with voters 1 2 3, node 4 takes the place of the dead node 3:
//   add 4, replaces 3       voters 1 2 3, learner 4
//   4 has caught up         voters 1 2 4, outgoing 1 2 3
//   that is committed       voters 1 2 4, retired 3
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "raft/types.h"

namespace tenaz::raft {

// A simple configuration in which all members vote. Members need distinct, non-zero ids.
Configuration founding_configuration(std::vector<Member> members);

// The bytes of a configuration entry: one version byte, then little-endian, length-prefixed fields.
std::string encode(const Configuration& configuration);
// Nothing if the bytes are not a configuration of a known version.
std::optional<Configuration> decode_configuration(std::string_view bytes);

// --- changes
// ----------------------------------------------------------------------------------------------------------

// Joins as a learner; `member.promote` and `member.replaces` say what becomes of it later.
struct AddMember {
  Member member;
};
// A learner becomes a voter, in the place of the one that it replaces, if any.
struct PromoteMember {
  NodeId id;
};
struct RemoveMember {
  NodeId id;
};
struct SetLeaseReads {
  bool on = false;
};
using MembershipChange = std::variant<AddMember, PromoteMember, RemoveMember, SetLeaseReads>;

// More members are refused: every one costs the leader a copy of everything.
inline constexpr std::size_t kMaxMembers = 31;

// Why a configuration cannot be changed so.
enum class ChangeFault {
  id_taken,        // a member has it
  id_retired,      // a member had it once
  address_taken,   // one of its addresses is another member's
  unknown_member,  // no member has this id
  not_a_learner,
  last_voter,         // nobody would be left
  replaces_no_voter,  // whom it should replace does not vote
  already_replaced,   // another learner is to replace that voter
  too_many_members,
};

// Requires a configuration that is not joint.
std::variant<Configuration, ChangeFault> changed(const Configuration& configuration, const MembershipChange& change);

// The end of a change of voters: who votes no more is retired.
Configuration left_joint(const Configuration& joint);

// Which disk belongs to whom, as far as is known: 16 raw bytes each.
using StorageIds = std::function<std::string(NodeId)>;

// Members whose disk is not recorded yet get it from `known`. A founder's is not, and a node that is added later must
// not take the first disk that shows up under its id for the one that has voted.
Configuration with_disks(Configuration configuration, const StorageIds& known);

// `configuration` shows that the change was carried out to its end.
bool holds(const Configuration& configuration, const MembershipChange& change);

const Member* find_member(const Configuration& configuration, NodeId id);

}  // namespace tenaz::raft
