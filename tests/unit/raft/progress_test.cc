#include "raft/progress.h"

#include <gtest/gtest.h>

namespace tenaz::raft {
namespace {

using Mode = Progress::Mode;
constexpr Instant kNow{std::chrono::seconds(100)};
constexpr Duration kPatience = std::chrono::milliseconds(50);

Options window_of(std::size_t appends, std::size_t bytes) {
  Options options;
  options.max_inflight_appends = appends;
  options.max_inflight_bytes = bytes;
  return options;
}

AppendReply refusal(std::uint64_t sequence, std::uint64_t prev, std::uint64_t last) {
  AppendReply reply;
  reply.sequence = sequence;
  reply.prev_index = Index{prev};
  reply.last_index = Index{last};
  return reply;
}

TEST(Progress, ProbesOneByOneUntilTheLogsAreKnownToAgree) {
  Progress peer(NodeId{2}, Index{5}, kNow);
  EXPECT_EQ(peer.mode(), Mode::probe);
  EXPECT_TRUE(peer.may_send({}));
  EXPECT_EQ(peer.sent(Index{6}, 2, 100, Index{}, kNow), 1U);
  EXPECT_FALSE(peer.may_send({}));
  EXPECT_EQ(peer.next(), Index{5}) << "a probe promises nothing";
  peer.accepted(Index{6}, Index{});
  EXPECT_EQ(peer.mode(), Mode::replicate);
  EXPECT_EQ(peer.match(), Index{6});
  EXPECT_EQ(peer.next(), Index{7});
}

TEST(Progress, TheWindowIsBoundedInMessagesAndBytes) {
  Progress peer(NodeId{2}, Index{1}, kNow);
  peer.accepted(Index{0}, Index{});
  ASSERT_EQ(peer.mode(), Mode::replicate);
  peer.sent(Index{1}, 1, 100, Index{}, kNow);
  EXPECT_TRUE(peer.may_send(window_of(2, 1000)));
  EXPECT_FALSE(peer.may_send(window_of(2, 100)));
  peer.sent(Index{2}, 1, 100, Index{}, kNow);
  EXPECT_FALSE(peer.may_send(window_of(2, 1000)));
  peer.sent(Index{2}, 0, 0, Index{}, kNow);
  EXPECT_EQ(peer.inflight(), 2U) << "an empty append takes no room";
  peer.accepted(Index{1}, Index{});
  EXPECT_TRUE(peer.may_send(window_of(2, 1000)));
  EXPECT_EQ(peer.next(), Index{3});
}

TEST(Progress, RefusalsOfWhatWasSentBeforeProbingAreOld) {
  Progress peer(NodeId{2}, Index{1}, kNow);
  peer.sent(Index{1}, 1, 10, Index{}, kNow);
  peer.accepted(Index{1}, Index{});
  const auto lost = peer.sent(Index{2}, 1, 10, Index{}, kNow);
  const auto second = peer.sent(Index{3}, 1, 10, Index{}, kNow);
  const auto third = peer.sent(Index{4}, 1, 10, Index{}, kNow);
  EXPECT_EQ(lost + 2, third);
  EXPECT_EQ(peer.classify(refusal(second, 2, 1)), Progress::Refused::back_up);
  peer.back_up(Index{1});
  EXPECT_EQ(peer.next(), Index{2});
  EXPECT_EQ(peer.classify(refusal(third, 3, 1)), Progress::Refused::stale);
  EXPECT_EQ(peer.inflight(), 0U);
}

TEST(Progress, ALogThatLostWhatItAcknowledgedHasGoneBack) {
  Progress peer(NodeId{2}, Index{1}, kNow);
  const auto before = peer.sent(Index{9}, 9, 10, Index{}, kNow);
  peer.accepted(Index{9}, Index{});
  EXPECT_EQ(peer.classify(refusal(before, 9, 0)), Progress::Refused::stale) << "sent before the acknowledgement came";
  const auto after = peer.sent(Index{9}, 0, 0, Index{}, kNow);
  EXPECT_EQ(peer.classify(refusal(after, 9, 4)), Progress::Refused::rolled_back);
  peer.mark_rolled_back();
  EXPECT_FALSE(peer.may_send({}));
}

TEST(Progress, BackingUpNeverPassesMatch) {
  Progress peer(NodeId{2}, Index{10}, kNow);
  peer.accepted(Index{6}, Index{});
  peer.back_up(Index{3});
  EXPECT_EQ(peer.next(), Index{7});
}

TEST(Progress, WhatStaysUnansweredIsTakenForLost) {
  Progress peer(NodeId{2}, Index{1}, kNow);
  EXPECT_FALSE(peer.stalled(kNow + kPatience, kPatience)) << "nothing was sent";
  peer.sent(Index{1}, 1, 10, Index{}, kNow);
  EXPECT_FALSE(peer.stalled(kNow, kPatience));
  EXPECT_TRUE(peer.stalled(kNow + kPatience, kPatience));
  peer.accepted(Index{1}, Index{});
  EXPECT_FALSE(peer.stalled(kNow + kPatience, kPatience));
}

TEST(Progress, ASnapshotEndsWithTheAnswerThatItBrings) {
  Progress peer(NodeId{2}, Index{1}, kNow);
  peer.want_snapshot(kNow);
  EXPECT_FALSE(peer.may_send({}));
  peer.accepted(Index{0}, Index{20});
  EXPECT_EQ(peer.mode(), Mode::snapshot) << "a late answer does not end it";
  peer.snapshot_announced({Index{25}, Term{1}, {}, Index{}}, "image", kNow);
  peer.accepted(Index{25}, Index{30});
  EXPECT_EQ(peer.mode(), Mode::replicate);
  EXPECT_EQ(peer.next(), Index{26});
}

TEST(Progress, ActiveMeansHeardOfAndLately) {
  Progress peer(NodeId{2}, Index{1}, kNow);
  EXPECT_FALSE(peer.active(kNow, kPatience)) << "it has never said anything";
  peer.heard(kNow);
  EXPECT_TRUE(peer.active(kNow, kPatience));
  EXPECT_FALSE(peer.active(kNow + kPatience, kPatience));
}

// Thesis 4.2.1: what counts is how long the last round took, not how much there was to catch up with.
TEST(Progress, ALearnerHasCaughtUpOnceARoundIsQuick) {
  const auto at = [](int ms) { return kNow + std::chrono::milliseconds(ms); };
  const Duration patience = std::chrono::milliseconds(250);
  Progress learner(NodeId{4}, Index{1}, kNow);
  learner.tend_catch_up(Index{100}, at(0), patience);
  EXPECT_FALSE(learner.caught_up()) << "where the logs agree is not known";
  learner.accepted(Index{10}, Index{});
  learner.tend_catch_up(Index{100}, at(0), patience);
  learner.accepted(Index{100}, Index{});
  learner.tend_catch_up(Index{200}, at(300), patience);
  EXPECT_FALSE(learner.caught_up()) << "the round took too long";
  learner.accepted(Index{200}, Index{});
  learner.tend_catch_up(Index{220}, at(500), patience);
  EXPECT_TRUE(learner.caught_up());
  learner.unreachable();
  learner.tend_catch_up(Index{220}, at(600), patience);
  EXPECT_FALSE(learner.caught_up());
  learner.accepted(Index{220}, Index{});
  learner.tend_catch_up(Index{220}, at(700), patience);
  EXPECT_TRUE(learner.caught_up()) << "nothing to catch up with";
}

}  // namespace
}  // namespace tenaz::raft
