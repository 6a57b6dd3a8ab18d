#include "raft/quorum.h"

namespace tenaz::raft {

std::uint64_t majority_value(std::span<std::uint64_t> values) {
  // With n values in rising order, the one at (n - 1) / 2 is reached by n - (n - 1) / 2 > n / 2 of them.
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

VoteResult majority_vote(std::size_t voters, std::size_t granted, std::size_t refused) {
  if (voters == 0) return VoteResult::won;
  const std::size_t needed = voters / 2 + 1;
  if (granted >= needed) return VoteResult::won;
  if (voters - refused < needed) return VoteResult::lost;
  return VoteResult::pending;
}

bool is_voter(const Configuration& configuration, NodeId id) {
  return std::binary_search(configuration.voters.begin(), configuration.voters.end(), id) ||
         std::binary_search(configuration.outgoing.begin(), configuration.outgoing.end(), id);
}

}  // namespace tenaz::raft
