// What is retried where, and what never is.
#include "client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/client/scripted_server.h"

namespace tenaz::client {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kItem =
    R"({"key":"k","value":"v","create_revision":2,"mod_revision":3,"version":4,"revision":9})";
constexpr const char* kPut = R"({"revision":7,"create_revision":3,"version":2})";

Client client_of(const std::vector<std::string>& urls, std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
  Options options;
  options.timeout = timeout;
  for (const std::string& url : urls) options.endpoints.push_back(*parse_endpoint(url));
  return Client(std::move(options));
}

ScriptedServer::Script always(Answer answer) {
  return [answer](const Asked&) { return answer; };
}

TEST(Client, GetsAValueWithItsRevisions) {
  ScriptedServer node(always(answer(200, kItem)));
  Client client = client_of({node.url()});
  const auto result = client.get("k");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->item.value, "v");
  EXPECT_EQ(result->item.create_revision, 2U);
  EXPECT_EQ(result->item.mod_revision, 3U);
  EXPECT_EQ(result->item.version, 4U);
  EXPECT_EQ(result->revision, 9U);
  EXPECT_EQ(result->json, kItem);
}

TEST(Client, BytesSurviveTheWayThroughJson) {
  ScriptedServer node(always(answer(
      200,
      R"({"key_base64":"/w==","value_base64":"AAECAwT/","create_revision":1,"mod_revision":1,"version":1,"revision":1})")));
  const auto result = client_of({node.url()}).get("\xff");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->item.key, "\xff");
  EXPECT_EQ(result->item.value, std::string("\0\1\2\3\4\xff", 6));
  EXPECT_THAT(node.asked()[0].target, testing::StartsWith("/v1/kv/%FF?"));
}

TEST(Client, KeysAreEncodedOnceAndSlashesKept) {
  ScriptedServer node(always(answer(200, kItem)));
  client_of({node.url()}).get(std::string("a/b c+%?#\0..", 12));
  EXPECT_THAT(node.asked()[0].target, testing::StartsWith("/v1/kv/a/b%20c%2B%25%3F%23%00..?timeout="));
}

TEST(Client, OptionsBecomeParametersAndHeaders) {
  ScriptedServer node([](const Asked& asked) {
    if (asked.method == "PUT") return answer(200, kPut);
    if (asked.method == "DELETE") return answer(200, R"({"revision":8,"deleted":1})");
    return answer(200, kItem);
  });
  Client client = client_of({node.url()});
  client.get("k", {.consistency = Consistency::local, .revision = 5});
  client.put("k", "v", {.if_match = 7, .if_absent = false});
  client.put("k", "v", {.if_match = std::nullopt, .if_absent = true});
  client.del("k", 9);
  client.del(Range{.prefix = "", .start = "a/", .end = "b"}, 10);
  const auto asked = node.asked();
  ASSERT_THAT(asked, SizeIs(5));
  EXPECT_THAT(asked[0].target, HasSubstr("?consistency=local&revision=5&timeout="));
  EXPECT_THAT(asked[1].head, HasSubstr("If-Match: \"7\"\r\n"));
  EXPECT_EQ(asked[1].body, "v");
  EXPECT_THAT(asked[2].head, HasSubstr("If-None-Match: *\r\n"));
  EXPECT_THAT(asked[3].head, HasSubstr("If-Match: \"9\"\r\n"));
  EXPECT_EQ(asked[4].target, "/v1/kv?start=a%2F&end=b&max_keys=10&timeout=20000ms");
}

TEST(Client, OneConnectionServesManyRequests) {
  ScriptedServer node(always(answer(200, kItem)));
  Client client = client_of({node.url()});
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client.get("k"));
  EXPECT_EQ(node.connections(), 1U);
}

TEST(Client, AConnectionThatWasClosedMeanwhileIsReplacedEvenForAWrite) {
  ScriptedServer node([](const Asked&) {
    Answer last = answer(200, kPut);  // says nothing of closing
    last.then = Answer::Then::close;
    return last;
  });
  Client client = client_of({node.url()});
  ASSERT_TRUE(client.put("k", "1"));
  // The next write finds the end of the stream before it sends anything, or learns that it cannot tell. Never both.
  const auto second = client.put("k", "2");
  EXPECT_TRUE(second || second.error().outcome == Error::Outcome::unknown);
  EXPECT_LE(node.asked().size(), 2U);
}

TEST(Client, ReadsGoOnAfterEveryKindOfFailure) {
  for (const Answer& bad : {hang_up(), problem(503, "no_leader", ""), problem(504, "timeout", ""),
                            problem(500, "internal", ""), problem(429, "overloaded", ""), answer(502, "<html>")}) {
    ScriptedServer first(always(bad)), second(always(answer(200, kItem)));
    Client client = client_of({dead_url(), first.url(), second.url()});
    EXPECT_TRUE(client.get("k")) << bad.bytes;
    EXPECT_THAT(first.asked(), SizeIs(1));
    EXPECT_THAT(second.asked(), SizeIs(1));
    // Who answered is asked first from now on.
    EXPECT_TRUE(client.get("k"));
    EXPECT_THAT(first.asked(), SizeIs(1));
  }
}

