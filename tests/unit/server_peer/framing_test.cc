#include "server/peer/framing.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "server/peer/handshake.h"
#include "server/peer/wire.h"
#include "tests/unit/server_peer/support.h"

namespace tenaz::server::peer::test {
namespace {

// What a reader makes of a stream that comes in pieces of random size.
std::vector<std::string> read_all(std::string_view stream, std::mt19937_64& random, FrameReader& reader) {
  std::vector<std::string> out;
  Decoder decoder;
  while (!stream.empty()) {
    const FrameReader::Space space = reader.space();
    EXPECT_GT(space.bytes, 0U);
    const std::size_t n = std::min({space.bytes, stream.size(), std::size_t{1} + random() % 100'000});
    std::memcpy(space.data, stream.data(), n);
    stream.remove_prefix(n);
    reader.received(n);
    for (;;) {
      auto frame = reader.next();
      if (!frame) {
        out.push_back("error: " + frame.error().message);
        return out;
      }
      if (!frame->has_value()) break;
      auto message = decoder.decode(**frame);
      out.push_back(message ? text(*message) : "error: " + message.error().message);
    }
  }
  return out;
}

TEST(Framing, FramesSurviveAnyCut) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 50; ++round) {
    Encoder encoder;
    FrameWriter writer(16 << 20);
    writer.preamble();
    std::vector<std::string> sent;
    for (PeerMessage& message : one_of_each(random)) {
      sent.push_back(text(message));
      ASSERT_TRUE(encoder.encode(std::move(message), writer));
    }
    FrameReader reader(16 << 20);
    EXPECT_EQ(read_all(stream_of(writer), random, reader), sent);
    EXPECT_FALSE(reader.pending());
  }
}

TEST(Framing, PiecesFromAnyOffsetAreTheStream) {
  std::mt19937_64 random(2);
  Encoder encoder;
  FrameWriter writer(16 << 20);
  for (PeerMessage& message : one_of_each(random)) encoder.encode(std::move(message), writer);
  const std::string whole = stream_of(writer);
  ASSERT_EQ(whole.size(), writer.bytes());
  for (int round = 0; round < 200; ++round) {
    const std::size_t skip = random() % whole.size();
    const std::size_t max_pieces = 1 + random() % 5;
    std::vector<std::string_view> pieces;
    writer.pieces(skip, max_pieces, pieces);
    ASSERT_LE(pieces.size(), max_pieces);
    ASSERT_FALSE(pieces.empty());
    std::string got;
    for (const std::string_view piece : pieces) got += piece;
    EXPECT_EQ(got, whole.substr(skip, got.size()));
  }
}

TEST(Framing, AnyFlippedBitOfAFrameIsNoticed) {
  std::mt19937_64 random(3);
  Encoder encoder;
  FrameWriter writer(1 << 20);
  writer.preamble();
  encoder.encode(raft::Message{raft::Heartbeat{raft::Term{3}, raft::Index{4}, 5}}, writer);
  const std::string whole = stream_of(writer);
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    FrameReader reader(1 << 20);
    const auto got = read_all(damaged, random, reader);
    // A longer length waits for bytes that never come; everything else is an error.
    if (!got.empty()) {
      EXPECT_EQ(got[0].substr(0, 5), "error") << bit;
    } else {
      EXPECT_TRUE(reader.pending());
    }
  }
}

TEST(Framing, ALengthOverTheLimitIsRefusedBeforeMemoryIsTaken) {
  std::mt19937_64 random(4);
  std::string stream(kPreamble);
  stream += std::string("\xff\xff\xff\x7f", 4) + std::string(100, 'x');
  FrameReader reader(1 << 20);
  const auto got = read_all(stream, random, reader);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0], "error: frame of 2147483647 bytes is over the limit of 1048576");
  EXPECT_LE(reader.buffer_bytes(), 64U << 10);
}

TEST(Framing, TheBufferGrowsOnlyWithWhatHasComeAndShrinksAgain) {
  std::mt19937_64 random(5);
  Encoder encoder;
  FrameWriter writer(16 << 20);
  writer.preamble();
  encoder.encode(SnapshotData{"i", true, "f", 0, std::string(8 << 20, 'x')}, writer);
  const std::string whole = stream_of(writer);

  FrameReader reader(16 << 20);
  read_all(whole.substr(0, 100), random, reader);
  EXPECT_LE(reader.buffer_bytes(), 64U << 10);  // though 8 MiB are announced
  const auto got = read_all(whole.substr(100), random, reader);
  EXPECT_EQ(got.size(), 1U);
  EXPECT_LE(reader.buffer_bytes(), (8U << 20) + (128U << 10));
  reader.space();
  EXPECT_LE(reader.buffer_bytes(), 64U << 10);
}

TEST(Framing, AMessageOverTheLimitIsTakenBack) {
  Encoder encoder;
  FrameWriter writer(10'000);
  ASSERT_TRUE(encoder.encode(NodeReport{true}, writer));
  const std::string before = stream_of(writer);
  EXPECT_FALSE(encoder.encode(SnapshotData{"i", true, "f", 0, std::string(20'000, 'x')}, writer));
  EXPECT_FALSE(
      encoder.encode(ForwardWrites{raft::Term{1}, std::vector<std::string>(20, std::string(1000, 'y'))}, writer));
  EXPECT_EQ(stream_of(writer), before);
}

}  // namespace
}  // namespace tenaz::server::peer::test
