// /v1/kv: pages, cursors, range deletes.
#include "tests/unit/server_http/client.h"

namespace tenaz::server::test {
namespace {

class List : public HttpTest {
 protected:
  void fill(int count, const std::string& prefix = "k") {
    for (int i = 0; i < count; ++i) {
      put(prefix + std::to_string(i), "v" + std::to_string(i));
    }
  }
};

TEST_F(List, ItemsInKeyOrder) {
  put("b", "2");
  put("a", "1");
  put("%FF", "\xFE");
  const Reply reply = call("GET", "/v1/kv");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.header("tenaz-revision"), "3");
  EXPECT_EQ(reply.json(), boost::json::parse(R"({"revision":3,"items":[
      {"key":"a","value":"1","create_revision":2,"mod_revision":2,"version":1},
      {"key":"b","value":"2","create_revision":1,"mod_revision":1,"version":1},
      {"key_base64":"/w==","value_base64":"/g==","create_revision":3,"mod_revision":3,"version":1}]})"));
  EXPECT_EQ(
      call("GET", "/v1/kv?start=b&end=c&keys_only=true").json(),
      boost::json::parse(R"({"revision":3,"items":[{"key":"b","create_revision":1,"mod_revision":1,"version":1}]})"));
  EXPECT_EQ(call("HEAD", "/v1/kv").header("content-length"), std::to_string(reply.body.size()));
}

TEST_F(List, EmptyStore) {
  EXPECT_EQ(call("GET", "/v1/kv").json(), boost::json::parse(R"({"revision":0,"items":[]})"));
}

TEST_F(List, PagesStayOnTheirRevision) {
  fill(7);
  put("other", "x");
  std::vector<std::string> keys;
  std::string cursor;
  for (int page = 0; page < 10; ++page) {
    const Reply reply = call("GET", "/v1/kv?prefix=k&limit=3" + (cursor.empty() ? "" : "&cursor=" + cursor));
    ASSERT_EQ(reply.status, 200u);
    EXPECT_EQ(reply.header("tenaz-revision"), "8");
    const auto object = reply.json().as_object();
    for (const auto& item : object.at("items").as_array()) {
      keys.emplace_back(item.at("key").as_string());
    }
    if (!object.contains("cursor")) {
      break;
    }
    cursor = std::string(object.at("cursor").as_string());
    put("k" + std::to_string(page) + "-new", "late");  // not in a list at the older revision
  }
  EXPECT_EQ(keys, (std::vector<std::string>{"k0", "k1", "k2", "k3", "k4", "k5", "k6"}));
}

TEST_F(List, MaxBytesGivesAtLeastOneItem) {
  put("a", std::string(1000, 'x'));
  put("b", "y");
  const auto object = call("GET", "/v1/kv?max_bytes=10").json().as_object();
  EXPECT_EQ(object.at("items").as_array().size(), 1u);
  EXPECT_TRUE(object.contains("cursor"));
}

TEST_F(List, MaxBytesCountsEscapesToo) {
  for (const char* key : {"a", "b", "c"}) {
    put(key, std::string(1000, '\x01'));  // six bytes each in JSON
  }
  std::size_t pages = 0;
  std::string cursor;
  do {
    const Reply reply = call("GET", "/v1/kv?max_bytes=13000" + (cursor.empty() ? "" : "&cursor=" + cursor));
    ASSERT_EQ(reply.status, 200u);
    EXPECT_LT(reply.body.size(), 13'500u);
    const auto object = reply.json().as_object();
    EXPECT_EQ(object.at("items").as_array().size(), pages == 0 ? 2u : 1u);
    cursor = object.contains("cursor") ? std::string(object.at("cursor").as_string()) : "";
    ++pages;
  } while (!cursor.empty());
  EXPECT_EQ(pages, 2u);
}

TEST_F(List, BadCursors) {
  fill(3);
  const std::string cursor(call("GET", "/v1/kv?prefix=k&limit=1").json().at("cursor").as_string());
  std::string tampered = cursor;
  tampered[3] = tampered[3] == 'A' ? 'B' : 'A';
  for (const std::string& query :
       {"prefix=k&cursor=" + tampered, std::string("prefix=k&cursor=AAAA"), std::string("prefix=k&cursor="),
        "prefix=x&cursor=" + cursor, "cursor=" + cursor, "prefix=k&revision=1&cursor=" + cursor}) {
    const Reply reply = call("GET", "/v1/kv?" + query);
    EXPECT_EQ(reply.status, 400u) << query;
    EXPECT_EQ(reply.problem(), "bad_parameter") << query;
    EXPECT_EQ(reply.member("parameter"), "cursor") << query;
  }
  put("z", "1");
  node_->store().compact(storage::Revision{4});
  const Reply reply = call("GET", "/v1/kv?prefix=k&cursor=" + cursor);
  EXPECT_EQ(reply.status, 410u);
  EXPECT_EQ(reply.problem(), "compacted");
}

TEST_F(List, AtARevision) {
  fill(2);
  EXPECT_EQ(call("GET", "/v1/kv?revision=1").json().at("items").as_array().size(), 1u);
  EXPECT_EQ(call("GET", "/v1/kv?revision=9").problem(), "future_revision");
  EXPECT_EQ(call("GET", "/v1/kv?consistency=voted").problem(), "voting_disabled");
}

TEST_F(List, RangeDelete) {
  fill(5);
  put("other", "x");
  Reply reply = call("DELETE", "/v1/kv?prefix=k&max_keys=4");
  EXPECT_EQ(reply.status, 413u);
  EXPECT_EQ(reply.problem(), "too_many_keys");
  EXPECT_EQ(reply.member("outcome"), "not_applied");
  reply = call("DELETE", "/v1/kv?prefix=k");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.json(), boost::json::parse(R"({"revision":7,"deleted":5})"));
  EXPECT_EQ(reply.header("tenaz-revision"), "7");
  EXPECT_EQ(get("other").body, "x");
  EXPECT_EQ(call("DELETE", "/v1/kv?start=o&end=p").json().at("deleted").to_number<int>(), 1);
}

TEST_F(List, RangeDeleteNeedsARange) {
  put("a", "1");
  const std::pair<const char*, const char*> empty[] = {
      {"", "prefix"},   {"?max_keys=3", "prefix"}, {"?prefix=", "prefix"},   {"?start=", "start"},
      {"?end=", "end"}, {"?start=&end=", "start"}, {"?start=a&end=", "end"}, {"?start=&end=b", "start"},
  };
  for (const auto& [query, parameter] : empty) {
    const Reply reply = call("DELETE", "/v1/kv" + std::string(query));
    EXPECT_EQ(reply.status, 400u) << query;
    EXPECT_EQ(reply.problem(), "bad_parameter") << query;
    EXPECT_EQ(reply.member("parameter"), parameter) << query;
    EXPECT_EQ(reply.member("outcome"), "not_applied") << query;
  }
  EXPECT_EQ(call("DELETE", "/v1/kv?prefix=a", "If-Match: *\r\n").problem(), "bad_precondition");
  EXPECT_EQ(get("a").body, "1");
}

}  // namespace
}  // namespace tenaz::server::test
