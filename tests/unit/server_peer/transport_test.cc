// Transports that talk over real sockets on loopback, all driven by the test's thread.
#include "server/peer/transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/unit/server_peer/support.h"

namespace tenaz::server::peer::test {
namespace {

using testing::Contains;

struct TransportTest : testing::Test {
  CapturedLog log;
  boost::asio::io_context io;

  bool until(const std::function<bool()>& condition) { return run_until(io, condition); }
};

TEST_F(TransportTest, EveryKindOfMessageArrivesAsItWasSent) {
  TestNode a(io, 1);
  TestNode b(io, 2);
  introduce({&a, &b});
  ASSERT_TRUE(until([&] { return a.connected_to(b) && b.connected_to(a); })) << log.all();

  std::mt19937_64 random(1);
  std::array<std::vector<std::string>, kLanes> sent;
  std::size_t count = 0;
  for (int round = 0; round < 20; ++round) {
    for (PeerMessage& message : one_of_each(random)) {
      sent[static_cast<std::size_t>(lane_of(message))].push_back(text(message));
      ASSERT_TRUE(a.transport().send(raft::NodeId{2}, std::move(message)));
      ++count;
    }
  }
  ASSERT_TRUE(until([&] { return b.received.size() == count; })) << log.all();
  std::array<std::vector<std::string>, kLanes> got;
  for (const auto& [from, message] : b.received) {
    EXPECT_EQ(from.value, 1U);
    got[static_cast<std::size_t>(lane_of(message))].push_back(text(message));
  }
  EXPECT_EQ(got, sent);
  EXPECT_LE(b.batches, count);

  const TransportCounters& out = a.transport().counters();
  const TransportCounters& in = b.transport().counters();
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    EXPECT_EQ(out.lanes[lane].frames_out, sent[lane].size());
    EXPECT_EQ(in.lanes[lane].frames_in, sent[lane].size());
    EXPECT_EQ(out.lanes[lane].bytes_out, in.lanes[lane].bytes_in);
  }
  EXPECT_EQ(in.bad_frames, 0U);
}

TEST_F(TransportTest, AnAnswerLeavesFromWithinTheCallback) {
  TestNode a(io, 1);
  TestNode b(io, 2);
  b.hook = [&](raft::NodeId from, PeerMessage&) { b.transport().send(from, NodeReport{true}); };
  introduce({&a, &b});
  ASSERT_TRUE(until([&] { return a.connected_to(b) && b.connected_to(a); }));
  for (int i = 0; i < 100; ++i) a.transport().send(raft::NodeId{2}, NodeReport{false});
  EXPECT_TRUE(until([&] { return a.received.size() == 100; }));
}

TEST_F(TransportTest, SevenNodesFindEachOther) {
  std::vector<std::unique_ptr<TestNode>> nodes;
  std::vector<TestNode*> all;
  for (std::uint64_t id = 1; id <= 7; ++id) {
    nodes.push_back(std::make_unique<TestNode>(io, id));
    all.push_back(nodes.back().get());
  }
  introduce(all);
  EXPECT_TRUE(until([&] {
    for (const TestNode* from : all) {
      for (const TestNode* to : all) {
        if (from != to && !from->connected_to(*to)) return false;
      }
    }
    return true;
  }));
}

TEST_F(TransportTest, NothingIsTakenWithoutAConnection) {
  TestNode a(io, 1);
  TestNode b(io, 2);
  EXPECT_FALSE(a.transport().send(raft::NodeId{2}, NodeReport{}));  // no member
  b.end();
  a.transport().set_members({a.member(), b.member()});
  EXPECT_FALSE(a.transport().send(raft::NodeId{2}, NodeReport{}));
  EXPECT_TRUE(until([&] { return !a.unreachable.empty(); }));  // the machine answers that nobody listens
  EXPECT_FALSE(a.transport().send(raft::NodeId{2}, NodeReport{}));
  EXPECT_EQ(a.transport().counters().lanes[0].drops_not_connected, 2U);
  EXPECT_EQ(log.count("node 2 at " + b.address() + " cannot be reached yet"), 1U) << log.all();
}

TEST_F(TransportTest, AStuffedBulkLaneHoldsNothingElse) {
  TestNode a(io, 1, [](PeerOptions& options, LocalIdentity&) { options.max_queue_bytes = 8 << 20; });
  TestNode b(io, 2);
  introduce({&a, &b});
  ASSERT_TRUE(until([&] { return a.connected_to(b); }));
  // Nothing is read meanwhile, since nothing drives the io_context: only the queue takes what is sent.
  std::size_t taken = 0;
  while (a.transport().send(raft::NodeId{2}, SnapshotData{"i", true, "f", taken, std::string(1 << 20, 'x')})) ++taken;
  EXPECT_GE(taken, 8U);
  EXPECT_LE(taken, 9U);
  EXPECT_GT(a.transport().counters().lanes[2].drops_queue_full, 0U);
  // The other lanes take messages, and they are not behind those megabytes.
  ASSERT_TRUE(a.transport().send(raft::NodeId{2}, NodeReport{true}));
  ASSERT_TRUE(a.transport().send(raft::NodeId{2}, raft::Message{raft::AppendReply{}}));
  std::size_t bulk_before_control = 0;
  ASSERT_TRUE(until([&] {
    bulk_before_control = 0;
    for (const auto& received : b.received) {
      if (std::holds_alternative<NodeReport>(received.message)) return true;
      ++bulk_before_control;
    }
    return false;
  }));
  EXPECT_LT(bulk_before_control, taken);
  EXPECT_TRUE(until([&] { return b.received.size() == taken + 2; }));
}

TEST_F(TransportTest, APeerThatRestartsIsFoundAgain) {
  TestNode a(io, 1);
  TestNode b(io, 2);
  introduce({&a, &b});
  ASSERT_TRUE(until([&] { return a.connected_to(b) && b.connected_to(a); }));
  for (int round = 0; round < 3; ++round) {
    a.unreachable.clear();
    b.end();
    ASSERT_TRUE(until([&] { return !a.unreachable.empty(); }));
    EXPECT_FALSE(a.connected_to(b));
    b.begin();
    b.transport().set_members({a.member(), b.member()});
    ASSERT_TRUE(until([&] { return a.connected_to(b) && b.connected_to(a); })) << log.all();
    const std::size_t before = b.received.size();
    ASSERT_TRUE(a.transport().send(raft::NodeId{2}, NodeReport{true}));
    EXPECT_TRUE(until([&] { return b.received.size() == before + 1; }));
  }
  EXPECT_EQ(log.count("lost the connection to node 2"), 3U) << log.all();
  EXPECT_EQ(log.count("connected to node 2 at"), 4U) << log.all();
}

TEST_F(TransportTest, AttemptsBackOff) {
  TestNode a(io, 1, [](PeerOptions& options, LocalIdentity&) {
    options.reconnect_min = std::chrono::milliseconds(1);
    options.reconnect_max = std::chrono::milliseconds(64);
  });
  TestNode b(io, 2);
  b.end();
  a.transport().set_members({a.member(), b.member()});
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(until([&] { return a.transport().counters().connect_failures >= 30; }));
  // Three lanes, ten attempts each: at least half of 1+2+4+...+64+64+64 ms, since timers never fire early.
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
}

TEST_F(TransportTest, AMemberThatIsGoneIsHungUpOn) {
  TestNode a(io, 1);
  TestNode b(io, 2);
  introduce({&a, &b});
  ASSERT_TRUE(until([&] { return a.connected_to(b) && b.connected_to(a); }));
  a.transport().set_members({a.member()}, {raft::NodeId{2}});
  EXPECT_FALSE(a.transport().connected(raft::NodeId{2}, Lane::log));
  EXPECT_TRUE(until([&] { return !b.unreachable.empty(); }));
  EXPECT_TRUE(until([&] { return !b.refused.empty(); }));
  EXPECT_EQ(b.refused[0].second.code, RefusalCode::removed);
}

// A node that knows nobody, as one that has just joined, hears and answers who calls it, and knows it no longer once
// that hangs up.
TEST_F(TransportTest, AGuestIsHeardAndAnsweredWhileItIsConnected) {
  TestNode a(io, 1);
  TestNode b(io, 2);
  a.transport().set_members({a.member(), b.member()});
  ASSERT_TRUE(until([&] { return a.connected_to(b) && b.connected_to(a); }));
  a.transport().send(raft::NodeId{2}, NodeReport{true});
  b.transport().send(raft::NodeId{1}, NodeReport{false});
  EXPECT_TRUE(until([&] { return a.received.size() == 1 && b.received.size() == 1; }));
  a.transport().set_members({a.member()});
  EXPECT_TRUE(until([&] { return !b.transport().connected(raft::NodeId{1}, Lane::control); }));
  EXPECT_FALSE(b.transport().send(raft::NodeId{1}, NodeReport{true}));
}

TEST_F(TransportTest, AProbeTellsWhoIsThere) {
  TestNode a(io, 1);
  TestNode b(io, 2);
  const auto ask = [&](const std::string& address, std::uint64_t target) {
    std::optional<Probed> answer;
    a.transport().probe(address, raft::NodeId{target}, std::chrono::minutes(1),
                        [&](const Probed& probed) { answer = probed; });
    EXPECT_TRUE(until([&] { return answer.has_value(); }));
    return answer.value_or("no answer");
  };
  a.transport().set_members({a.member()});
  const Probed there = ask(b.address(), 2);
  ASSERT_TRUE(std::holds_alternative<LocalIdentity>(there));
  EXPECT_EQ(std::get<LocalIdentity>(there).storage_id, b.identity().storage_id);
  EXPECT_FALSE(b.transport().send(raft::NodeId{1}, NodeReport{true})) << "no connection has come of it";
  EXPECT_EQ(std::get<Refusal>(ask(b.address(), 5)).code, RefusalCode::wrong_node);

  TestNode stranger(io, 3, [](PeerOptions&, LocalIdentity& who) { who.cluster_id = std::string(16, 'd'); });
  const Probed refused = ask(stranger.address(), 3);
  EXPECT_EQ(std::get<Refusal>(refused).code, RefusalCode::wrong_cluster);
  EXPECT_EQ(std::get<Refusal>(refused).cluster_id, std::string(16, 'd'));

  const std::string gone = b.address();
  b.end();
  EXPECT_THAT(std::get<std::string>(ask(gone, 2)), testing::HasSubstr("refused"));
  EXPECT_THAT(std::get<std::string>(ask("nonsense", 2)), testing::HasSubstr("not host:port"));
}

TEST_F(TransportTest, AMemberThatMovesIsFollowed) {
  TestNode a(io, 1);
  TestNode b(io, 2);
  introduce({&a, &b});
  ASSERT_TRUE(until([&] { return a.connected_to(b) && b.connected_to(a); }));
  b.end();
  TestNode elsewhere(io, 2, [&](PeerOptions&, LocalIdentity& identity) { identity.incarnation = 7; });
  introduce({&a, &elsewhere});
  EXPECT_TRUE(until([&] { return a.connected_to(elsewhere) && elsewhere.connected_to(a); })) << log.all();
}

TEST_F(TransportTest, TheNewerConnectionOfAPeerWins) {
  TestNode a(io, 1);
  TestNode b(io, 2);
  introduce({&a, &b});
  ASSERT_TRUE(until([&] { return a.connected_to(b) && b.connected_to(a); }));
  // The same node again, as its next life would come while the old one's connections still look open.
  TestNode again(io, 1, [&](PeerOptions&, LocalIdentity& identity) { identity.incarnation = 1; });
  again.transport().set_members({again.member(), b.member()});
  ASSERT_TRUE(until([&] { return again.connected_to(b); })) << log.all();
  again.transport().send(raft::NodeId{2}, TransferRequest{raft::NodeId{9}});
  ASSERT_TRUE(until([&] { return !b.received.empty(); }));
  // The old life is hung up on, and when it dials again it is told why.
  EXPECT_TRUE(until([&] { return !a.refused.empty(); })) << log.all();
  EXPECT_EQ(a.refused[0].second.code, RefusalCode::other_life);
  EXPECT_TRUE(again.connected_to(b));
}

// --- refusals: both sides know why ---------------------------------------------------------------------------------

struct Stranger {
  const char* name;
  std::function<void(PeerOptions&, LocalIdentity&)> adjust;
  RefusalCode code;
  const char* text;
};

class Refusals : public TransportTest, public testing::WithParamInterface<Stranger> {};

TEST_P(Refusals, AreToldToBothSides) {
  TestNode a(io, 1);
  // What is known of node 2 before it comes with another face.
  LocalIdentity pinned;
  pinned.node = raft::NodeId{2};
  pinned.storage_id = std::string(15, 's') + '2';
  a.check_identity(pinned);
  TestNode b(io, 2, GetParam().adjust);
  raft::Member b_as_2 = b.member();
  b_as_2.id = raft::NodeId{2};
  a.transport().set_members({a.member(), b_as_2});
  b.transport().set_members({a.member(), b_as_2});

  ASSERT_TRUE(until([&] { return !b.refused.empty(); })) << log.all();
  EXPECT_EQ(b.refused[0].first, 1U);
  EXPECT_EQ(b.refused[0].second.code, GetParam().code);
  EXPECT_THAT(b.refused[0].second.text, testing::HasSubstr(GetParam().text));
  EXPECT_THAT(log.all(), testing::HasSubstr("refused node"));
  EXPECT_THAT(log.all(), testing::HasSubstr("refuses this node: "));
  EXPECT_TRUE(a.received.empty());
  EXPECT_FALSE(a.connected_to(b));

  // They go on to try, and say no more than they have said.
  const std::size_t tries = b.refused.size();
  ASSERT_TRUE(until([&] { return b.refused.size() >= tries + 12; }));
  EXPECT_LE(log.count(GetParam().text), 6U) << log.all();
}

INSTANTIATE_TEST_SUITE_P(
    Strangers, Refusals,
    testing::Values(Stranger{"cluster", [](PeerOptions&, LocalIdentity& who) { who.cluster_id = std::string(16, 'd'); },
                             RefusalCode::wrong_cluster, "wrong cluster"},
                    Stranger{"node", [](PeerOptions&, LocalIdentity& who) { who.node = raft::NodeId{3}; },
                             RefusalCode::unknown_node, "unknown node"},
                    Stranger{"version",
                             [](PeerOptions&, LocalIdentity& who) {
                               who.min_protocol = 2;
                               who.max_protocol = 3;
                             },
                             RefusalCode::version, "no common version"},
                    Stranger{"disk", [](PeerOptions&, LocalIdentity& who) { who.storage_id = std::string(16, 'n'); },
                             RefusalCode::identity, "disk replaced: node 2 is known with another storage id"}),
    [](const auto& info) { return info.param.name; });

TEST_F(TransportTest, GreetedAgainAPeerIsJudgedAnew) {
  TestNode a(io, 1);
  TestNode b(io, 2);
  introduce({&a, &b});
  ASSERT_TRUE(until([&] { return a.connected_to(b) && b.connected_to(a); }));
  a.distrusted = b.identity().node;
  a.transport().greet_again(b.identity().node);
  EXPECT_FALSE(a.connected_to(b));
  ASSERT_TRUE(until([&] { return !b.refused.empty() && !b.connected_to(a); }));
  EXPECT_EQ(b.refused[0].second.code, RefusalCode::identity);
  a.transport().greet_again(raft::NodeId{77});  // nobody: nothing happens
}

TEST_F(TransportTest, AWrongAddressIsNoticedByTheCaller) {
  TestNode a(io, 1);
  TestNode b(io, 2);
  TestNode c(io, 3);
  raft::Member misplaced = b.member();
  misplaced.peer = c.address();
  a.transport().set_members({a.member(), misplaced, c.member()});
  c.transport().set_members({a.member(), b.member(), c.member()});
  ASSERT_TRUE(until([&] { return !a.refused.empty(); }));
  EXPECT_EQ(a.refused[0].second.code, RefusalCode::wrong_node);
  EXPECT_EQ(a.refused[0].second.text, "wrong node: node 2 was called, node 3 listens at that address");
  EXPECT_TRUE(until([&] { return a.connected_to(c); }));
}

TEST_F(TransportTest, ABusyPortIsAClearError) {
  TestNode a(io, 1);
  PeerOptions options;
  options.listen = a.address();
  LocalIdentity identity = a.identity();
  Transport second(io, options, identity, a);
  const auto result = second.listen();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "cannot listen for peers on " + a.address() + ": Address already in use");
  EXPECT_EQ(second.port(), 0);

  options.listen = "nonsense";
  Transport third(io, options, identity, a);
  EXPECT_EQ(third.listen().error().message, "'nonsense' is not host:port");
}

}  // namespace
}  // namespace tenaz::server::peer::test
