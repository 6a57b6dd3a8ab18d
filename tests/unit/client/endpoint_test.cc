#include "client/endpoint.h"

#include <gtest/gtest.h>

namespace tenaz::client {
namespace {

TEST(Endpoint, IsReadInEveryForm) {
  EXPECT_EQ(parse_endpoint("http://a.example:80")->url(), "http://a.example:80");
  EXPECT_EQ(parse_endpoint("http://a.example:80/")->url(), "http://a.example:80");
  EXPECT_EQ(parse_endpoint("10.0.0.1:7481")->url(), "http://10.0.0.1:7481");
  EXPECT_EQ(parse_endpoint("localhost")->url(), "http://localhost:7480");
  EXPECT_EQ(parse_endpoint("[::1]:80")->url(), "http://[::1]:80");
  EXPECT_EQ(parse_endpoint("http://[::1]")->url(), "http://[::1]:7480");
}

TEST(Endpoint, AnythingElseIsRefused) {
  for (const char* text : {"", "http://", ":80", "a:", "a:0", "a:65536", "a:x", "https://a:80", "a:80/path", "[::1",
                           "[::1]80", "::1:80", "a b:80", "u@h:80"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
}

TEST(Endpoint, ListsAreSeparatedByCommas) {
  ASSERT_TRUE(parse_endpoints("a:1,http://b:2"));
  EXPECT_EQ(parse_endpoints("a:1,http://b:2")->size(), 2U);
  EXPECT_FALSE(parse_endpoints(""));
  EXPECT_FALSE(parse_endpoints("a:1,"));
  EXPECT_FALSE(parse_endpoints("a:1,,b:1"));
}

}  // namespace
}  // namespace tenaz::client
