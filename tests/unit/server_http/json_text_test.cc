#include "server/http/json_text.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <random>

namespace tenaz::server::http {
namespace {

// The dumb twin: decode code point by code point and look at the number.
bool slow_valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (length == 0 || i + length > text.size()) {
      return false;
    }
    std::uint32_t point = length == 1 ? lead : lead & (0x7FU >> length);
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if (next >> 6 != 2) {
        return false;
      }
      point = point << 6 | (next & 63U);
    }
    constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) {
      return false;
    }
    i += length;
  }
  return true;
}

TEST(JsonText, Utf8AgreesWithTheSlowWay) {
  std::mt19937 random(7);
  const std::string pool =
      "ab\x7F\x80\xBF\xC0\xC1\xC2\xDF\xE0\xA0\x9F\xED\xEF\xF0\x90\x8F\xF4\xF5\xFF\xE2\x82\xAC\xF0\x9F\x98\x80";
  int valid = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string text(round % 3 == 0 ? 9 : 0, 'x');
    const auto length = random() % 6;
    for (unsigned i = 0; i < length; ++i) {
      text += pool[random() % pool.size()];
    }
    const bool expected = slow_valid_utf8(text);
    valid += expected ? 1 : 0;
    ASSERT_EQ(valid_utf8(text), expected) << boost::json::serialize(boost::json::value(round));
  }
  EXPECT_GT(valid, 1000);
}

TEST(JsonText, Utf8EdgePoints) {
  for (const char* good : {"", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(valid_utf8(good));
  }
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xE2\x82", "\xFF"}) {
    EXPECT_FALSE(valid_utf8(bad));
  }
}

TEST(JsonText, Base64VectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"},
                                                         {"\xFB\xFF\xFE", "+//+"}};
  for (const auto& [bytes, expected] : vectors) {
    std::string out = "<";
    append_base64(out, bytes);
    EXPECT_EQ(out, std::string("<") + expected);
  }
}

TEST(JsonText, Base64UrlGoesThereAndBack) {
  std::mt19937 random(11);
  for (std::size_t length = 0; length < 70; ++length) {
    std::string bytes;
    for (std::size_t i = 0; i < length; ++i) {
      bytes += static_cast<char>(random());
    }
    const std::string text = base64url(bytes);
    EXPECT_EQ(text.find_first_of("+/="), std::string::npos);
    EXPECT_EQ(from_base64url(text), bytes);
  }
}

TEST(JsonText, Base64UrlTakesOneSpellingOnly) {
  for (const char* bad : {"A", "AAAAA", "Zg==", "Z+8", "Z/8", "Z g", "Zh", "Zm9"}) {
    EXPECT_FALSE(from_base64url(bad)) << bad;
  }
}

TEST(JsonText, StringsReadBackTheSame) {
  std::string all;
  for (int c = 0; c < 128; ++c) {
    all += static_cast<char>(c);
  }
  all += "\xE2\x82\xAC \xF0\x9F\x98\x80";
  std::string out;
  append_json_string(out, all);
  EXPECT_EQ(boost::json::parse(out).as_string(), all);
}

TEST(JsonText, BytesTakeTheirFormFromWhatTheyAre) {
  std::string out;
  append_json_bytes(out, "key", "a\"b");
  EXPECT_EQ(out, R"("key":"a\"b")");
  out.clear();
  append_json_bytes(out, "value", "\xFF\x01");
  EXPECT_EQ(out, R"("value_base64":"/wE=")");
}

TEST(JsonText, Numbers) {
  std::string out;
  append_number(out, 0);
  append_number(out, 18446744073709551615U);
  EXPECT_EQ(out, "018446744073709551615");
}

}  // namespace
}  // namespace tenaz::server::http
