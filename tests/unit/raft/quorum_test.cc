#include "raft/quorum.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace tenaz::raft {
namespace {

Configuration with(std::vector<std::uint64_t> voters, std::vector<std::uint64_t> outgoing = {}) {
  Configuration c;
  for (auto id : voters) c.voters.emplace_back(id);
  for (auto id : outgoing) c.outgoing.emplace_back(id);
  return c;
}

// The dumb twin: the largest value for which one can count a majority, by trying every value.
std::uint64_t dumb_value(const std::vector<NodeId>& voters, const std::map<NodeId, std::uint64_t>& values) {
  std::uint64_t best = 0;
  for (NodeId candidate : voters) {
    const std::uint64_t value = values.at(candidate);
    std::size_t reached = 0;
    for (NodeId id : voters) reached += values.at(id) >= value;
    if (2 * reached > voters.size()) best = std::max(best, value);
  }
  return best;
}

// The dumb twin: the result is settled if it is the same however the missing ballots turn out.
bool dumb_wins(const Configuration& c, const std::map<NodeId, Ballot>& ballots, Ballot missing) {
  for (const auto* half : {&c.voters, &c.outgoing}) {
    std::size_t granted = 0;
    for (NodeId id : *half)
      granted += (ballots.at(id) == Ballot::missing ? missing : ballots.at(id)) == Ballot::granted;
    if (!half->empty() && 2 * granted <= half->size()) return false;
  }
  return true;
}

TEST(Quorum, AgreesWithItsDumbTwin) {
  std::mt19937 rng(7);
  for (int round = 0; round < 20'000; ++round) {
    Configuration c;
    std::map<NodeId, std::uint64_t> values;
    std::map<NodeId, Ballot> ballots;
    for (std::uint64_t id = 1; id <= 9; ++id) {
      values[NodeId{id}] = rng() % 6;
      ballots[NodeId{id}] = static_cast<Ballot>(rng() % 3);
      if (rng() % 2) c.voters.emplace_back(id);
      if (round % 2 && rng() % 2) c.outgoing.emplace_back(id);
    }
    if (c.voters.empty()) continue;
    std::uint64_t expected = dumb_value(c.voters, values);
    if (c.joint()) expected = std::min(expected, dumb_value(c.outgoing, values));
    EXPECT_EQ(quorum_value(c, [&](NodeId id) { return values[id]; }), expected);

    const bool if_all_grant = dumb_wins(c, ballots, Ballot::granted);
    const bool if_all_refuse = dumb_wins(c, ballots, Ballot::refused);
    const VoteResult settled = if_all_refuse ? VoteResult::won : if_all_grant ? VoteResult::pending : VoteResult::lost;
    EXPECT_EQ(quorum_vote(c, [&](NodeId id) { return ballots[id]; }), settled);
  }
}

TEST(Quorum, ManyVotersAreCountedToo) {
  Configuration c;
  for (std::uint64_t id = 1; id <= 41; ++id) c.voters.emplace_back(id);
  EXPECT_EQ(quorum_value(c, [](NodeId id) { return id.value; }), 21U);
}

TEST(Quorum, NobodyDecidesNothing) {
  EXPECT_EQ(quorum_value(with({}), [](NodeId) { return 9; }), 0U);
  EXPECT_EQ(quorum_vote(with({}), [](NodeId) { return Ballot::granted; }), VoteResult::lost);
}

TEST(Quorum, VotersOfBothHalvesVote) {
  const Configuration c = with({1, 2}, {2, 3});
  EXPECT_TRUE(is_voter(c, NodeId{1}));
  EXPECT_TRUE(is_voter(c, NodeId{3}));
  EXPECT_FALSE(is_voter(c, NodeId{4}));
}

}  // namespace
}  // namespace tenaz::raft