TEST(Client, AReadDoesNotWaitForANodeThatHangs) {
  ScriptedServer hanging(always({})), other(always(answer(200, kItem)));
  EXPECT_TRUE(client_of({hanging.url(), other.url()}, std::chrono::seconds(3)).get("k"));
  EXPECT_THAT(hanging.asked(), SizeIs(1));
}

TEST(Client, AnAnswerThatIsNoFailureOfTheNodeEndsARead) {
  ScriptedServer first(always(problem(404, "not_found", ""))), second(always(answer(200, kItem)));
  const auto result = client_of({first.url(), second.url()}).get("k");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 404);
  EXPECT_EQ(result.error().code, "not_found");
  EXPECT_THAT(second.asked(), SizeIs(0));
}

TEST(Client, WritesGoOnWhereNothingCanHaveHappened) {
  for (const Answer& bad : {problem(503, "no_leader", "not_applied"), problem(429, "overloaded", "not_applied")}) {
    ScriptedServer first(always(bad)), second(always(answer(201, kPut)));
    const auto result = client_of({dead_url(), first.url(), second.url()}).put("k", "v");
    ASSERT_TRUE(result) << bad.bytes;
    EXPECT_TRUE(result->created);
    EXPECT_EQ(result->revision, 7U);
    EXPECT_THAT(first.asked(), SizeIs(1));
    EXPECT_THAT(second.asked(), SizeIs(1));
  }
}

TEST(Client, WritesAreNeverSentAgainOnceBytesHaveLeft) {
  struct Case {
    Answer bad;
    std::string code;
  };
  for (const Case& c :
       {Case{hang_up(), "no_answer"}, Case{{.bytes = "HTTP/1.1 20", .then = Answer::Then::close}, "no_answer"},
        Case{problem(503, "leader_changed", "unknown"), "leader_changed"},
        Case{problem(503, "no_leader", ""), "no_leader"}, Case{problem(504, "timeout", "unknown"), "timeout"},
        Case{problem(500, "internal", "unknown"), "internal"}, Case{answer(502, "<html>"), "http_502"}}) {
    ScriptedServer first(always(c.bad)), second(always(answer(200, kPut)));
    const auto result = client_of({first.url(), second.url()}).put("k", "v");
    ASSERT_FALSE(result) << c.code;
    EXPECT_EQ(result.error().code, c.code);
    EXPECT_EQ(result.error().outcome, Error::Outcome::unknown) << c.code;
    EXPECT_THAT(first.asked(), SizeIs(1));
    EXPECT_THAT(second.asked(), SizeIs(0)) << c.code;
  }
}

TEST(Client, AWriteToANodeThatHangsIsUnknownAndNotSentAgain) {
  ScriptedServer hanging(always({})), other(always(answer(200, kPut)));
  const auto result = client_of({hanging.url(), other.url()}, std::chrono::milliseconds(100)).put("k", "v");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().outcome, Error::Outcome::unknown);
  EXPECT_THAT(other.asked(), SizeIs(0));
}

TEST(Client, RefusedWritesAreNotTriedElsewhere) {
  for (const Answer& bad :
       {problem(412, "precondition_failed", "not_applied"), problem(507, "disk_full", "not_applied"),
        problem(504, "timeout", "not_applied"), problem(413, "value_too_large", "not_applied")}) {
    ScriptedServer first(always(bad)), second(always(answer(200, kPut)));
    const auto result = client_of({first.url(), second.url()}).put("k", "v");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().outcome, Error::Outcome::not_applied);
    EXPECT_THAT(second.asked(), SizeIs(0));
  }
}

TEST(Client, NobodyThereIsKnownToHaveDoneNothing) {
  const auto result = client_of({dead_url(), dead_url()}).put("k", "v");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 0);
  EXPECT_EQ(result.error().code, "unreachable");
  EXPECT_EQ(result.error().outcome, Error::Outcome::not_applied);
}

TEST(Client, AnEarlyRefusalOfALargeBodyIsHeard) {
  ScriptedServer node([](const Asked&) { return problem(413, "value_too_large", "not_applied"); });
  const auto result = client_of({node.url()}).put("k", std::string(8 << 20, 'x'));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, "value_too_large");
}

TEST(Client, AnswersThatBreakThePromiseAreErrors) {
  for (const char* body :
       {"", "{", "[]", "{}", R"({"key":"k"})", R"({"key":"k","value":1,"revision":1})",
        R"({"key_base64":"?","value":"","create_revision":1,"mod_revision":1,"version":1,"revision":1})",
        R"({"key":"k","value":"","create_revision":-1,"mod_revision":1,"version":1,"revision":1})"}) {
    ScriptedServer node(always(answer(200, body)));
    const auto result = client_of({node.url()}).get("k");
    ASSERT_FALSE(result) << body;
    EXPECT_EQ(result.error().code, "bad_answer") << body;
  }
  ScriptedServer node(always({.bytes = "SSH-2.0-OpenSSH\r\n\r\n", .then = Answer::Then::close}));
  EXPECT_FALSE(client_of({node.url()}).get("k"));
}

}  // namespace
}  // namespace tenaz::client
