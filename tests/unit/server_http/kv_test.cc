// /v1/kv/{key}: values, keys, conditions, consistency, refusals.
#include "tests/unit/server_http/client.h"

namespace tenaz::server::test {
namespace {

using Kv = HttpTest;

TEST_F(Kv, PutGetDelete) {
  Reply reply = put("a", "one");
  EXPECT_EQ(reply.status, 201u);
  EXPECT_EQ(reply.json(), boost::json::parse(R"({"revision":1,"create_revision":1,"version":1})"));
  EXPECT_EQ(reply.header("etag"), "\"1\"");
  EXPECT_EQ(reply.header("tenaz-revision"), "1");
  EXPECT_EQ(reply.header("content-type"), "application/json");
  EXPECT_FALSE(reply.header("date").empty());

  reply = put("a", "two");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.json(), boost::json::parse(R"({"revision":2,"create_revision":1,"version":2})"));

  reply = get("a");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.body, "two");
  EXPECT_EQ(reply.header("content-type"), "application/octet-stream");
  EXPECT_EQ(reply.header("etag"), "\"2\"");
  EXPECT_EQ(reply.header("tenaz-revision"), "2");

  reply = call("DELETE", "/v1/kv/a");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.json(), boost::json::parse(R"({"revision":3,"deleted":1})"));
  EXPECT_EQ(reply.header("tenaz-revision"), "3");
  reply = call("DELETE", "/v1/kv/a");
  EXPECT_EQ(reply.json(), boost::json::parse(R"({"revision":3,"deleted":0})"));

  reply = get("a");
  EXPECT_EQ(reply.status, 404u);
  EXPECT_EQ(reply.problem(), "not_found");
  EXPECT_EQ(reply.header("tenaz-revision"), "3");
  EXPECT_EQ(reply.member("outcome"), "(absent)");
}

TEST_F(Kv, EmptyAndBinaryValues) {
  const std::string bytes("\0\xFF\r\n\r\nx", 7);
  put("b", bytes);
  EXPECT_EQ(get("b").body, bytes);
  EXPECT_EQ(call("PUT", "/v1/kv/e").status, 201u);  // neither length nor body: empty
  EXPECT_EQ(get("e").body, "");
}

TEST_F(Kv, KeysAreBytes) {
  const std::vector<std::string> keys{"a/b//../c", "%00", "%C3%A9", "%FF%FE", "a+b",          "a%2Bb%2520", "%2F",
                                      "/",         ".",   "..",     "a%3Fb",  "\xC3\xA9-raw", "x%0D%0Ay"};
  for (const std::string& key : keys) {
    EXPECT_EQ(put(key, key).status, key == "/" ? 200u : 201u) << key;  // "%2F" and "/" are the same key
  }
  for (const std::string& key : keys) {
    EXPECT_EQ(get(key).body, key == "%2F" ? "/" : key) << key;
  }
  EXPECT_EQ(get("a%20b").status, 404u);
}

TEST_F(Kv, KeyLengths) {
  const std::string most(4096, 'k');
  EXPECT_EQ(put(most, "v").status, 201u);
  EXPECT_EQ(get(most).body, "v");
  Reply reply = put(most + "k", "v");
  EXPECT_EQ(reply.status, 400u);
  EXPECT_EQ(reply.problem(), "bad_key");
  EXPECT_EQ(reply.member("outcome"), "not_applied");
  std::string escaped;
  for (int i = 0; i < 4096; ++i) {
    escaped += "%FF";
  }
  EXPECT_EQ(put(escaped, "v").status, 201u);
  EXPECT_EQ(get("").problem(), "bad_key");
}

TEST_F(Kv, MalformedPercentEncodingIsABadKey) {
  for (const char* key : {"%", "%4", "%zz", "a%G0"}) {
    const Reply reply = get(key);
    EXPECT_EQ(reply.status, 400u) << key;
    EXPECT_EQ(reply.problem(), "bad_key") << key;
    EXPECT_EQ(reply.header("tenaz-revision"), "0");
  }
}

TEST_F(Kv, JsonForm) {
  put("a", "t\"ext");
  Reply reply = get("a", "Accept: application/json\r\n");
  EXPECT_EQ(reply.json(),
            boost::json::parse(
                R"({"key":"a","value":"t\"ext","create_revision":1,"mod_revision":1,"version":1,"revision":1})"));
  EXPECT_EQ(reply.header("etag"), "\"1-json\"");
  EXPECT_EQ(reply.header("vary"), "Accept");
  put("%FF", "\xFE");
  reply = get("%FF", "Accept: application/json\r\n");
  EXPECT_EQ(reply.member("key_base64"), "/w==");
  EXPECT_EQ(reply.member("value_base64"), "/g==");
  EXPECT_EQ(reply.member("key"), "(absent)");
}

