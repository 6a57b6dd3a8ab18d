// The host loop: compaction of history that nobody asked for, by age and by count, whatever the clocks do.
#include "tests/unit/server_replica/support.h"

namespace tenaz::server {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using storage::Revision;

struct ReplicaHistory : ReplicaTest {
  void lead_alone() {
    start(1);
    pass(seconds(10));
    persist_all();
    ASSERT_EQ(replica->core().role(), raft::Role::leader);
    apply_all();
  }
  // Writes until the store is at this revision.
  void write_up_to(std::uint64_t goal) {
    while (revision < goal) {
      write(++last_);
      persist_all();
      apply_all();
    }
  }
  // Steps of a few seconds, as the timers make them.
  void let_pass(std::chrono::nanoseconds time) {
    for (; time.count() > 0; time -= seconds(2)) {
      pass(milliseconds(2000));
      persist_all();
      // Applied, so to speak.
      if (const auto all = proposed(); !all.empty()) state.held.compact_revision = Revision(all.back());
    }
  }
  // The revisions of all compactions proposed so far.
  std::vector<std::uint64_t> proposed() {
    std::vector<std::uint64_t> out;
    for (const auto& entry : log.entries_) {
      if (entry.kind != raft::EntryKind::commands) continue;
      const auto batch = storage::parse_payload(*entry.payload);
      for (const auto& command : batch->commands())
        if (command.has_compact()) out.push_back(command.compact().revision());
    }
    return out;
  }
  using Revisions = std::vector<std::uint64_t>;
  std::uint64_t last_ = 0;
};

TEST_F(ReplicaHistory, NothingIsForgottenUnlessConfigured) {
  state.held.clock_ms = 1'000'000'000;
  state.marks[0] = Revision(90);
  lead_alone();
  write_up_to(100);
  let_pass(hours(1));
  EXPECT_EQ(proposed(), Revisions{});
}

TEST_F(ReplicaHistory, ByCountWithATenthToSpare) {
  options.history.keep_revisions = 50;
  lead_alone();
  write_up_to(55);
  let_pass(minutes(5));
  EXPECT_EQ(proposed(), Revisions{}) << "only a tenth more than is to be kept";
  write_up_to(56);
  let_pass(seconds(4));
  EXPECT_EQ(proposed(), Revisions{6});
}

TEST_F(ReplicaHistory, AtMostOneInTheInterval) {
  options.history.keep_revisions = 10;
  options.history.compact_interval = minutes(10);
  lead_alone();
  write_up_to(30);
  let_pass(seconds(4));
  ASSERT_EQ(proposed(), Revisions{20});
  write_up_to(60);
  let_pass(minutes(9));
  EXPECT_EQ(proposed(), Revisions{20});
  let_pass(minutes(2));
  EXPECT_EQ(proposed().size(), 2U);
}

TEST_F(ReplicaHistory, ByAgeOnceATenthMoreIsHeld) {
  options.history.keep_age = hours(10);
  state.marks = {{0, Revision(3)}, {milliseconds(minutes(30)).count(), Revision(40)}};
  state.held.clock_ms = static_cast<std::uint64_t>(milliseconds(hours(10)).count());
  lead_alone();
  write_up_to(100);
  let_pass(minutes(55));
  EXPECT_EQ(proposed(), Revisions{}) << "the oldest is 10 h 55 min old";
  let_pass(minutes(10));
  EXPECT_EQ(proposed(), Revisions{40}) << "in force 10 h ago";
}

// Entries say how the clock stands; since the last of them this node's own clock tells, which does not jump.
TEST_F(ReplicaHistory, TimePassesWithoutWrites) {
  options.history.keep_age = hours(1);
  state.marks = {{0, Revision(10)}};
  lead_alone();
  write_up_to(20);
  let_pass(minutes(64));
  EXPECT_EQ(proposed(), Revisions{});
  let_pass(minutes(3));
  EXPECT_EQ(proposed(), Revisions{10});
}

TEST_F(ReplicaHistory, AnEntryMovesTheClockNoFartherThanItSays) {
  options.history.keep_age = hours(1);
  state.marks = {{0, Revision(10)}};
  lead_alone();
  write_up_to(20);
  let_pass(minutes(60));
  state.held.clock_ms = 60'000;  // the gap between two entries counted as a minute
  let_pass(minutes(60));
  EXPECT_EQ(proposed(), Revisions{});
  let_pass(minutes(8));
  EXPECT_EQ(proposed(), Revisions{10});
}

TEST_F(ReplicaHistory, WhatEitherLimitKeepsIsKept) {
  options.history.keep_age = hours(1);
  options.history.keep_revisions = 50;
  state.marks = {{0, Revision(90)}};
  lead_alone();
  write_up_to(100);
  let_pass(minutes(30));
  EXPECT_EQ(proposed(), Revisions{}) << "young enough";
  let_pass(minutes(40));
  EXPECT_EQ(proposed(), Revisions{50}) << "90 is old enough, but among the last 50";
}

TEST_F(ReplicaHistory, AFollowerProposesNothing) {
  options.history.keep_revisions = 1;
  start(3);
  for (std::uint64_t index = 1; index <= 20; ++index) append(2, 1, index, payload_of(index));
  for (int i = 0; i < 100; ++i) {
    heartbeat(2, 1, 20);
    pass(milliseconds(100));
  }
  EXPECT_EQ(replica->core().role(), raft::Role::follower);
  EXPECT_EQ(proposed(), Revisions{});
  EXPECT_TRUE(transport.take<ForwardWrites>().empty());
}

}  // namespace
}  // namespace tenaz::server
