#include "storage/command.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

TEST(Crc32c, CheckValueAndKnownVectors) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c_portable("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);    // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);  // RFC 3720, B.4
}

TEST(Crc32c, InstructionAndTableAgreeAndChain) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 500; ++round) {
    std::string bytes(random() % 300, '\0');
    for (auto& c : bytes) c = static_cast<char>(random());
    const std::size_t cut = bytes.empty() ? 0 : random() % bytes.size();
    const std::string_view view = bytes;
    EXPECT_EQ(crc32c(view), crc32c_portable(view));
    EXPECT_EQ(crc32c(view.substr(cut), crc32c(view.substr(0, cut))), crc32c(view));
    EXPECT_EQ(crc32c_portable(view.substr(cut), crc32c_portable(view.substr(0, cut))), crc32c(view));
  }
}

TEST(Payload, Envelope) {
  PayloadBuilder builder;
  EXPECT_TRUE(builder.empty());
  builder.add("ab");
  EXPECT_EQ(builder.commands(), 1U);
  const auto payload = builder.finish(300);
  EXPECT_TRUE(builder.empty());
  // version 1, CRC, then field 2 (2 bytes), field 1 = 300: the format on disk and on the wire.
  const std::string body(
      "\x12\x02"
      "ab\x08\xAC\x02",
      7);
  const std::uint32_t crc = crc32c_portable(body);
  std::string expected(1, '\x01');
  for (int i = 0; i < 4; ++i) expected.push_back(static_cast<char>(crc >> (8 * i)));
  EXPECT_EQ(*payload, expected + body);
}

TEST(Payload, CommandBytesAreHeldDown) {
  auto c = test::put("k", "v");
  c.mutable_origin()->set_sequence(3);
  const std::string expected("\x08\x01\x12\x0D\x08\x01\x11\x07\0\0\0\0\0\0\0\x18\x03\x22\x06\x0A\x01k\x12\x01v", 25);
  EXPECT_EQ(c.SerializeAsString(), expected);
}

TEST(Payload, RoundTrip) {
  PayloadBuilder builder;
  for (std::size_t i = 0; i < 100; ++i)
    builder.add(test::put("k" + std::to_string(i), std::string(i, 'v')).SerializeAsString());
  const auto batch = test::must(parse_payload(*builder.finish(42)));
  EXPECT_EQ(batch.wall_time_ms(), 42U);
  ASSERT_EQ(batch.commands_size(), 100);
  EXPECT_EQ(batch.commands(99).put().key(), "k99");
  // The builder starts anew.
  builder.add(test::del("x").SerializeAsString());
  EXPECT_EQ(test::must(parse_payload(*builder.finish(1))).commands_size(), 1);
}

TEST(Payload, AnyFlippedBitIsNoticed) {
  PayloadBuilder builder;
  builder.add(test::put("key", "value").SerializeAsString());
  const std::string good = *builder.finish(1);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(verify_payload(bad)) << "bit " << bit;
  }
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(verify_payload(good.substr(0, size)));
  std::string newer = good;
  newer[0] = 2;
  EXPECT_EQ(verify_payload(newer).error().code, ErrorCode::newer_format);
  EXPECT_EQ(parse_payload(newer).error().code, ErrorCode::newer_format);
}

}  // namespace
}  // namespace tenaz::storage
