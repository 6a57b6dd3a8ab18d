#include "raft/read_index.h"

#include <gtest/gtest.h>

namespace tenaz::raft {
namespace {

std::vector<std::pair<std::uint64_t, std::uint64_t>> answers(ReadIndex& reads, std::uint64_t round) {
  std::vector<ReadConfirmed> confirmed;
  reads.confirmed(round, confirmed);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
  for (const ReadConfirmed& read : confirmed) out.emplace_back(read.id.value, read.index.value);
  return out;
}

using Answers = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

TEST(ReadIndex, AllThatWaitShareARound) {
  ReadIndex reads;
  EXPECT_FALSE(reads.wants_round());
  reads.add(ReadId{1});
  reads.add(ReadId{2});
  EXPECT_TRUE(reads.wants_round());
  reads.round_started(7, Index{10});
  EXPECT_FALSE(reads.wants_round());
  EXPECT_EQ(answers(reads, 6), Answers{});
  EXPECT_EQ(answers(reads, 7), (Answers{{1, 10}, {2, 10}}));
  EXPECT_EQ(answers(reads, 7), Answers{}) << "nobody is answered twice";
}

TEST(ReadIndex, ARoundProvesNothingToAReadThatCameAfterIt) {
  ReadIndex reads;
  reads.add(ReadId{1});
  reads.round_started(1, Index{10});
  reads.add(ReadId{2});
  EXPECT_FALSE(reads.wants_round()) << "a round is under way";
  EXPECT_EQ(answers(reads, 1), (Answers{{1, 10}}));
  EXPECT_TRUE(reads.wants_round());
  reads.round_started(2, Index{12});
  EXPECT_EQ(answers(reads, 2), (Answers{{2, 12}}));
}

TEST(ReadIndex, ALaterRoundConfirmsTheEarlierOnes) {
  ReadIndex reads;
  reads.add(ReadId{1});
  reads.round_started(1, Index{10});
  reads.add(ReadId{2});
  reads.round_started(2, Index{11});
  EXPECT_EQ(answers(reads, 5), (Answers{{1, 10}, {2, 11}}));
}

TEST(ReadIndex, WithLeadershipGoAllWhoWait) {
  ReadIndex reads;
  reads.add(ReadId{1});
  reads.round_started(1, Index{10});
  reads.add(ReadId{2});
  std::vector<ReadId> failed;
  reads.fail_all(failed);
  EXPECT_EQ(failed, (std::vector{ReadId{1}, ReadId{2}}));
  EXPECT_FALSE(reads.wants_round());
  EXPECT_EQ(answers(reads, 9), Answers{});
}

}  // namespace
}  // namespace tenaz::raft
