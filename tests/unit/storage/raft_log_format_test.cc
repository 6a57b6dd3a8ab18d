#include "storage/raft_log_format.h"

#include <gtest/gtest.h>

#include "tests/unit/storage/support.h"

namespace tenaz::storage::format {
namespace {

std::string operator""_b(const char* text, std::size_t size) {
  return {text, size};
}

// The example of raft_log_format.h. A change of these bytes needs a new kRaftFormat.
TEST(RaftLogFormat, TheWorkedExample) {
  EXPECT_EQ(entry_key(raft::GroupId(1), raft::Index(5)), "\x02\0\0\0\x01\0\0\0\0\0\0\0\x05"_b);
  const raft::Entry entry{raft::Term(2), raft::Index(5), raft::EntryKind::commands, raft::make_payload("abc")};
  const std::uint32_t crc = crc32c_portable(
      "\x05\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01"
      "abc"_b);
  std::string expected = "\x01\x02\0\0\0\0\0\0\0\x01"_b;
  for (int i = 0; i < 4; ++i) expected.push_back(static_cast<char>(crc >> (8 * i)));
  EXPECT_EQ(entry_header(entry), expected);
  EXPECT_EQ(group_key(raft::GroupId(1), GroupField::bounds),
            "\x01\0\0\0\x01"
            "b"_b);
  EXPECT_EQ(encode(Bounds{raft::Index(1), raft::Term(0), raft::Index(5), raft::Term(2)}),
            "\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"_b);
}

TEST(RaftLogFormat, Records) {
  EXPECT_EQ(encode(IdentityRecord{1, "0123456789abcdef", raft::NodeId(3), "fedcba9876543210"}),
            "\x01\0\0\0"
            "0123456789abcdef"
            "\x03\0\0\0\0\0\0\0"
            "fedcba9876543210"_b);
  EXPECT_EQ(kIdentityKey, "\0i"_b);
  EXPECT_EQ(kIncarnationKey, "\0n"_b);
  EXPECT_EQ(kCountKey, "\0s"_b);
  EXPECT_EQ(group_key(raft::GroupId(1), GroupField::hard_state), "\x01\0\0\0\x01h"_b);
  EXPECT_EQ(group_key(raft::GroupId(1), GroupField::configuration),
            "\x01\0\0\0\x01"
            "c"_b);
  EXPECT_EQ(group_key(raft::GroupId(1), GroupField::state_directory),
            "\x01\0\0\0\x01"
            "d"_b);
  EXPECT_EQ(encode(raft::HardState{raft::Term(4), raft::NodeId(2)}), "\x04\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"_b);
  EXPECT_EQ(encode(raft::HardState{raft::Term(4), raft::NodeId(2), raft::Duration(0x0102)}),
            "\x04\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0"_b);
  EXPECT_EQ(pin_key(raft::NodeId(2)), "\0p\0\0\0\0\0\0\0\x02"_b);
  EXPECT_EQ(encode(PeerPin{raft::NodeId(2), "fedcba9876543210", 9, 3}),
            "\x09\0\0\0\0\0\0\0"
            "\x03\0\0\0\0\0\0\0"
            "fedcba9876543210"_b);
  const auto pin = decode_pin(pin_key(raft::NodeId(2)), encode(PeerPin{raft::NodeId(2), "fedcba9876543210", 9, 77}));
  ASSERT_TRUE(pin);
  EXPECT_EQ(pin->id, raft::NodeId(2));
  EXPECT_EQ(pin->incarnation, 9U);
  EXPECT_EQ(pin->boot, 77U);
}

TEST(RaftLogFormat, HardStatesComeBackAndNothingElseIsOne) {
  for (const raft::HardState& state : {raft::HardState{raft::Term(4), raft::NodeId(2)},
                                       raft::HardState{raft::Term(4), raft::NodeId(2), std::chrono::minutes(10)}})
    EXPECT_EQ(decode_hard_state(encode(state)), state);
  const std::string bytes = encode(raft::HardState{raft::Term(4), raft::NodeId(2), std::chrono::milliseconds(250)});
  for (const std::size_t size : {0U, 8U, 15U, 17U, 23U}) EXPECT_FALSE(decode_hard_state(bytes.substr(0, size))) << size;
  EXPECT_FALSE(decode_hard_state(bytes + "x"));
  EXPECT_FALSE(decode_hard_state(bytes.substr(0, 16) + std::string(8, '\xff'))) << "a promise of less than nothing";
}

TEST(RaftLogFormat, AnEntryIsBoundToItsIndexTermKindAndBytes) {
  const raft::Entry entry{raft::Term(2), raft::Index(5), raft::EntryKind::commands, raft::make_payload("payload")};
  const std::string value = entry_header(entry) + *entry.payload;
  const auto back = decode_entry(entry.index, value);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->term, entry.term);
  EXPECT_EQ(back->kind, entry.kind);
  EXPECT_EQ(*back->payload, "payload");
  EXPECT_EQ(check_entry(entry.index, value), entry.term);
  EXPECT_FALSE(decode_entry(raft::Index(6), value));
  for (std::size_t bit = 0; bit < value.size() * 8; ++bit) {
    std::string bad = value;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_entry(entry.index, bad)) << "bit " << bit;
  }
  for (std::size_t size = 0; size < value.size(); ++size) EXPECT_FALSE(check_entry(entry.index, value.substr(0, size)));
}

TEST(RaftLogFormat, Starts) {
  const std::string bytes = encode(Starts{2, {7, 5}});
  EXPECT_EQ(bytes,
            "\x02\0\0\0\0\0\0\0"
            "\x07\0\0\0\0\0\0\0"
            "\x05\0\0\0\0\0\0\0"_b);
  const auto back = decode_starts(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->incarnation, 2U);
  EXPECT_EQ(back->boots, (std::vector<std::uint64_t>{7, 5}));
  EXPECT_FALSE(decode_starts(""));
  EXPECT_FALSE(decode_starts(bytes.substr(1)));
}

TEST(RaftLogFormat, ANewerIdentityIsReadForItsFormatAlone) {
  const auto record = decode_identity("\x02\0\0\0 something else entirely"_b);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->format, 2U);
  EXPECT_FALSE(decode_identity("\x01\0\0\0 too short"_b));
  EXPECT_FALSE(decode_bounds(encode(Bounds{raft::Index(7), raft::Term(0), raft::Index(5), raft::Term(2)})));
}

}  // namespace
}  // namespace tenaz::storage::format