TEST_F(Kv, Head) {
  put("a", "value");
  Connection connection(port());
  connection.send(request("HEAD", "/v1/kv/a"));
  Reply reply = connection.receive(true);
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.header("content-length"), "5");
  EXPECT_EQ(reply.header("etag"), "\"1\"");
  connection.send(request("HEAD", "/v1/kv/none"));
  EXPECT_EQ(connection.receive(true).status, 404u);
  connection.send(request("HEAD", "/v1/kv/a", "Accept: application/json\r\n"));
  EXPECT_EQ(connection.receive(true).header("etag"), "\"1-json\"");
  EXPECT_EQ(connection.ask(request("GET", "/v1/kv/a")).body, "value");  // nothing was left behind
}

TEST_F(Kv, CompareAndSet) {
  put("a", "1");
  EXPECT_EQ(put("a", "2", "If-Match: \"1\"\r\n").status, 200u);
  Reply reply = put("a", "3", "If-Match: \"1\"\r\n");
  EXPECT_EQ(reply.status, 412u);
  EXPECT_EQ(reply.problem(), "precondition_failed");
  EXPECT_EQ(reply.header("etag"), "\"2\"");
  EXPECT_EQ(reply.header("tenaz-revision"), "2");
  EXPECT_EQ(reply.member("outcome"), "not_applied");
  EXPECT_EQ(put("a", "3", "If-Match: \"9\", \"2-json\"\r\n").status, 200u);
  EXPECT_EQ(put("a", "4", "If-Match: \"9\"\r\nIf-Match: \"3\"\r\n").status, 200u);
  EXPECT_EQ(put("a", "5", "If-Match: *\r\n").status, 200u);
  reply = put("new", "5", "If-Match: *\r\n");
  EXPECT_EQ(reply.status, 412u);
  EXPECT_EQ(reply.header("etag"), "");
  EXPECT_EQ(put("a", "6", "If-None-Match: *\r\n").status, 412u);
  EXPECT_EQ(put("new", "6", "If-None-Match: *\r\n").status, 201u);
  EXPECT_EQ(call("DELETE", "/v1/kv/new", "If-Match: \"1\"\r\n").status, 412u);
  EXPECT_EQ(call("DELETE", "/v1/kv/new", "If-Match: \"6\"\r\n").status, 200u);
}

TEST_F(Kv, WeakAndForeignTagsNeverMatch) {
  put("a", "1");
  for (const char* tag : {"W/\"1\"", "\"foreign\"", "\"0\"", "\"18446744073709551615\""}) {
    EXPECT_EQ(put("a", "2", "If-Match: " + std::string(tag) + "\r\n").status, 412u) << tag;
    EXPECT_EQ(put("none", "2", "If-Match: " + std::string(tag) + "\r\n").status, 412u) << tag;
    EXPECT_EQ(get("a", "If-None-Match: " + std::string(tag) + "\r\n").status, 200u) << tag;
  }
}

TEST_F(Kv, NotModified) {
  put("a", "1");
  Connection connection(port());
  Reply reply = connection.ask(request("GET", "/v1/kv/a", "If-None-Match: \"1\"\r\n"));
  EXPECT_EQ(reply.status, 304u);
  EXPECT_EQ(reply.header("etag"), "\"1\"");
  EXPECT_EQ(reply.header("tenaz-revision"), "1");
  EXPECT_EQ(connection.ask(request("GET", "/v1/kv/a", "If-None-Match: *\r\n")).status, 304u);
  EXPECT_EQ(connection.ask(request("GET", "/v1/kv/a", "If-None-Match: \"2\"\r\n")).status, 200u);
  const char* json = "Accept: application/json\r\nIf-None-Match: \"1-json\"\r\n";
  EXPECT_EQ(connection.ask(request("GET", "/v1/kv/a", json)).status, 304u);
}

TEST_F(Kv, OtherPreconditionsAreRefused) {
  put("a", "1");
  const std::pair<const char*, const char*> cases[] = {
      {"PUT", "If-None-Match: \"1\"\r\n"},
      {"PUT", "If-Match: 1\r\n"},
      {"PUT", "If-Match: \"1\"\r\nIf-None-Match: *\r\n"},
      {"PUT", "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n"},
      {"DELETE", "If-None-Match: *\r\n"},
      {"GET", "If-Match: \"1\"\r\n"},
      {"GET", "If-None-Match: nonsense\r\n"},
      {"GET", "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n"}};
  for (const auto& [method, headers] : cases) {
    const Reply reply = call(method, "/v1/kv/a", headers,
                             std::string_view(method) == "PUT" ? std::optional<std::string_view>("x") : std::nullopt);
    EXPECT_EQ(reply.status, 400u) << method << headers;
    EXPECT_EQ(reply.problem(), "bad_precondition") << method << headers;
    EXPECT_EQ(reply.header("tenaz-revision"), "1");
  }
  EXPECT_EQ(get("a").body, "1");
}

TEST_F(Kv, Consistency) {
  put("a", "1");
  get("a");
  EXPECT_EQ(node_->read_indexes(), 1u);
  EXPECT_EQ(get("a?consistency=local").body, "1");
  EXPECT_EQ(node_->read_indexes(), 1u);
  get("a?consistency=linearizable");
  EXPECT_EQ(node_->read_indexes(), 2u);
  const Reply reply = get("a?consistency=voted");
  EXPECT_EQ(reply.status, 501u);
  EXPECT_EQ(reply.problem(), "voting_disabled");
}

