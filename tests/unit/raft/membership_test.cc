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

TEST(MembershipDeathTest, FoundersNeedDistinctIds) {
  EXPECT_DEATH(founding_configuration({{NodeId{1}, "a", "", "", ""}, {NodeId{1}, "b", "", "", ""}}), "distinct");
  EXPECT_DEATH(founding_configuration({{NodeId{0}, "a", "", "", ""}}), "non-zero");
}

}  // namespace
}  // namespace tenaz::raft
