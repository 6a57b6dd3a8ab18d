// The host loop: what stays in the log, images, disks without room, disks that went back.
#include "tests/unit/server_replica/support.h"

namespace tenaz::server {
namespace {

class ReplicaImageTest : public ReplicaTest {
 protected:
  // The log begins behind index 2, and node 3 needs an image.
  void lead_with_node_3_behind_the_log() {
    lead_of_three();
    write(1);
    acknowledge(2);
    apply_all();
    replica->on_durable_state(now, Index{2});
    log.forget(Index{2});
    replica->on_log_compacted(now, Index{2});
    answer_heartbeats(3);
  }
};

TEST_F(ReplicaTest, WhatAnImageThatIsBeingMadeLeavesOutStaysInTheLog) {
  lead_of_three();
  write(1);
  acknowledge(2);
  apply_all();
  const Index held = replica->core().applied_index();
  ASSERT_EQ(held, Index{2});
  replica->on_durable_state(now, held);
  ASSERT_EQ(log.compacted, held) << "node 3 has not been heard of: nothing waits for it";
  log.forget(held);
  replica->on_log_compacted(now, held);
  answer_heartbeats(3);
  ASSERT_EQ(snapshots.images_wanted, std::vector<NodeId>{NodeId{3}});
  write(2);
  acknowledge(2);
  apply_all();
  replica->on_durable_state(now, replica->core().applied_index());
  EXPECT_EQ(log.compacted, held) << "the image may stand at 2, and then node 3 needs entry 3";
  replica->on_image(now, NodeId{3}, {}, {}, "");
  replica->on_durable_state(now, replica->core().applied_index());
  EXPECT_EQ(log.compacted, Index{3}) << "no image was made: nobody needs it";
}

// What the log no longer has could not follow it, nor does the log know who the members were there.
TEST_F(ReplicaImageTest, AnImageFromBeforeTheLogIsNotOffered) {
  lead_with_node_3_behind_the_log();
  ASSERT_EQ(snapshots.images_wanted, std::vector<NodeId>{NodeId{3}});
  const auto offers = [this] {
    const auto sent = transport.take<raft::Message>();
    return std::count_if(sent.begin(), sent.end(),
                         [](const auto& each) { return std::holds_alternative<raft::InstallSnapshot>(each); });
  };
  replica->on_image(now, NodeId{3}, Index{1}, Term{1}, "old");
  replica->carry_out(now);
  EXPECT_EQ(offers(), 0);
  answer_heartbeats(3);
  ASSERT_EQ(snapshots.images_wanted.size(), 2U) << "it still needs one";
  replica->on_image(now, NodeId{3}, Index{2}, Term{1}, "new");
  replica->carry_out(now);
  EXPECT_EQ(offers(), 1);
}

TEST_F(ReplicaImageTest, ThatTheLogIsCutBehindAnImageOnItsWayIsTold) {
  lead_with_node_3_behind_the_log();
  replica->on_image(now, NodeId{3}, Index{2}, Term{1}, "image");
  replica->carry_out(now);
  write(2);
  acknowledge(2);
  apply_all();
  replica->on_durable_state(now, Index{3});
  EXPECT_EQ(log.compacted, Index{2});
  EXPECT_TRUE(probe.overtaken.empty());
  replica->on_disk_low(now, true);
  replica->on_durable_state(now, Index{3});
  EXPECT_EQ(log.compacted, Index{3});
  EXPECT_EQ(probe.overtaken, (std::vector<std::pair<NodeId, Index>>{{NodeId{3}, Index{2}}}));
}

TEST_F(ReplicaTest, AFollowerThatIsBehindDoesNotHoldTheLogOnADiskWithoutRoom) {
  lead_of_three();
  acknowledge(3);
  write(1);
  acknowledge(2);
  apply_all();
  replica->on_durable_state(now, Index{2});
  EXPECT_EQ(log.compacted, Index{1}) << "node 3 is there, and needs entry 2";
  replica->on_log_compacted(now, Index{1});
  replica->on_disk_low(now, true);
  replica->on_durable_state(now, Index{2});
  EXPECT_EQ(log.compacted, Index{2});
}

// A restart takes seconds, an image of everything may take minutes.
TEST_F(ReplicaTest, WhoWentAwayNotLongAgoFindsItsPlaceInTheLog) {
  options.log_retain_time = std::chrono::minutes(2);
  lead_of_three();
  acknowledge(3);
  replica->on_durable_state(now, Index{1});
  log.forget(Index{1});
  replica->on_log_compacted(now, Index{1});
  const auto without_3 = [&](std::chrono::seconds time) {
    for (; time.count() > 0; time -= std::chrono::seconds(1)) {
      for (int i = 0; i < 10; ++i) {
        answer_heartbeats(2);
        pass(milliseconds(40));
      }
    }
  };
  write(1);
  acknowledge(2);
  apply_all();
  without_3(std::chrono::seconds(100));
  ASSERT_EQ(replica->core().role(), raft::Role::leader);
  replica->on_durable_state(now, Index{2});
  EXPECT_EQ(log.compacted, Index{1}) << "node 3 may come back";
  without_3(std::chrono::seconds(30));
  EXPECT_EQ(log.compacted, Index{2}) << "nobody waits for it any longer";
}

TEST_F(ReplicaTest, APeerThatLostWhatItAcknowledgedIsDistrustedForGood) {
  lead_of_three();
  write(1);
  acknowledge(3);
  raft::AppendReply refusal;
  refusal.term = replica->core().term();
  refusal.sequence = 1000;
  refusal.last_index = Index{1};
  replica->on_message(now, NodeId{3}, raft::Message(refusal));
  replica->carry_out(now);
  EXPECT_EQ(log.distrusted, std::vector<NodeId>{NodeId{3}});
}

TEST_F(ReplicaTest, ALogOfEarlierRunsIsCompactedThoughThisRunWroteNothingOut) {
  log.entries_ = {{Term{1}, Index{1}, raft::EntryKind::noop, raft::make_payload("")},
                  {Term{1}, Index{2}, raft::EntryKind::noop, raft::make_payload("")}};
  hard_state = {Term{1}, NodeId{1}};
  applied = Index{2};
  start(3);
  pass(milliseconds(10'000));
  EXPECT_EQ(log.compacted, Index{2});
}

TEST_F(ReplicaTest, AnInstallIsHurriedWhenItsSourceIsGoneOrLeadsNoLonger) {
  start(3);
  heartbeat(2, 1);
  raft::InstallSnapshot offer;
  offer.term = Term{1};
  offer.meta = {Index{10}, Term{1}, replica->core().configuration(), Index{0}};
  offer.snapshot_id = "image";
  replica->on_message(now, NodeId{2}, raft::Message(offer));
  replica->carry_out(now);
  ASSERT_EQ(snapshots.installs.size(), 1u);
  EXPECT_EQ(snapshots.hurried, 0);
  replica->on_unreachable(now, NodeId{3});
  EXPECT_EQ(snapshots.hurried, 0) << "not its source";
  replica->on_unreachable(now, NodeId{2});
  EXPECT_EQ(snapshots.hurried, 1);
  heartbeat(3, 2);
  EXPECT_EQ(snapshots.hurried, 2);
  replica->on_install_failed(now);
  replica->on_unreachable(now, NodeId{2});
  EXPECT_EQ(snapshots.hurried, 2) << "there is no install any more";
}

TEST_F(ReplicaTest, WithoutRoomPutsAreRefusedAndDeletesAreNot) {
  start(1);
  persist_all();
  apply_all();
  replica->on_disk_low(now, true);
  write(1, true);
  ASSERT_TRUE(writes.contains(1));
  EXPECT_EQ(writes[1].failure, Failure::disk_full);
  EXPECT_TRUE(writes[1].not_applied);
  write(2, false);
  persist_all();
  apply_all();
  ASSERT_TRUE(writes.contains(2));
  EXPECT_FALSE(writes[2].failure);
  replica->on_disk_low(now, false);
  write(3, true);
  persist_all();
  apply_all();
  ASSERT_TRUE(writes.contains(3));
  EXPECT_FALSE(writes[3].failure);
}

}  // namespace
}  // namespace tenaz::server
