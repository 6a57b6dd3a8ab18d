#include "storage/kv/key_encoding.h"

#include <gtest/gtest.h>

#include <random>

namespace tenaz::storage::kv {
namespace {

std::string operator""_b(const char* text, std::size_t size) {
  return {text, size};
}

// The example of key_encoding.h, byte by byte. A change of these bytes needs a new kStateFormat.
TEST(KeyEncoding, TheWorkedExample) {
  std::string out;
  append_version(out, Version{.mod = 4});
  EXPECT_EQ(out, "\x01\x04\x00\x00\x00\x00"_b);
  out.clear();
  append_version(out, Version{.mod = 3, .create = 3, .version = 1, .value_bytes = 1, .live = true});
  EXPECT_EQ(out, "\x00\x03\x03\x01\x00\x01"_b);

  EXPECT_EQ(history_key("a", 2), "a\0\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFD"_b);
  out.clear();
  append_past(out, {{.mod = 2, .create = 1, .version = 2, .value_bytes = 2, .live = true}, 4});
  EXPECT_EQ(out, "\x00\x01\x02\x00\x02\x04"_b);

  EXPECT_EQ(change_key(2, 0), "\0\0\0\0\0\0\0\x02\0\0\0\0"_b);
  EXPECT_EQ(change_header(false, raft::Index(6), "a") + "yy", "\x00\x06\x01\x61yy"_b);
  EXPECT_EQ(change_header(true, raft::Index(8), "a"), "\x01\x08\x01\x61"_b);

  EXPECT_EQ(encode_applied({raft::Index(8), raft::Term(2), 4}),
            "\x08\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0"_b);
}

TEST(KeyEncoding, Lease) {
  std::string out;
  const Version leased{.mod = 300, .create = 5, .version = 7, .lease = 9, .value_bytes = 1000, .sub = 2, .live = true};
  append_version(out, leased);
  EXPECT_EQ(out, "\x02\xAC\x02\x05\x07\x02\xE8\x07\x09"_b);
  EXPECT_EQ(decode_version(out), leased);
}

std::string random_key(std::mt19937_64& random) {
  // Few different bytes, the awkward ones among them.
  constexpr char kBytes[] = {'\0', '\1', '\2', 'a', '\xFE', '\xFF'};
  std::string key(random() % 6, '\0');
  for (auto& c : key) c = kBytes[random() % sizeof kBytes];
  return key;
}

TEST(KeyEncoding, OrderIsKeyOrderThenNewestFirst) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20000; ++round) {
    const std::string a = random_key(random), b = random_key(random);
    const std::uint64_t ra = random() % 5, rb = random() % 5;
    const std::string ka = history_key(a, ra), kb = history_key(b, rb);
    const bool before = a < b || (a == b && ra > rb);
    EXPECT_EQ(ka < kb, before) << testing::PrintToString(a) << ra << " " << testing::PrintToString(b) << rb;
    EXPECT_EQ(history_prefix_of(ka) == history_prefix_of(kb), a == b);
  }
}

TEST(KeyEncoding, RandomRoundTrips) {
  std::mt19937_64 random(2);
  const auto number = [&] { return random() >> (random() % 64); };
  for (int round = 0; round < 5000; ++round) {
    const Version version{.mod = number(),
                          .create = number(),
                          .version = number(),
                          .lease = random() % 2 == 0 ? 0 : number(),
                          .value_bytes = static_cast<std::uint32_t>(number()),
                          .sub = static_cast<std::uint32_t>(number()),
                          .live = random() % 2 == 0};
    std::string out;
    append_version(out, version);
    EXPECT_EQ(decode_version(out), version);
    EXPECT_FALSE(decode_version(out + "x"));
    for (std::size_t size = 0; size < out.size(); ++size) EXPECT_FALSE(decode_version(out.substr(0, size)));

    const std::string key = history_key(random_key(random), version.mod);
    std::string past;
    const std::uint64_t end = number();
    append_past(past, {version, end});
    const auto back = decode_past(key, past);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->version, version);
    EXPECT_EQ(back->end, end);

    const std::string user_key = random_key(random);
    const raft::Index index(number());
    const std::string stored = change_header(version.live, index, user_key) + "value";
    const auto change = decode_change(stored);
    ASSERT_TRUE(change);
    EXPECT_EQ(change->marker, version.live);
    EXPECT_EQ(change->index, index);
    EXPECT_EQ(change->key, user_key);
    EXPECT_EQ(change->value, "value");
    EXPECT_EQ(change_revision_of(change_key(version.mod, version.sub)), version.mod);
  }
}

TEST(KeyEncoding, ForeignBytesAreRefused) {
  EXPECT_FALSE(decode_version(""));
  EXPECT_FALSE(decode_version("\x04\x01\x01\x01\x00\x01"_b));  // an unknown flag
  EXPECT_FALSE(decode_change(""));
  EXPECT_FALSE(decode_change("\x00\x01\x09short"_b));
  EXPECT_FALSE(decode_applied("short"));
  EXPECT_FALSE(decode_past("k", "\x00\x01\x02\x00\x02\x04"_b));
}

TEST(KeyEncoding, PrefixEnd) {
  EXPECT_EQ(prefix_end("a"), "b");
  EXPECT_EQ(prefix_end("a\xFF"), "b");
  EXPECT_EQ(prefix_end(std::string("a\0", 2)), "a\x01");
  EXPECT_EQ(prefix_end("\xFF\xFF"), "");
  EXPECT_EQ(prefix_end(""), "");
}

}  // namespace
}  // namespace tenaz::storage::kv
