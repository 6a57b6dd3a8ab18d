// The pure parts: targets, parameters, entity tags, cursors.
#include <gtest/gtest.h>

#include "server/http/cursor.h"
#include "server/http/parameters.h"
#include "server/http/preconditions.h"
#include "server/http/request.h"

namespace tenaz::server::http {
namespace {

using namespace std::chrono_literals;
using Name = Parameters::Name;

std::pair<std::string, std::string> split(std::string target) {
  Request request;
  request.target = std::move(target);
  split_target(request);
  return {std::string(request.path), std::string(request.query)};
}

TEST(Target, PathAndQueryAreSplitRaw) {
  EXPECT_EQ(split("/v1/kv/a%3Fb?x=1?2"), std::pair(std::string("/v1/kv/a%3Fb"), std::string("x=1?2")));
  EXPECT_EQ(split("/v1/kv/a/../b//c"), std::pair(std::string("/v1/kv/a/../b//c"), std::string()));
  EXPECT_EQ(split("http://h:1/p?q"), std::pair(std::string("/p"), std::string("q")));
  EXPECT_EQ(split("http://h"), std::pair(std::string("/"), std::string()));
  EXPECT_EQ(split("http://h?q"), std::pair(std::string(), std::string("q")));
  EXPECT_EQ(split("*"), std::pair(std::string("*"), std::string()));
}

TEST(Target, PercentDecodingHappensOnce) {
  std::string out;
  EXPECT_TRUE(percent_decode("a%2fb%2Bc+%2541%00", out));
  EXPECT_EQ(out, std::string("a/b+c+%41\0", 10));
  for (const char* bad : {"%", "%4", "%zz", "%4g", "a%"}) {
    EXPECT_FALSE(percent_decode(bad, out)) << bad;
  }
}

TEST(Target, MediaTypes) {
  for (const char* yes :
       {"application/json", "text/html, Application/JSON", "application/json;q=0.5", " application/json "}) {
    EXPECT_TRUE(accepts_json(yes)) << yes;
  }
  for (const char* no : {"", "*/*", "application/json;q=0", "application/json; q=0.0", "application/jsonp"}) {
    EXPECT_FALSE(accepts_json(no)) << no;
  }
  EXPECT_TRUE(is_json("application/json; charset=utf-8"));
  EXPECT_FALSE(is_json("text/plain"));
}

std::string fault(std::string_view query, std::uint32_t allowed = ~0U) {
  Parameters parameters;
  const auto problem = parse_parameters(query, allowed, parameters);
  if (!problem) {
    return "";
  }
  EXPECT_EQ(problem->code, Code::bad_parameter);
  return std::string(problem->parameter);
}

TEST(Parameters, Bounds) {
  const std::pair<const char*, const char*> cases[] = {{"limit=1", ""},
                                                       {"limit=10000", ""},
                                                       {"limit=0", "limit"},
                                                       {"limit=10001", "limit"},
                                                       {"limit=-1", "limit"},
                                                       {"limit=+1", "limit"},
                                                       {"limit=", "limit"},
                                                       {"limit", "limit"},
                                                       {"limit=1x", "limit"},
                                                       {"limit=18446744073709551616", "limit"},
                                                       {"revision=18446744073709551615", ""},
                                                       {"revision=0", "revision"},
                                                       {"min_revision=0", ""},
                                                       {"keys_only=yes", "keys_only"},
                                                       {"keys_only", "keys_only"},
                                                       {"verbose", ""},
                                                       {"consistency=strong", "consistency"},
                                                       {"consistency=local", ""},
                                                       {"timeout=60s", ""},
                                                       {"timeout=1m", ""},
                                                       {"timeout=61s", "timeout"},
                                                       {"timeout=2m", "timeout"},
                                                       {"timeout=5", "timeout"},
                                                       {"timeout=0s", "timeout"},
                                                       {"max_keys=0", "max_keys"},
                                                       {"max_bytes=0", "max_bytes"}};
  for (const auto& [query, expected] : cases) {
    EXPECT_EQ(fault(query), expected) << query;
  }
}

TEST(Parameters, UnknownRepeatedAndMalformedAreNamed) {
  EXPECT_EQ(fault("nope=1"), "nope");
  EXPECT_EQ(fault("limit=1&limit=1"), "limit");
  EXPECT_EQ(fault("limit=1", Name::kTimeout), "limit");
  EXPECT_EQ(fault("prefix=%zz"), "prefix");
  EXPECT_EQ(fault("&&limit=1&"), "");
}

TEST(Parameters, ValuesAreDecodedOnceAndPlusIsItself) {
  Parameters parameters;
  EXPECT_FALSE(parse_parameters("prefix=a+b%2B%2541", ~0U, parameters));
  EXPECT_EQ(parameters.prefix, "a+b+%41");
}

TEST(Parameters, Timeouts) {
  const auto timeout = [](const std::string& text) {
    Parameters parameters;
    const auto problem = parse_parameters("timeout=" + text, Parameters::kTimeout, parameters);
    return problem ? std::nullopt : parameters.timeout;
  };
  EXPECT_EQ(timeout("2s"), 2s);
  EXPECT_EQ(timeout("1.5s"), 1500ms);
  EXPECT_EQ(timeout("500ms"), 500ms);
  EXPECT_EQ(timeout("250us"), 250us);
  EXPECT_EQ(timeout("1m"), 1min);
  for (const char* bad : {"", "0s", "-1s", "2", "s", "2 s", "61s", "2m", "1h", "1s1s", "inf", "infs", "0x1s", "1e1s"}) {
    EXPECT_FALSE(timeout(bad)) << bad;
  }
}

TEST(Parameters, Ranges) {
  Parameters p;
  EXPECT_FALSE(parse_parameters("prefix=ab", ~0U, p));
  EXPECT_FALSE(resolve_range(p));
  EXPECT_EQ(p.start, "ab");
  EXPECT_EQ(p.end, "ac");
  for (const char* bad : {"prefix=a&start=b", "prefix=a&end=b", "start=b&end=a", "start=b&end=b"}) {
    Parameters wrong;
    EXPECT_FALSE(parse_parameters(bad, ~0U, wrong));
    EXPECT_TRUE(resolve_range(wrong)) << bad;
  }
}

TEST(EntityTags, Lists) {
  auto tags = parse_tags(R"("7", "9-json" ,W/"11","foreign", "0", "007")");
  ASSERT_TRUE(tags);
  EXPECT_FALSE(tags->any);
  EXPECT_EQ(tags->raw, std::vector<std::uint64_t>{7});
  EXPECT_EQ(tags->json, std::vector<std::uint64_t>{9});
  tags = parse_tags(" * ");
  ASSERT_TRUE(tags);
  EXPECT_TRUE(tags->any);
  EXPECT_TRUE(parse_tags(R"("")"));
  for (const char* bad : {"", " ", "7", "\"7", "\"7\" \"8\"", "*, \"7\"", "\"7\", *", "w/\"7\"", "W/", "\"a b\""}) {
    EXPECT_FALSE(parse_tags(bad)) << bad;
  }
}

TEST(Cursors, GoThereAndBackAndTakeNoChangeOfABit) {
  const Cursor cursor{storage::Revision{42}, std::string("k\0\xFF", 3)};
  const std::string text = encode_cursor(cursor, "a", "z");
  const auto back = decode_cursor(text, "a", "z");
  ASSERT_TRUE(back);
  EXPECT_EQ(back->revision, cursor.revision);
  EXPECT_EQ(back->after, cursor.after);
  EXPECT_FALSE(decode_cursor(text, "a", "y"));
  EXPECT_FALSE(decode_cursor(text, "b", "z"));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(decode_cursor(changed, "a", "z")) << i;
    EXPECT_FALSE(decode_cursor(text.substr(0, i), "a", "z")) << i;
  }
}

}  // namespace
}  // namespace tenaz::server::http
