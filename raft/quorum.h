// Majorities, pure: who has won a vote, and what a quorum has reached. Joint configurations need a majority of both
// halves (thesis 4.3).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "raft/types.h"

namespace tenaz::raft {

enum class VoteResult { pending, won, lost };

enum class Ballot : std::uint8_t { missing, granted, refused };

// The largest value that a majority of `values` has reached. Reorders `values`; requires at least one.
std::uint64_t majority_value(std::span<std::uint64_t> values);

// The result among one half's ballots. Nobody to ask: won (an empty half does not object).
VoteResult majority_vote(std::size_t voters, std::size_t granted, std::size_t refused);

bool is_voter(const Configuration& configuration, NodeId id);

namespace detail {

template <class ValueOf>
std::uint64_t half_value(const std::vector<NodeId>& voters, ValueOf&& value_of) {
  constexpr std::size_t kUsual = 16;
  std::array<std::uint64_t, kUsual> usual;
  std::vector<std::uint64_t> many;
  std::span<std::uint64_t> values;
  if (voters.size() <= kUsual) {
    values = std::span(usual.data(), voters.size());
  } else {
    many.resize(voters.size());
    values = many;
  }
  std::transform(voters.begin(), voters.end(), values.begin(), value_of);
  return majority_value(values);
}

template <class BallotOf>
VoteResult half_vote(const std::vector<NodeId>& voters, BallotOf&& ballot_of) {
  std::size_t granted = 0;
  std::size_t refused = 0;
  for (NodeId id : voters) {
    const Ballot ballot = ballot_of(id);
    granted += ballot == Ballot::granted;
    refused += ballot == Ballot::refused;
  }
  return majority_vote(voters.size(), granted, refused);
}

}  // namespace detail

// The largest value that a quorum has reached: the commit index from match indexes, the confirmed round from
// acknowledged rounds. 0 without voters: nobody decides nothing.
template <class ValueOf>
std::uint64_t quorum_value(const Configuration& configuration, ValueOf&& value_of) {
  if (configuration.voters.empty()) return 0;
  const std::uint64_t value = detail::half_value(configuration.voters, value_of);
  if (!configuration.joint()) return value;
  return std::min(value, detail::half_value(configuration.outgoing, value_of));
}

// Lost as soon as no further ballot could win it.
template <class BallotOf>
VoteResult quorum_vote(const Configuration& configuration, BallotOf&& ballot_of) {
  if (configuration.voters.empty()) return VoteResult::lost;
  const VoteResult incoming = detail::half_vote(configuration.voters, ballot_of);
  const VoteResult outgoing = detail::half_vote(configuration.outgoing, ballot_of);
  if (incoming == VoteResult::lost || outgoing == VoteResult::lost) return VoteResult::lost;
  if (incoming == VoteResult::won && outgoing == VoteResult::won) return VoteResult::won;
  return VoteResult::pending;
}

}  // namespace tenaz::raft
