// POST /v1/compact: what it forgets, and every way in which it is refused with nothing changed.
#include "tests/unit/server_http/client.h"

namespace tenaz::server::test {
namespace {

constexpr std::string_view kJson = "Content-Type: application/json\r\n";

class Compact : public HttpTest {
 protected:
  Reply compact(std::string_view body) { return call("POST", "/v1/compact", kJson, body); }
  std::uint64_t stands() { return node_->store().compact_revision().value; }
};

TEST_F(Compact, ForgetsWhatLiesBelow) {
  for (const char* value : {"1", "2", "3"}) put("a", value);
  const Reply reply = compact(R"({"revision":2})");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.body, "{\"revision\":3,\"compact_revision\":2}\n");
  EXPECT_EQ(call("GET", "/v1/kv/a?revision=1").problem(), "compacted");
  EXPECT_EQ(call("GET", "/v1/kv/a?revision=2").body, "2");
  EXPECT_EQ(call("GET", "/v1/kv/a").body, "3");
  EXPECT_EQ(call("GET", "/v1/status").json().at("compact_revision"), 2);
}

TEST_F(Compact, ACursorFromBelowIsGone) {
  put("a", "1");
  put("b", "1");
  const auto cursor = call("GET", "/v1/kv?limit=1").json().at("cursor").as_string();
  put("c", "1");
  compact(R"({"revision":3})");
  const Reply reply = call("GET", "/v1/kv?limit=1&cursor=" + std::string(cursor.data(), cursor.size()));
  EXPECT_EQ(reply.status, 410u);
  EXPECT_EQ(reply.problem(), "compacted");
}

TEST_F(Compact, TwiceIsRefusedAndSaysWhatIsHeld) {
  for (const char* value : {"1", "2", "3"}) put("a", value);
  compact(R"({"revision":2})");
  for (const char* body : {R"({"revision":2})", R"({"revision":1})"}) {
    const Reply reply = compact(body);
    EXPECT_EQ(reply.status, 410u);
    EXPECT_EQ(reply.problem(), "compacted");
    EXPECT_EQ(reply.member("compact_revision"), "2");
    EXPECT_EQ(reply.member("outcome"), "not_applied");
  }
  EXPECT_EQ(stands(), 2u);
}

TEST_F(Compact, TheFutureIsRefused) {
  put("a", "1");
  for (const char* body : {R"({"revision":2})", R"({"revision":18446744073709551615})"}) {
    const Reply reply = compact(body);
    EXPECT_EQ(reply.status, 400u);
    EXPECT_EQ(reply.problem(), "future_revision");
    EXPECT_EQ(reply.member("outcome"), "not_applied");
  }
  EXPECT_EQ(stands(), 0u);
}

TEST_F(Compact, BadInputChangesNothing) {
  for (const char* value : {"1", "2", "3"}) put("a", value);
  for (const char* body :
       {"", "{", "{}", "[2]", "2", "null", R"({"revision":null})", R"({"revision":"2"})", R"({"revision":0})",
        R"({"revision":-2})", R"({"revision":1.5})", R"({"revision":2.0})", R"({"revision":1e30})",
        R"({"revision":18446744073709551616})", R"({"revision":true})", R"({"revision":2,"physical":true})"}) {
    const Reply reply = compact(body);
    EXPECT_EQ(reply.status, 400u) << body;
    EXPECT_EQ(reply.problem(), "bad_json") << body;
    EXPECT_EQ(reply.member("outcome"), "not_applied") << body;
  }
  EXPECT_EQ(call("POST", "/v1/compact", "", R"({"revision":2})").status, 415u);
  EXPECT_EQ(call("POST", "/v1/compact?x=1", kJson, R"({"revision":2})").problem(), "bad_parameter");
  EXPECT_EQ(call("PUT", "/v1/compact", kJson, R"({"revision":2})").header("allow"), "POST");
  EXPECT_EQ(call("GET", "/v1/compact").status, 405u);
  EXPECT_EQ(stands(), 0u);
}

TEST_F(Compact, FailsAsWritesDo) {
  put("a", "1");
  node_->fail_writes(Failure::timeout, false);
  const Reply unknown = compact(R"({"revision":1})");
  EXPECT_EQ(unknown.status, 504u);
  EXPECT_EQ(unknown.member("outcome"), "unknown");
  node_->fail_writes(Failure::no_leader);
  EXPECT_EQ(compact(R"({"revision":1})").member("outcome"), "not_applied");
}

}  // namespace
}  // namespace tenaz::server::test
