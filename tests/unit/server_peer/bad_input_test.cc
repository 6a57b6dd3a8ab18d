// Strangers and vandals: what they send closes their connection with one log line, and the members do not notice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/write.hpp>

#include "server/peer/handshake.h"
#include "server/peer/wire.h"
#include "tests/unit/server_peer/support.h"

namespace tenaz::server::peer::test {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

class Vandal {
 public:
  Vandal(asio::io_context& io, const TestNode& node) : socket_(io) {
    socket_.connect({asio::ip::make_address("127.0.0.1"),
                     static_cast<std::uint16_t>(std::stoi(node.address().substr(node.address().find(':') + 1)))});
    socket_.non_blocking(true);
  }

  void send(const std::string& bytes) {
    boost::system::error_code ignored;
    socket_.write_some(asio::buffer(bytes), ignored);
  }
  void hang_up() { socket_.close(); }

  // The other side has closed; what it said before is in `heard`.
  bool closed() {
    char buffer[4096];
    boost::system::error_code error;
    for (;;) {
      const std::size_t n = socket_.read_some(asio::buffer(buffer), error);
      if (error == asio::error::would_block) return false;
      if (error) return true;
      heard.append(buffer, n);
    }
  }

  std::string heard;

 private:
  tcp::socket socket_;
};

std::string hello_bytes(const TestNode& target, LocalIdentity from, Lane lane) {
  FrameWriter writer(kMaxHandshakeFrameBytes);
  writer.preamble();
  write_hello(writer, {std::move(from), lane, target.identity().node});
  return stream_of(writer);
}

std::string frame_bytes(PeerMessage message) {
  Encoder encoder;
  FrameWriter writer(64 << 20);
  encoder.encode(std::move(message), writer);
  return stream_of(writer);
}

struct BadInput : testing::Test {
  BadInput() {
    introduce({&a, &b});
    raft::Member three{raft::NodeId{3}, "", "127.0.0.1:1", "", ""};
    a.transport().set_members({a.member(), b.member(), three});
    identity3.node = raft::NodeId{3};
    identity3.storage_id = std::string(16, '3');
    EXPECT_TRUE(until([&] { return a.connected_to(b) && b.connected_to(a); }));
  }
  bool until(const std::function<bool()>& condition) { return run_until(io, condition); }

  // After whatever happened: the members still talk, over the connections that they had.
  void expect_unharmed() {
    const std::size_t before = a.received.size();
    b.transport().send(raft::NodeId{1}, NodeReport{true});
    b.transport().send(raft::NodeId{1}, raft::Message{raft::AppendReply{}});
    EXPECT_TRUE(until([&] { return a.received.size() == before + 2; })) << log.all();
    EXPECT_EQ(a.received[before].from.value, 2U);
    EXPECT_EQ(b.transport().counters().disconnects, 0U);
    a.received.clear();
  }

  // `bytes` close the connection, with one line that says `why`.
  void expect_closed(const std::string& bytes, const std::string& why) {
    Vandal vandal(io, a);
    vandal.send(bytes);
    EXPECT_TRUE(until([&] { return vandal.closed(); })) << why;
    EXPECT_EQ(log.count(why), 1U) << log.all();
    EXPECT_TRUE(a.received.empty());
    expect_unharmed();
  }

