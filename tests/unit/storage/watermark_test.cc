#include "storage/watermark.h"

#include <gtest/gtest.h>

#include "storage/command.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

const Synced kSynced{"fedcba9876543210", 7, raft::Index(5), raft::Term(2), raft::Term(3)};

TEST(Watermark, Bytes) {
  std::string expected(
      "tnzsync\x01"
      "fedcba9876543210"
      "\x07\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0",
      56);
  const std::uint32_t crc = crc32c(expected);
  for (int i = 0; i < 4; ++i) expected.push_back(static_cast<char>(crc >> (8 * i)));
  EXPECT_EQ(encode(kSynced), expected);
  EXPECT_EQ(decode_synced(expected), kSynced);
}

TEST(Watermark, DamageSaysNothing) {
  const std::string good = encode(kSynced);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(decode_synced(bad));
    EXPECT_FALSE(decode_synced(good.substr(0, i)));
  }
  EXPECT_FALSE(decode_synced(good + "x"));
}

TEST(Watermark, OverwritesInPlace) {
  test::TempDir dir;
  EXPECT_FALSE(Watermark::read(dir.path()));
  auto watermark = test::must(Watermark::open(dir.path()));
  EXPECT_FALSE(Watermark::read(dir.path()));
  test::must(watermark.write(kSynced));
  Synced later = kSynced;
  later.count = 8;
  test::must(watermark.write(later));
  test::must(watermark.sync());
  EXPECT_EQ(Watermark::read(dir.path()), later);
}

}  // namespace
}  // namespace tenaz::storage