TEST_F(Kv, Revisions) {
  put("a", "1");
  put("a", "2");
  EXPECT_EQ(get("a?revision=1").body, "1");
  EXPECT_EQ(get("a?revision=1&consistency=local").header("tenaz-revision"), "1");
  EXPECT_EQ(node_->read_indexes(), 0u);  // a past revision cannot change
  Reply reply = get("a?revision=3");
  EXPECT_EQ(reply.status, 400u);
  EXPECT_EQ(reply.problem(), "future_revision");
  EXPECT_EQ(node_->read_indexes(), 1u);  // only the linearized revision can tell
  node_->store().compact(storage::Revision{2});
  reply = get("a?revision=1");
  EXPECT_EQ(reply.status, 410u);
  EXPECT_EQ(reply.problem(), "compacted");
  EXPECT_EQ(reply.header("tenaz-revision"), "2");
}

TEST_F(Kv, MinRevision) {
  put("a", "1");
  EXPECT_EQ(get("a?consistency=local&min_revision=1").body, "1");
  const Reply reply = get("a?consistency=local&min_revision=2&timeout=50ms");
  EXPECT_EQ(reply.status, 504u);
  EXPECT_EQ(reply.problem(), "timeout");
}

TEST_F(Kv, TimeoutReachesTheNode) {
  get("a?timeout=2s");
  EXPECT_LE(node_->last_timeout(), std::chrono::seconds(2));
  EXPECT_GT(node_->last_timeout(), std::chrono::seconds(0));
  put("a?timeout=60s", "v");
  EXPECT_GT(node_->last_timeout(), std::chrono::seconds(5));
}

TEST_F(Kv, BadParametersAreNamed) {
  for (const auto& [query, name] :
       std::vector<std::pair<std::string, std::string>>{{"nope=1", "nope"},
                                                        {"revision=x", "revision"},
                                                        {"timeout=1h", "timeout"},
                                                        {"limit=3", "limit"},
                                                        {"revision=1&revision=1", "revision"},
                                                        {"%zz=1", "%zz"},
                                                        {"%FF=1", "%FF"},
                                                        {"\xFF=1", "?"}}) {
    const Reply reply = get("a?" + query);
    EXPECT_EQ(reply.status, 400u) << query;
    EXPECT_EQ(reply.problem(), "bad_parameter") << query;
    EXPECT_EQ(reply.member("parameter"), name) << query;
  }
  const Reply reply = put("a?revision=1", "v");
  EXPECT_EQ(reply.problem(), "bad_parameter");
  EXPECT_EQ(reply.member("outcome"), "not_applied");
}

struct FailureCase {
  Failure failure;
  unsigned status;
  const char* code;
};
const FailureCase kFailures[] = {
    {Failure::no_leader, 503, "no_leader"}, {Failure::overloaded, 429, "overloaded"},
    {Failure::disk_full, 507, "disk_full"}, {Failure::leader_changed, 503, "leader_changed"},
    {Failure::timeout, 504, "timeout"},     {Failure::stopping, 503, "stopping"}};

TEST_F(Kv, FailedWritesSayWhatIsKnownOfThem) {
  for (const auto& [failure, status, code] : kFailures) {
    for (const bool not_applied : {true, false}) {
      node_->fail_writes(failure, not_applied);
      for (const Reply& reply : {put("a", "v"), call("DELETE", "/v1/kv/a"), call("DELETE", "/v1/kv?prefix=a")}) {
        EXPECT_EQ(reply.status, status);
        EXPECT_EQ(reply.problem(), code);
        EXPECT_EQ(reply.member("outcome"), not_applied ? "not_applied" : "unknown");
        EXPECT_EQ(reply.header("tenaz-revision"), "0");
        EXPECT_EQ(reply.header("retry-after"), failure == Failure::overloaded ? "1" : "");
      }
    }
  }
}

TEST_F(Kv, FailedReads) {
  for (const auto& [failure, status, code] : kFailures) {
    node_->fail_reads(failure);
    for (const Reply& reply : {get("a"), call("GET", "/v1/kv")}) {
      EXPECT_EQ(reply.status, status);
      EXPECT_EQ(reply.problem(), code);
      EXPECT_EQ(reply.member("outcome"), "(absent)");
    }
  }
}

TEST_F(Kv, MethodsNotAllowed) {
  for (const char* method : {"POST", "PATCH", "OPTIONS", "TRACE", "BREW"}) {
    const Reply reply = call(method, "/v1/kv/a", "", "x");
    EXPECT_EQ(reply.status, 405u) << method;
    EXPECT_EQ(reply.problem(), "method_not_allowed") << method;
    EXPECT_EQ(reply.header("allow"), "GET, HEAD, PUT, DELETE") << method;
  }
  EXPECT_EQ(call("PUT", "/v1/kv", "", "x").header("allow"), "GET, HEAD, DELETE");
}

}  // namespace
}  // namespace tenaz::server::test
