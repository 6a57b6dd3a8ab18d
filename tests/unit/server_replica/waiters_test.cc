#include "server/waiters.h"

#include <gtest/gtest.h>

namespace tenaz::server {
namespace {

using std::chrono::milliseconds;

raft::Instant at(int ms) {
  return raft::Instant(milliseconds(ms));
}

WaitingWrite waiting(raft::Instant deadline, std::size_t bytes) {
  WaitingWrite out;
  out.deadline = deadline;
  out.bytes = bytes;
  return out;
}

TEST(Waiters, ExpireNeverEarlyAndOnlyWhatStillWaits) {
  Waiters waiters;
  waiters.add_write(1, waiting(at(15), 10));
  waiters.add_write(2, waiting(at(15), 20));
  const auto read = waiters.add_read({{}, at(0), at(15)});
  EXPECT_EQ(waiters.bytes(), 30u);
  EXPECT_TRUE(waiters.take_write(1));
  EXPECT_FALSE(waiters.take_write(1)) << "answered once";
  EXPECT_TRUE(waiters.expired(at(14)).writes.empty());
  const auto expired = waiters.expired(at(20));
  EXPECT_EQ(expired.writes, std::vector<std::uint64_t>{2});
  EXPECT_EQ(expired.reads, std::vector<ReadTicket>{read});
  EXPECT_EQ(waiters.bytes(), 20u);
}

TEST(Waiters, NextDeadlineIsNothingWhenNobodyWaits) {
  Waiters waiters;
  EXPECT_FALSE(waiters.next_deadline());
  waiters.add_write(1, waiting(at(100), 0));
  ASSERT_TRUE(waiters.next_deadline());
  EXPECT_GE(*waiters.next_deadline(), at(100));
  waiters.take_write(1);
  EXPECT_FALSE(waiters.next_deadline());
}

TEST(Waiters, PlacedBeforeATermLeavesOutWhatOnlyQueues) {
  Waiters waiters;
  for (const std::uint64_t sequence : {7u, 8u, 9u}) waiters.add_write(sequence, waiting(at(9), 0));
  waiters.find_write(7)->placed_in = raft::Term(3);
  waiters.find_write(9)->placed_in = raft::Term(2);
  EXPECT_EQ(waiters.writes_placed_before(raft::Term(3)), std::vector<std::uint64_t>{9});
  EXPECT_EQ(waiters.writes_placed_before(raft::Term(4)), (std::vector<std::uint64_t>{7, 9}));
}

}  // namespace
}  // namespace tenaz::server
