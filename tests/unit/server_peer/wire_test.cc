#include "server/peer/wire.h"

#include <gtest/gtest.h>

#include <cstring>

#include "raft/membership.h"
#include "storage/command.h"
#include "tests/unit/server_peer/support.h"

namespace tenaz::server::peer::test {
namespace {

// Through the bytes and back.
storage::Result<PeerMessage> there_and_back(PeerMessage message) {
  Encoder encoder;
  FrameWriter writer(16 << 20);
  writer.preamble();
  EXPECT_TRUE(encoder.encode(std::move(message), writer));
  const std::string stream = stream_of(writer);
  FrameReader reader(16 << 20);
  for (std::size_t at = 0; at < stream.size();) {
    const FrameReader::Space space = reader.space();
    const std::size_t n = std::min(space.bytes, stream.size() - at);
    std::memcpy(space.data, stream.data() + at, n);
    reader.received(n);
    at += n;
    auto frame = reader.next();
    if (!frame) return frame.error();
    if (frame->has_value()) return Decoder().decode(**frame);
  }
  return storage::Error{storage::ErrorCode::invalid, "no frame"};
}

TEST(Wire, EveryKindKeepsEveryField) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    for (PeerMessage& message : one_of_each(random)) {
      const std::string sent = text(message);
      const auto got = there_and_back(std::move(message));
      ASSERT_TRUE(got) << got.error().message << "\n" << sent;
      EXPECT_EQ(text(*got), sent);
    }
  }
}

TEST(Wire, DefaultsSurvive) {
  const std::vector<PeerMessage> empty = {raft::Message{raft::AppendRequest{}},
                                          raft::Message{raft::VoteReply{}},
                                          ForwardWrites{},
                                          SnapshotData{},
                                          SnapshotManifest{},
                                          NodeReport{}};
  for (const PeerMessage& message : empty) {
    const auto got = there_and_back(message);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(text(*got), text(message));
  }
}

// A reused encoder leaves nothing of the message before in the next.
TEST(Wire, ReuseLeavesNoTrace) {
  std::mt19937_64 random(8);
  Encoder reused;
  FrameWriter writer(16 << 20);
  for (int round = 0; round < 50; ++round) {
    for (PeerMessage& message : one_of_each(random)) {
      FrameWriter fresh_writer(16 << 20);
      PeerMessage copy = message;
      writer.clear();
      ASSERT_TRUE(reused.encode(std::move(message), writer));
      ASSERT_TRUE(Encoder().encode(std::move(copy), fresh_writer));
      EXPECT_EQ(stream_of(writer), stream_of(fresh_writer));
    }
  }
}

// The frame's own checksum is right, the proposer's is not: damage that happened before the sender's transport saw it.
TEST(Wire, ADamagedEntryIsRefusedThoughItsFrameIsWhole) {
  std::mt19937_64 random(9);
  const raft::Payload good = command_payload(random, 100);
  for (std::size_t i = 0; i < good->size(); ++i) {
    std::string damaged = *good;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    raft::AppendRequest append;
    append.prev_index = raft::Index{41};
    append.entries.push_back({raft::Term{1}, raft::Index{42}, raft::EntryKind::commands, raft::make_payload(damaged)});
    const auto got = there_and_back(raft::Message{append});
    ASSERT_FALSE(got) << i;
    EXPECT_EQ(got.error().message.substr(0, 19), "entry 42 is damaged");
  }
}

TEST(Wire, AConfigurationThatCannotBeReadIsRefused) {
  const raft::Member one{raft::NodeId{1}, "a", "h:1", "h:2", ""}, two{raft::NodeId{2}, "b", "h:3", "h:4", ""};
  const std::string good = raft::encode(raft::founding_configuration({one, two}));
  const auto sent = [](const std::string& payload) {
    raft::AppendRequest append;
    append.prev_index = raft::Index{41};
    append.entries.push_back(
        {raft::Term{1}, raft::Index{42}, raft::EntryKind::configuration, raft::make_payload(payload)});
    return there_and_back(raft::Message{append});
  };
  ASSERT_TRUE(sent(good));
  std::string later_version = good;
  later_version[0] = 99;
  for (const std::string& bad : {std::string(), good.substr(0, good.size() - 1), good + "x", later_version}) {
    const auto got = sent(bad);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().message, "entry 42 holds no configuration that this version knows");
  }
}

// A configuration with it could not be read by anybody: a leader that appended it would stop.
TEST(Wire, AnAdditionOfNobodyIsRefused) {
  EXPECT_FALSE(there_and_back(ChangeRequest{1, 2, raft::AddMember{}}));
  EXPECT_TRUE(there_and_back(ChangeRequest{1, 2, raft::AddMember{{raft::NodeId{1}, "", "", "", "", false, {}}}}));
}

TEST(Wire, RandomHeadersAndAttachmentsNeverCrash) {
  std::mt19937_64 random(10);
  Decoder decoder;
  std::size_t read = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::string header = random_bytes(random, 40);
    const std::string attachments = random_bytes(random, 40);
    const Frame frame{static_cast<FrameKind>(random() % 45), raft::kDefaultGroup, header, attachments};
    if (decoder.decode(frame)) ++read;
  }
  EXPECT_LT(read, 20'000U);
}

TEST(Wire, AnotherGroupIsRefused) {
  Decoder decoder;
  const auto got = decoder.decode({FrameKind::node_report, raft::GroupId{2}, {}, {}});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().message, "frame of an unknown group");
}

TEST(Wire, AttachmentsMustFitExactly) {
  raft::AppendRequest append;
  append.entries.push_back({raft::Term{1}, raft::Index{1}, raft::EntryKind::noop, raft::make_payload("x")});
  EXPECT_FALSE(there_and_back(raft::Message{append}));  // a no-op has no payload
}

}  // namespace
}  // namespace tenaz::server::peer::test
