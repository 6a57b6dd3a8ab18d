#include "server/peer/handshake.h"

#include <gtest/gtest.h>

#include "tests/unit/server_peer/support.h"

namespace tenaz::server::peer::test {
namespace {

// Says yes to one storage id.
class Host final : public Handler {
 public:
  void on_message(raft::NodeId, PeerMessage) override {}
  void on_unreachable(raft::NodeId) override {}
  void on_refused(raft::NodeId, const Refusal&) override {}
  std::optional<Refusal> check_identity(const LocalIdentity& other) override {
    ++asked;
    if (other.storage_id == std::string(16, 's')) return {};
    return Refusal{RefusalCode::identity, "disk replaced"};
  }
  int asked = 0;
};

class Judged : public testing::Test {
 protected:
  Judged() { admission_.set_members({raft::NodeId{2}, raft::NodeId{3}}, {raft::NodeId{7}}, "10.0.0.1:7490"); }

  static LocalIdentity identity(std::uint64_t node) {
    return {std::string(16, 'c'), raft::NodeId{node}, std::string(16, 's'), 5, 99};
  }
  static Hello hello() { return {identity(2), Lane::log, raft::NodeId{1}}; }
  std::optional<RefusalCode> code(const Hello& hello, std::optional<raft::NodeId> dialed = {}) {
    const auto refusal = admission_.judge(hello, dialed);
    if (!refusal) return {};
    return refusal->code;
  }

  Host host_;
  Admission admission_{identity(1), host_};
};

TEST_F(Judged, AMemberWithItsDiskIsWelcome) {
  EXPECT_EQ(code(hello()), std::nullopt);
  EXPECT_EQ(code(hello(), raft::NodeId{2}), std::nullopt);
  EXPECT_EQ(host_.asked, 2);
}

// It may have been added while this node was away. Somebody with no address could not be answered.
TEST_F(Judged, SomebodyUnknownIsHeardIfItCanBeAnswered) {
  Hello h = hello();
  h.from.node = raft::NodeId{4};
  h.from.address = "10.0.0.4:7490";
  EXPECT_EQ(code(h), std::nullopt);
  h.from.cluster_id[0] = 'x';
  EXPECT_EQ(code(h), RefusalCode::wrong_cluster);
  h = hello();
  h.from.node = raft::NodeId{1};
  h.from.address = "10.0.0.1:7490";
  EXPECT_EQ(code(h), RefusalCode::unknown_node) << "not oneself";
}

TEST_F(Judged, WhoWasRemovedIsTold) {
  Hello h = hello();
  h.from.node = raft::NodeId{7};
  h.from.address = "10.0.0.7:7490";
  EXPECT_EQ(code(h), RefusalCode::removed);
}

TEST_F(Judged, WhoJoinsLearnsTheClusterFirst) {
  Hello h = hello();
  h.from.node = raft::NodeId{4};
  h.from.cluster_id = kNoCluster;
  const auto refusal = admission_.judge(h, {});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, RefusalCode::joining);
  EXPECT_EQ(refusal->cluster_id, std::string(16, 'c'));

  LocalIdentity joiner = identity(4);
  joiner.cluster_id = kNoCluster;
  Admission waiting(joiner, host_);
  h = hello();
  h.target = raft::NodeId{4};
  h.from.address = "10.0.0.2:7490";
  EXPECT_EQ(waiting.judge(h, {})->code, RefusalCode::joining);
  waiting.set_cluster(std::string(16, 'c'));
  EXPECT_FALSE(waiting.judge(h, {})) << "it knows nobody, but can answer";
}

TEST_F(Judged, EachFaultHasItsCode) {
  Hello h = hello();
  h.from.cluster_id[0] = 'x';
  EXPECT_EQ(code(h), RefusalCode::wrong_cluster);
  h = hello();
  h.target = raft::NodeId{3};
  EXPECT_EQ(code(h), RefusalCode::wrong_node);
  EXPECT_EQ(code(hello(), raft::NodeId{3}), RefusalCode::wrong_node);
  h = hello();
  h.from.node = raft::NodeId{4};
  EXPECT_EQ(code(h), RefusalCode::unknown_node);
  h.from.node = raft::NodeId{1};  // myself, by way of a wrong address
  EXPECT_EQ(code(h), RefusalCode::unknown_node);
  h = hello();
  h.from.min_protocol = 2;
  h.from.max_protocol = 9;
  EXPECT_EQ(code(h), RefusalCode::version);
  // A stranger's disk is nobody's business: none of these asked the host to pin anything.
  EXPECT_EQ(host_.asked, 0);
  h = hello();
  h.from.storage_id = std::string(16, 'r');
  EXPECT_EQ(code(h), RefusalCode::identity);
}

TEST_F(Judged, AnEarlierLifeIsRefusedAfterALaterOne) {
  Hello h = hello();
  EXPECT_EQ(code(h), std::nullopt);
  h.from.incarnation = 6;
  h.from.boot = 100;
  EXPECT_EQ(code(h), std::nullopt);
  EXPECT_EQ(code(hello()), RefusalCode::other_life);
}

TEST_F(Judged, TwoProcessesOnCopiesOfADiskAreNoticed) {
  Hello h = hello();
  EXPECT_EQ(code(h), std::nullopt);
  h.from.boot = 100;
  EXPECT_EQ(code(h), RefusalCode::other_life);
}

TEST_F(Judged, VersionsThatOverlapAreFine) {
  Hello h = hello();
  h.from.min_protocol = 0;
  h.from.max_protocol = 7;
  EXPECT_EQ(code(h), std::nullopt);
}

TEST(HandshakeFrames, MalformedHellosAreNotRead) {
  FrameWriter writer(kMaxHandshakeFrameBytes);
  LocalIdentity short_id{"short", raft::NodeId{1}, std::string(16, 's'), 1, 1};
  write_hello(writer, {short_id, Lane::log, raft::NodeId{2}});
  const std::string bytes = stream_of(writer);
  const Frame frame{
      FrameKind::hello, raft::kDefaultGroup, std::string_view(bytes).substr(kFrameHeadBytes + kBodyHeadBytes), {}};
  EXPECT_FALSE(read_hello(frame));
  EXPECT_FALSE(read_hello({FrameKind::hello, raft::kDefaultGroup, "\xff\xff", {}}));
  EXPECT_FALSE(read_hello({FrameKind::heartbeat, raft::kDefaultGroup, {}, {}}));
}

}  // namespace
}  // namespace tenaz::server::peer::test
