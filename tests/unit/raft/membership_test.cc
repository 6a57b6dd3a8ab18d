#include "raft/membership.h"

#include <gtest/gtest.h>

#include <random>

namespace tenaz::raft {
namespace {

Configuration joint() {
  Configuration c;
  c.voters = {NodeId{1}, NodeId{2}, NodeId{4}};
  c.outgoing = {NodeId{1}, NodeId{2}, NodeId{3}};
  c.learners = {NodeId{9}};
  for (std::uint64_t id : {1U, 2U, 3U, 4U, 9U})
    c.members.push_back({NodeId{id}, "n", "127.0.0.1:1", "127.0.0.1:2", std::string(16, '\0')});
  c.members.back().promote = true;
  c.members.back().replaces = NodeId{2};
  c.retired = {NodeId{5}, NodeId{7}};
  c.lease_reads = true;
  return c;
}

TEST(Membership, SurvivesItsBytes) {
  EXPECT_EQ(decode_configuration(encode(joint())), joint());
  const Configuration simple = founding_configuration({{NodeId{2}, "b", "", "", ""}, {NodeId{1}, "a", "", "", ""}});
  EXPECT_EQ(simple.voters, (std::vector{NodeId{1}, NodeId{2}}));
  EXPECT_FALSE(simple.joint());
  EXPECT_EQ(decode_configuration(encode(simple)), simple);
}

// The format lies on disks: a change must be a new version.
TEST(Membership, ItsBytesAreFixed) {
  const std::string bytes = encode(founding_configuration({{NodeId{1}, "a", "p", "", ""}}));
  const std::string expected(
      "\x01"
      "\x01\0\0\0\x01\0\0\0\0\0\0\0"
      "\0\0\0\0\0\0\0\0"
      "\x01\0\0\0\x01\0\0\0\0\0\0\0"
      "\x01\0\0\0a\x01\0\0\0p\0\0\0\0\0\0\0\0"
      "\0"
      "\0\0\0\0\0\0\0\0"
      "\0\0\0\0"
      "\0",
      1 + 12 + 8 + 12 + 18 + 14);
  EXPECT_EQ(bytes, expected);
}

TEST(Membership, RefusesWhatItCannotRead) {
  const std::string good = encode(joint());
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(decode_configuration(good.substr(0, size)));
  EXPECT_FALSE(decode_configuration(good + "x"));
  std::string newer = good;
  newer[0] = 2;
  EXPECT_FALSE(decode_configuration(newer));
  Configuration odd = joint();
  odd.members.pop_back();
  EXPECT_FALSE(decode_configuration(encode(odd))) << "a member is missing";
  odd = joint();
  std::swap(odd.voters[0], odd.voters[1]);
  EXPECT_FALSE(decode_configuration(encode(odd))) << "ids are not sorted";
}

TEST(Membership, RandomBytesDoNoHarm) {
  std::mt19937 rng(3);
  const std::string good = encode(joint());
  for (int i = 0; i < 50'000; ++i) {
    std::string bytes = good;
    for (int changes = 1 + static_cast<int>(rng() % 4); changes > 0; --changes)
      bytes[rng() % bytes.size()] = static_cast<char>(rng());
    if (const auto read = decode_configuration(bytes)) {
      EXPECT_EQ(encode(*read), bytes);
    }
  }
}

// --- changes
// ----------------------------------------------------------------------------------------------------------

Member member(std::uint64_t id) {
  const std::string n = std::to_string(id);
  return {NodeId{id}, "n" + n, "peer:" + n, "client:" + n, "", true, {}};
}

Configuration founders(std::uint64_t n) {
  std::vector<Member> members;
  for (std::uint64_t id = 1; id <= n; ++id) members.push_back(member(id));
  return founding_configuration(members);
}

Configuration after(const Configuration& before, const MembershipChange& change) {
  auto next = changed(before, change);
  EXPECT_TRUE(std::holds_alternative<Configuration>(next));
  return std::get<Configuration>(next);
}

std::optional<ChangeFault> fault(const Configuration& before, const MembershipChange& change) {
  const auto next = changed(before, change);
  if (const auto* why = std::get_if<ChangeFault>(&next)) return *why;
  return std::nullopt;
}

TEST(MembershipChange, ANewMemberIsALearnerFirst) {
  const Configuration next = after(founders(3), AddMember{member(4)});
  EXPECT_EQ(next.voters, founders(3).voters);
  EXPECT_FALSE(next.joint());
  EXPECT_EQ(next.learners, std::vector{NodeId{4}});
  EXPECT_TRUE(holds(next, AddMember{member(4)}));
  Member other = member(4);
  other.peer = "elsewhere:4";
  EXPECT_FALSE(holds(next, AddMember{other})) << "somebody else has the id";
  EXPECT_FALSE(holds(next, PromoteMember{NodeId{4}}));
  EXPECT_EQ(decode_configuration(encode(next)), next);
}

TEST(MembershipChange, VotersChangeThroughAJointConfiguration) {
  const Configuration learning = after(founders(3), AddMember{member(4)});
  const Configuration joint = after(learning, PromoteMember{NodeId{4}});
  EXPECT_EQ(joint.voters, (std::vector{NodeId{1}, NodeId{2}, NodeId{3}, NodeId{4}}));
  EXPECT_EQ(joint.outgoing, founders(3).voters);
  EXPECT_FALSE(holds(joint, PromoteMember{NodeId{4}})) << "not before it is through";
  const Configuration through = left_joint(joint);
  EXPECT_EQ(through.voters, joint.voters);
  EXPECT_TRUE(holds(through, PromoteMember{NodeId{4}}));
  EXPECT_TRUE(through.retired.empty());
  for (const Configuration& c : {learning, joint, through}) EXPECT_EQ(decode_configuration(encode(c)), c);
}

TEST(MembershipChange, ADeadVoterIsReplacedInOneStep) {
  Member fourth = member(4);
  fourth.replaces = NodeId{3};
  const Configuration joint = after(after(founders(3), AddMember{fourth}), PromoteMember{NodeId{4}});
  EXPECT_EQ(joint.voters, (std::vector{NodeId{1}, NodeId{2}, NodeId{4}}));
  EXPECT_EQ(joint.outgoing, founders(3).voters);
  EXPECT_TRUE(find_member(joint, NodeId{3})) << "it still votes in the old half";
  const Configuration through = left_joint(joint);
  EXPECT_EQ(through.retired, std::vector{NodeId{3}});
  EXPECT_FALSE(find_member(through, NodeId{3}));
  EXPECT_EQ(find_member(through, NodeId{4})->replaces, NodeId{});
}

TEST(MembershipChange, ALearnerWhosePlaceIsGoneJustJoins) {
  Member fourth = member(4);
  fourth.replaces = NodeId{3};
  const Configuration learning = after(founders(3), AddMember{fourth});
  const Configuration without = left_joint(after(learning, RemoveMember{NodeId{3}}));
  EXPECT_EQ(find_member(without, NodeId{4})->replaces, NodeId{});
  EXPECT_EQ(after(without, PromoteMember{NodeId{4}}).voters, (std::vector{NodeId{1}, NodeId{2}, NodeId{4}}));
}

TEST(MembershipChange, WhoIsRemovedIsRetired) {
  const Configuration joint = after(founders(3), RemoveMember{NodeId{2}});
  EXPECT_EQ(joint.voters, (std::vector{NodeId{1}, NodeId{3}}));
  EXPECT_FALSE(holds(joint, RemoveMember{NodeId{2}}));
  EXPECT_TRUE(holds(left_joint(joint), RemoveMember{NodeId{2}}));
  const Configuration learner = after(founders(1), AddMember{member(2)});
  const Configuration gone = after(learner, RemoveMember{NodeId{2}});
  EXPECT_FALSE(gone.joint()) << "a learner counts for nothing: one step";
  EXPECT_EQ(gone.retired, std::vector{NodeId{2}});
}

TEST(MembershipChange, NamesWhatIsWrong) {
  const Configuration three = founders(3);
  EXPECT_EQ(fault(three, AddMember{member(3)}), ChangeFault::id_taken);
  EXPECT_EQ(fault(left_joint(after(three, RemoveMember{NodeId{3}})), AddMember{member(3)}), ChangeFault::id_retired);
  Member same_peer = member(4), same_client = member(4), replaces = member(4);
  same_peer.peer = "peer:2";
  same_client.client = "client:2";
  EXPECT_EQ(fault(three, AddMember{same_peer}), ChangeFault::address_taken);
  EXPECT_EQ(fault(three, AddMember{same_client}), ChangeFault::address_taken);
  same_client.client = "peer:2";
  EXPECT_EQ(fault(three, AddMember{same_client}), ChangeFault::address_taken) << "whatever it is there";
  replaces.replaces = NodeId{9};
  EXPECT_EQ(fault(three, AddMember{replaces}), ChangeFault::replaces_no_voter);
  replaces.replaces = NodeId{1};
  Member second = member(5);
  second.replaces = NodeId{1};
  EXPECT_EQ(fault(after(three, AddMember{replaces}), AddMember{second}), ChangeFault::already_replaced);
  EXPECT_EQ(fault(three, PromoteMember{NodeId{4}}), ChangeFault::unknown_member);
  EXPECT_EQ(fault(three, PromoteMember{NodeId{2}}), ChangeFault::not_a_learner);
  EXPECT_EQ(fault(three, RemoveMember{NodeId{4}}), ChangeFault::unknown_member);
  EXPECT_EQ(fault(founders(1), RemoveMember{NodeId{1}}), ChangeFault::last_voter);
  Configuration full = founders(3);
  for (std::uint64_t id = 4; id <= kMaxMembers; ++id) full = after(full, AddMember{member(id)});
  EXPECT_EQ(fault(full, AddMember{member(kMaxMembers + 1)}), ChangeFault::too_many_members);
  EXPECT_EQ(after(three, SetLeaseReads{true}).lease_reads, true);
}

TEST(MembershipDeathTest, AJointConfigurationIsNotChanged) {
  EXPECT_DEATH(changed(after(founders(3), RemoveMember{NodeId{2}}), SetLeaseReads{true}), "joint");
}

TEST(MembershipDeathTest, FoundersNeedDistinctIds) {
  EXPECT_DEATH(founding_configuration({{NodeId{1}, "a", "", "", ""}, {NodeId{1}, "b", "", "", ""}}), "distinct");
  EXPECT_DEATH(founding_configuration({{NodeId{0}, "a", "", "", ""}}), "non-zero");
}

}  // namespace
}  // namespace tenaz::raft