  CapturedLog log;
  asio::io_context io;
  TestNode a{io, 1};
  TestNode b{io, 2};
  LocalIdentity identity3 = a.identity();
};

TEST_F(BadInput, BeforeTheHandshake) {
  expect_closed("GET / HTTP/1.1\r\n\r\n", "does not speak tenaz's peer protocol");
  const std::string preamble(kPreamble);
  expect_closed(preamble + std::string("\x05\x00\x00\x00", 4) + "zzzzzzzzzzz", "frame of 5 bytes is too short");
  expect_closed(preamble + std::string("\x00\x20\x00\x00zzzz", 8), "frame of 8192 bytes is over the limit of 4096");
  expect_closed(preamble + frame_bytes(NodeReport{true}), "no proper handshake");
  LocalIdentity odd = identity3;
  odd.cluster_id = "odd";
  expect_closed(hello_bytes(a, odd, Lane::log), "no proper handshake");
}

TEST_F(BadInput, AfterTheHandshake) {
  const std::string hello = hello_bytes(a, identity3, Lane::control);
  const std::string good = frame_bytes(NodeReport{true});
  std::string damaged = good;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  expect_closed(hello + damaged, "frame with a wrong checksum");
  expect_closed(hello + std::string("\x01\x00\x00\x10zzzz", 8),
                "frame of 268435457 bytes is over the limit of 16777216");
  expect_closed(hello + frame_bytes(raft::Message{raft::AppendReply{}}), "frame on the wrong lane");
  expect_closed(hello + hello.substr(kPreamble.size()), "frame of unexpected kind 1");
  raft::AppendRequest append;
  append.entries.push_back(
      {raft::Term{1}, raft::Index{1}, raft::EntryKind::commands, raft::make_payload("no payload")});
  expect_closed(hello_bytes(a, identity3, Lane::log) + frame_bytes(raft::Message{append}), "entry 1 is damaged");
  EXPECT_EQ(a.transport().counters().bad_frames, 5U);
}

TEST_F(BadInput, WhatCameBeforeTheBadFrameCounts) {
  Vandal vandal(io, a);
  vandal.send(hello_bytes(a, identity3, Lane::control) + frame_bytes(NodeReport{true}) + std::string(100, '\xff'));
  EXPECT_TRUE(until([&] { return vandal.closed(); }));
  ASSERT_EQ(a.received.size(), 1U);
  EXPECT_EQ(a.received[0].from.value, 3U);
}

TEST_F(BadInput, ATruncatedFrameIsDropped) {
  Vandal vandal(io, a);
  const std::string frame = frame_bytes(NodeReport{true});
  vandal.send(hello_bytes(a, identity3, Lane::control) + frame.substr(0, frame.size() - 1));
  ASSERT_TRUE(until([&] { return vandal.closed() || !vandal.heard.empty(); }));
  vandal.hang_up();
  EXPECT_TRUE(until([&] { return log.count("ended within a frame") == 1; })) << log.all();
  EXPECT_TRUE(a.received.empty());
  expect_unharmed();
}

TEST_F(BadInput, RandomBytesAfterTheHandshake) {
  std::mt19937_64 random(4);
  const std::string hello = hello_bytes(a, identity3, Lane::log);
  for (int round = 0; round < 100; ++round) {
    Vandal vandal(io, a);
    vandal.send(hello + random_bytes(random, 5000));
    vandal.hang_up();
  }
  expect_unharmed();
  // However much noise, few lines.
  EXPECT_LE(log.count("node 3"), 40U) << log.all();
}

TEST_F(BadInput, AFloodOfHalfOpenConnectionsIsBounded) {
  std::vector<std::unique_ptr<Vandal>> flood;
  for (std::size_t i = 0; i < Transport::kMaxPendingHandshakes * 3; ++i) {
    flood.push_back(std::make_unique<Vandal>(io, a));
    flood.back()->send("tenaz");  // the beginning of a preamble, and then silence
    io.restart();
    io.poll();
  }
  // All but the last 64 are closed before any timeout, and one who behaves gets in.
  EXPECT_TRUE(until([&] {
    std::size_t open = 0;
    for (const auto& vandal : flood) open += vandal->closed() ? 0U : 1U;
    return open <= Transport::kMaxPendingHandshakes;
  }));
  Vandal member(io, a);
  member.send(hello_bytes(a, identity3, Lane::control) + frame_bytes(NodeReport{true}));
  EXPECT_TRUE(until([&] { return a.received.size() == 1; })) << log.all();
  EXPECT_LE(log.count("too many connections without a handshake"), 1U);
  // The rest runs into the handshake's own timeout.
  EXPECT_TRUE(until([&] {
    for (const auto& vandal : flood) {
      if (!vandal->closed()) return false;
    }
    return true;
  }));
  EXPECT_EQ(log.count("no handshake in time"), 1U) << log.all();
  a.received.clear();
  expect_unharmed();
}

// The dialing side reads too: what listens at the peer's address may be anything.
TEST_F(BadInput, FromTheOneWhoWasCalled) {
  tcp::acceptor impostor(io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
  tcp::socket caller(io);
  std::size_t calls = 0;
  std::function<void()> accept = [&] {
    impostor.async_accept([&](const auto& error, tcp::socket socket) {
      if (error) return;
      ++calls;
      boost::system::error_code ignored;
      const std::string answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
      asio::write(socket, asio::buffer(answer), ignored);
      caller = std::move(socket);  // closes the one before
      accept();
    });
  };
  accept();
  raft::Member three{raft::NodeId{3}, "", "127.0.0.1:" + std::to_string(impostor.local_endpoint().port()), "", ""};
  a.transport().set_members({a.member(), b.member(), three});
  EXPECT_TRUE(until([&] { return calls >= 9; }));
  EXPECT_FALSE(a.transport().connected(raft::NodeId{3}, Lane::log));
  EXPECT_EQ(log.count("node 3 at " + three.peer + " cannot be reached yet"), 1U) << log.all();
  impostor.close();
  expect_unharmed();
}

}  // namespace
}  // namespace tenaz::server::peer::test
