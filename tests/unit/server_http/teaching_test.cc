// The calls of the teaching programs.
#include "tests/unit/server_http/client.h"

namespace tenaz::server::test {
namespace {

constexpr std::string_view kJson = "Content-Type: application/json\r\n";

class Teaching : public HttpTest {
 protected:
  Reply post(std::string_view target, std::string_view body) { return call("POST", target, kJson, body); }
};

TEST_F(Teaching, ClientRequestSetsAndDeletes) {
  Reply reply = post("/client_request", R"({"command":{"type":"set","key":"x","value":10}})");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.member("success"), "true");
  EXPECT_EQ(reply.member("leader_id"), "1");
  EXPECT_EQ(get("x").body, "10");
  EXPECT_EQ(call("GET", "/get/x").json(), boost::json::parse(R"({"key":"x","value":10})"));
  EXPECT_EQ(post("/client_request", R"({"command":{"type":"delete","key":"x"}})").member("success"), "true");
  reply = call("GET", "/get/x");
  EXPECT_EQ(reply.status, 404u);
  EXPECT_EQ(reply.problem(), "not_found");
  EXPECT_EQ(reply.member("error"), "Key not found");
}

TEST_F(Teaching, SetStoresTheJsonText) {
  Reply reply = post("/set", R"({"key":"list","value":[1, "two", {"three":null}]})");
  EXPECT_EQ(reply.json(), boost::json::parse(R"({"success":true,"key":"list","value":[1,"two",{"three":null}]})"));
  EXPECT_EQ(get("list").body, R"([1, "two", {"three":null}])");
  post("/set", R"({"key":"text","value":"hello"})");
  EXPECT_EQ(get("text").body, "\"hello\"");
  EXPECT_EQ(call("GET", "/get/text").member("value"), "hello");
  put("plain", "not json");
  EXPECT_EQ(call("GET", "/get/plain").member("value"), "not json");
}

TEST_F(Teaching, AValueKeepsItsSpelling) {
  const std::vector<std::string> values{
      "0.1", "123456789012345678901234567890", "-0", "1E400", "true", "null", R"("a\u0062\"}\\")",
      "{ }", R"([[],{"x":[1 , 2]}])"};
  for (const std::string& value : values) {
    Reply reply = post("/set", R"( { "value":"first", "\u0076alue" : )" + value + R"( , "key" : "v" } )");
    EXPECT_EQ(reply.status, 200u) << value << reply.body;
    EXPECT_EQ(reply.body, R"({"success":true,"key":"v","value":)" + value + "}\n");
    EXPECT_EQ(get("v").body, value);
    EXPECT_EQ(call("GET", "/get/v").body, R"({"key":"v","value":)" + value + "}\n");
    reply = post("/client_request", R"({"command":{"type":"set","key":"w","value":)" + value + "}}");
    EXPECT_EQ(reply.status, 200u) << value;
    EXPECT_EQ(get("w").body, value);
    EXPECT_NE(call("GET", "/status").body.find(R"("state_machine":{"v":)" + value + R"(,"w":)" + value + "}"),
              std::string::npos);
  }
}

TEST_F(Teaching, SuccessOnlyAfterCommit) {
  serve();
  node_->hold();
  Connection connection(port());
  connection.send(request("POST", "/set", kJson, R"({"key":"x","value":1})"));
  node_->await_held(1);
  EXPECT_EQ(node_->store().revision().value, 0u);
  node_->release();
  EXPECT_EQ(connection.receive().status, 200u);
  node_->fail_writes(Failure::leader_changed, false);
  const Reply reply = post("/set", R"({"key":"x","value":2})");
  EXPECT_EQ(reply.problem(), "leader_changed");
  EXPECT_EQ(reply.member("success"), "false");
  EXPECT_EQ(reply.member("outcome"), "unknown");
}

TEST_F(Teaching, BadBodies) {
  const std::vector<std::string> bodies{"",
                                        "nonsense",
                                        "[]",
                                        "{}",
                                        R"({"command":1})",
                                        R"({"command":{"type":"get","key":"x"}})",
                                        R"({"command":{"type":"set","key":"x"}})",
                                        R"({"command":{"type":"set","key":1,"value":1}})",
                                        std::string(100, '[')};
  for (const std::string& body : bodies) {
    const Reply reply = post("/client_request", body);
    EXPECT_EQ(reply.status, 400u) << body;
    EXPECT_EQ(reply.problem(), "bad_json") << body;
    EXPECT_EQ(reply.member("outcome"), "not_applied") << body;
  }
  EXPECT_EQ(post("/set", R"({"key":"","value":1})").problem(), "bad_key");
  const Reply form = call("POST", "/set", "Content-Type: text/plain\r\n", R"({"key":"x","value":1})");
  EXPECT_EQ(form.status, 415u);
  EXPECT_EQ(form.problem(), "unsupported_media_type");
  EXPECT_EQ(form.member("outcome"), "not_applied");
  EXPECT_EQ(call("GET", "/set").status, 405u);
}

TEST_F(Teaching, ValueTooLarge) {
  limits_.max_value_bytes = 100;
  const Reply reply = post("/set", R"({"key":"x","value":")" + std::string(200, 'v') + "\"}");
  EXPECT_EQ(reply.status, 413u);
  EXPECT_EQ(reply.problem(), "value_too_large");
}

TEST_F(Teaching, StatusShowsAHundredKeys) {
  for (int i = 0; i < 100; ++i) {
    put("k" + std::to_string(i), "1");
  }
  auto status = call("GET", "/status").json().as_object();
  EXPECT_EQ(status.at("state_machine").as_object().size(), 100u);
  EXPECT_FALSE(status.at("truncated").as_bool());
  put("one-more", "1");
  status = call("GET", "/status").json().as_object();
  EXPECT_EQ(status.at("state_machine").as_object().size(), 100u);
  EXPECT_TRUE(status.at("truncated").as_bool());
  for (const char* name :
       {"node_id", "state", "current_term", "voted_for", "leader_id", "log_length", "commit_index", "last_applied"}) {
    EXPECT_TRUE(status.contains(name)) << name;
  }
}

TEST_F(Teaching, Ping) {
  const auto pong = call("GET", "/ping?from=2").json().as_object();
  EXPECT_EQ(pong.at("node_id").to_number<int>(), 1);
  EXPECT_EQ(pong.at("from").to_number<int>(), 2);
  EXPECT_GT(pong.at("timestamp").to_number<double>(), 1e9);
}

TEST_F(Teaching, AbsentUnlessAskedFor) {
  options_.teaching_routes = false;
  for (const char* target : {"/status", "/get/x", "/ping"}) {
    EXPECT_EQ(call("GET", target).problem(), "no_such_route") << target;
  }
  EXPECT_EQ(post("/set", "{}").problem(), "no_such_route");
}

}  // namespace
}  // namespace tenaz::server::test
