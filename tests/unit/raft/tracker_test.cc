#include "raft/tracker.h"

#include <gtest/gtest.h>

#include "tests/unit/raft/support/memory_log.h"

namespace tenaz::raft {
namespace {

constexpr Instant kNow{std::chrono::seconds(100)};
constexpr Duration kPatience = std::chrono::milliseconds(500);

TEST(Tracker, FollowsEveryOtherMemberOnce) {
  Configuration c = test::voters(5);
  c.voters = test::voters(3).voters;
  c.outgoing = {NodeId{2}, NodeId{4}};
  c.learners = {NodeId{5}};
  Tracker tracker;
  tracker.start(c, NodeId{1}, Index{7}, kNow);
  std::vector<std::uint64_t> ids;
  for (const Progress& peer : tracker.peers()) ids.push_back(peer.id().value);
  EXPECT_EQ(ids, (std::vector<std::uint64_t>{2, 3, 4, 5}));
  EXPECT_EQ(tracker.find(NodeId{1}), nullptr);
  EXPECT_EQ(tracker.find(NodeId{5})->next(), Index{7});
}

TEST(Tracker, AnotherConfigurationKeepsWhatIsKnownOfThoseWhoStay) {
  Tracker tracker;
  tracker.start(test::voters(3), NodeId{1}, Index{7}, kNow);
  tracker.find(NodeId{2})->accepted(Index{8}, Index{});
  Configuration c = test::voters(4);
  c.voters = {NodeId{1}, NodeId{2}, NodeId{4}};
  std::erase_if(c.members, [](const Member& member) { return member.id == NodeId{3}; });
  tracker.update(c, Index{9}, kNow);
  EXPECT_EQ(tracker.find(NodeId{2})->match(), Index{8});
  EXPECT_EQ(tracker.find(NodeId{3}), nullptr);
  ASSERT_NE(tracker.find(NodeId{4}), nullptr);
  EXPECT_EQ(tracker.find(NodeId{4})->match(), Index{});
  EXPECT_EQ(tracker.committed(c, Index{9}), Index{8});
}

TEST(Tracker, ADiskThatWentBackCountsForNothing) {
  const Configuration c = test::voters(3);
  Tracker tracker;
  tracker.start(c, NodeId{1}, Index{1}, kNow);
  tracker.find(NodeId{2})->accepted(Index{8}, Index{});
  EXPECT_EQ(tracker.committed(c, Index{9}), Index{8});
  tracker.find(NodeId{2})->acknowledged_round(3);
  EXPECT_EQ(tracker.confirmed_round(c, 3), 3U);
  tracker.find(NodeId{2})->mark_rolled_back();
  EXPECT_EQ(tracker.committed(c, Index{9}), Index{0});
  EXPECT_EQ(tracker.confirmed_round(c, 3), 0U);
}

TEST(Tracker, LearnersDoNotCount) {
  Configuration c = test::voters(3);
  c.voters = test::voters(2).voters;
  c.learners = {NodeId{3}};
  Tracker tracker;
  tracker.start(c, NodeId{1}, Index{1}, kNow);
  tracker.find(NodeId{3})->accepted(Index{8}, Index{});
  EXPECT_EQ(tracker.committed(c, Index{9}), Index{0});
}

TEST(Tracker, KnowsSinceWhenAQuorumIsSilent) {
  const Configuration c = test::voters(5);
  Tracker tracker;
  tracker.start(c, NodeId{1}, Index{1}, kNow);
  tracker.find(NodeId{2})->heard(kNow + kPatience);
  EXPECT_EQ(tracker.quorum_heard(c, kNow + 2 * kPatience), kNow);
  tracker.find(NodeId{4})->heard(kNow + 2 * kPatience);
  EXPECT_EQ(tracker.quorum_heard(c, kNow + 2 * kPatience), kNow + kPatience);
}

TEST(Tracker, TheBestSuccessorIsActiveAVoterAndHoldsMost) {
  Configuration c = test::voters(5);
  c.voters = test::voters(4).voters;
  c.learners = {NodeId{5}};
  Tracker tracker;
  tracker.start(c, NodeId{1}, Index{1}, kNow);
  EXPECT_EQ(tracker.best_successor(c, kNow, kPatience), nullptr);
  for (std::uint64_t id : {2U, 3U, 5U}) tracker.find(NodeId{id})->heard(kNow);
  tracker.find(NodeId{2})->accepted(Index{5}, Index{});
  tracker.find(NodeId{3})->accepted(Index{7}, Index{});
  tracker.find(NodeId{4})->accepted(Index{8}, Index{});
  tracker.find(NodeId{5})->accepted(Index{9}, Index{});
  EXPECT_EQ(tracker.best_successor(c, kNow, kPatience)->id(), NodeId{3});
}

}  // namespace
}  // namespace tenaz::raft
