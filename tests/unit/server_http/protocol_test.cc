// HTTP itself: how requests are framed, limited, timed out, ordered, and how connections end.
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <thread>

#include "tests/unit/server_http/client.h"

namespace tenaz::server::test {
namespace {

using namespace std::chrono_literals;

#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
#define TENAZ_UBSAN 1
#endif
#endif
#ifdef TENAZ_UBSAN
constexpr bool kSanitizerNeedsFiles = true;
#else
constexpr bool kSanitizerNeedsFiles = false;
#endif

class Protocol : public HttpTest {
 protected:
  // Sends raw bytes and expects a problem and the end of the connection.
  void expect_refused(std::string_view bytes, unsigned status, std::string_view code) {
    Connection connection(port());
    connection.send(bytes);
    const Reply reply = connection.receive();
    EXPECT_EQ(reply.status, status) << bytes.substr(0, 200);
    EXPECT_EQ(reply.problem(), code) << bytes.substr(0, 200);
    EXPECT_EQ(reply.header("connection"), "close") << bytes.substr(0, 200);
    EXPECT_TRUE(connection.closed()) << bytes.substr(0, 200);
  }
};

TEST_F(Protocol, KeepAlive) {
  Connection connection(port());
  for (int i = 0; i < 5; ++i) {
    const Reply reply = connection.ask(request("PUT", "/v1/kv/a", "", "v"));
    EXPECT_LT(reply.status, 300u);
    EXPECT_EQ(reply.header("connection"), "");
  }
}

TEST_F(Protocol, ConnectionClose) {
  Connection connection(port());
  const Reply reply = connection.ask(request("GET", "/livez", "Connection: close\r\n"));
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_TRUE(connection.closed());
}

TEST_F(Protocol, Http10) {
  Connection once(port());
  EXPECT_EQ(once.ask("GET /livez HTTP/1.0\r\n\r\n").header("connection"), "close");
  EXPECT_TRUE(once.closed());
  Connection kept(port());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(kept.ask("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").header("connection"), "keep-alive");
  }
}

TEST_F(Protocol, PipelinedRequestsTakeEffectInOrder) {
  std::string bytes;
  for (int i = 0; i < 50; ++i) {
    bytes += request("PUT", "/v1/kv/a", "", std::to_string(i));
    bytes += request("GET", "/v1/kv/a");
  }
  bytes += request("DELETE", "/v1/kv/a") + request("GET", "/v1/kv/a?consistency=local");
  Connection connection(port());
  connection.send(bytes);
  for (int i = 0; i < 50; ++i) {
    EXPECT_LT(connection.receive().status, 300u);
    EXPECT_EQ(connection.receive().body, std::to_string(i));
  }
  EXPECT_EQ(connection.receive().status, 200u);
  EXPECT_EQ(connection.receive().status, 404u);
}

TEST_F(Protocol, PipelinedAnswersLargerThanAnyBuffer) {
  put("big", std::string(1 << 20, 'x'));
  std::string bytes;
  for (int i = 0; i < 20; ++i) {
    bytes += request("GET", "/v1/kv/big?consistency=local");
  }
  Connection connection(port());
  connection.send(bytes);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(connection.receive().body.size(), 1u << 20);
  }
}

TEST_F(Protocol, ByteByByte) {
  Connection connection(port());
  for (const char c : request("PUT", "/v1/kv/slow", "X-Pad: 1\r\n", "value") + request("GET", "/v1/kv/slow")) {
    connection.send({&c, 1});
  }
  EXPECT_EQ(connection.receive().status, 201u);
  EXPECT_EQ(connection.receive().body, "value");
}

TEST_F(Protocol, EmptyLinesBeforeARequestAreSkipped) {
  Connection connection(port());
  EXPECT_EQ(connection.ask("\r\n\r\n" + request("GET", "/livez")).status, 200u);
}

TEST_F(Protocol, ChunkedBodies) {
  Connection connection(port());
  const std::string head = "PUT /v1/kv/c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(connection.ask(head + "3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nTrailer: x\r\n\r\n").status, 201u);
  EXPECT_EQ(connection.ask(request("GET", "/v1/kv/c")).body, "abcdefg");
  for (const char c : head + "1\r\nx\r\nA\r\n0123456789\r\n0\r\n\r\n") {
    connection.send({&c, 1});
  }
  EXPECT_EQ(connection.receive().status, 200u);
  EXPECT_EQ(connection.ask(request("GET", "/v1/kv/c")).body, "x0123456789");
  EXPECT_EQ(connection.ask(head + "0\r\n\r\n").status, 200u);
  EXPECT_EQ(connection.ask(request("GET", "/v1/kv/c")).body, "");
}

TEST_F(Protocol, BadChunks) {
  const std::string head = "PUT /v1/kv/c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* chunk :
       {"x\r\nabc\r\n", "3\r\nabcX\r\n0\r\n\r\n", "-1\r\n", "11111111111111111\r\n", "3\nabc\n0\n\n\r\n"}) {
    expect_refused(head + chunk, 400, "bad_request");
  }
  expect_refused(head + "1;" + std::string(100'000, 'e'), 400, "bad_request");
  EXPECT_EQ(get("c").status, 404u);
}

TEST_F(Protocol, ExpectContinue) {
  Connection connection(port());
  connection.send("PUT /v1/kv/e HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(connection.receive().status, 100u);
  connection.send("value");
  EXPECT_EQ(connection.receive().status, 201u);
  EXPECT_EQ(connection.ask(request("GET", "/v1/kv/e")).body, "value");
}

TEST_F(Protocol, ExpectContinueIsRefusedBeforeTheBody) {
  limits_.max_value_bytes = 100;
  const std::string rest = " HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: ";
  expect_refused("PUT /v1/kv/e" + rest + "101\r\n\r\n", 413, "value_too_large");
  expect_refused("PUT /v1/kv/%zz" + rest + "5\r\n\r\n", 400, "bad_key");
  expect_refused("PUT /nowhere" + rest + "5\r\n\r\n", 404, "no_such_route");
}

TEST_F(Protocol, ValueTooLarge) {
  limits_.max_value_bytes = 1000;
  EXPECT_EQ(put("a", std::string(1000, 'v')).status, 201u);
  // Refused from the length alone: the body has not even begun.
  expect_refused("PUT /v1/kv/a HTTP/1.1\r\nHost: t\r\nContent-Length: 1001\r\n\r\n", 413, "value_too_large");
  expect_refused("PUT /v1/kv/a HTTP/1.1\r\nHost: t\r\nContent-Length: 18446744073709551615\r\n\r\n", 413,
                 "value_too_large");
  const std::string chunked = "PUT /v1/kv/a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
  expect_refused(chunked + "3E9\r\n", 413, "value_too_large");
  expect_refused(chunked + "3E8\r\n" + std::string(1000, 'v') + "\r\n1\r\nv\r\n0\r\n\r\n", 413, "value_too_large");
  EXPECT_EQ(get("a").header("etag"), "\"1\"");
}

TEST_F(Protocol, AnAnswerToALargeBodyIsNotLost) {
  limits_.max_value_bytes = 1000;
  Connection connection(port());
  connection.send(request("PUT", "/v1/kv/a", "", std::string(4 << 20, 'v')));
  EXPECT_EQ(connection.receive().status, 413u);
  EXPECT_TRUE(connection.closed());
}

TEST_F(Protocol, HeadersTooLarge) {
  options_.max_header_bytes = 32 << 10;
  expect_refused("GET /" + std::string(40'000, 'a') + " HTTP/1.1\r\nHost: t\r\n\r\n", 431, "headers_too_large");
  expect_refused("GET /livez HTTP/1.1\r\nHost: t\r\nX: " + std::string(40'000, 'a') + "\r\n\r\n", 431,
                 "headers_too_large");
  std::string many = "GET /livez HTTP/1.1\r\nHost: t\r\n";
  for (int i = 0; i < 5000; ++i) {
    many += "If-Match: \"1\"\r\n";  // each small, all together not
  }
  expect_refused(many, 431, "headers_too_large");
  EXPECT_EQ(call("GET", "/livez", "X: " + std::string(30'000, 'a') + "\r\n").status, 200u);
}

// However early a write is refused, its client learns that it was not applied, and keys tell the revision.
TEST_F(Protocol, RefusedBeforeTheCallIsKnown) {
  put("a", "1");
  options_.header_timeout = 50ms;
  server_.reset();
  const std::string long_header = "X: " + std::string(100'000, 'a') + "\r\n\r\n";
  const std::pair<std::string, unsigned> refused[] = {
      {"PUT /v1/kv/a HTTP/1.1\r\nHost: t\r\n" + long_header, 431},
      {"PUT /v1/kv/a" + std::string(100'000, 'a') + " HTTP/1.1\r\nHost: t\r\n\r\n", 431},
      {"PUT /v1/kv/a HTTP/1.1\r\n\r\n", 400},
      {"PUT /v1/kv/a HTTP/1.1\r\nHost: t\r\nContent-Length: x\r\n\r\n", 400},
      {"DELETE /v1/kv?prefix=a HTTP/1.1\r\nHost: t\r\n", 408},
  };
  for (const auto& [bytes, status] : refused) {
    Connection connection(port());
    const Reply reply = connection.ask(bytes);
    EXPECT_EQ(reply.status, status) << bytes.substr(0, 100);
    EXPECT_EQ(reply.member("outcome"), "not_applied") << bytes.substr(0, 100);
    EXPECT_EQ(reply.header("tenaz-revision"), "1") << bytes.substr(0, 100);
  }
  Connection reads(port());
  const Reply read = reads.ask("GET /v1/kv/a HTTP/1.1\r\nHost: t\r\n" + long_header);
  EXPECT_EQ(read.member("outcome"), "(absent)");
  EXPECT_EQ(read.header("tenaz-revision"), "1");
  EXPECT_EQ(call("PUT", "/nowhere", "", "v").member("outcome"), "not_applied");
  EXPECT_EQ(call("GET", "/nowhere").member("outcome"), "(absent)");
}

TEST_F(Protocol, WhatCannotBeForeseenIsInternal) {
  put("a", "1");
  node_->break_down();
  Connection connection(port());
  const Reply write = connection.ask(request("PUT", "/v1/kv/a", "", "2"));
  EXPECT_EQ(write.status, 500u);
  EXPECT_EQ(write.problem(), "internal");
  EXPECT_EQ(write.member("outcome"), "unknown");
  EXPECT_EQ(write.header("tenaz-revision"), "1");
  EXPECT_TRUE(connection.closed());
  const Reply read = get("a");
  EXPECT_EQ(read.problem(), "internal");
  EXPECT_EQ(read.member("outcome"), "(absent)");
}

TEST_F(Protocol, MalformedRequests) {
  for (const char* bytes : {
           "nonsense\r\n\r\n",
           "GET\r\n\r\n",
           "GET /livez\r\n\r\n",
           "GET  /livez HTTP/1.1\r\nHost: t\r\n\r\n",
           "GET /livez HTTP/2.0\r\nHost: t\r\n\r\n",
           "GET /livez HTTP/1.1 \r\nHost: t\r\n\r\n",
           "GET /li vez HTTP/1.1\r\nHost: t\r\n\r\n",
           "GET /livez HTTP/1.1\nHost: t\n\n\r\n\r\n",
           "GET /livez HTTP/1.1\r\nHost : t\r\n\r\n",
           "GET /livez HTTP/1.1\r\n Host: t\r\n\r\n",
           "GET /livez HTTP/1.1\r\n: t\r\n\r\n",
           "GET /livez HTTP/1.1\r\nHost: t\r\nNo colon\r\n\r\n",
           "GET /livez HTTP/1.1\r\nHost: t\r\nX: a\x01"
           "b\r\n\r\n",
           "GET /livez HTTP/1.1\r\n\r\n",
           "GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
           "\x16\x03\x01\x02\x01\x01\r\n\r\n",
       }) {
    expect_refused(bytes, 400, "bad_request");
  }
}

TEST_F(Protocol, SmugglingShapes) {
  const std::string head = "PUT /v1/kv/s HTTP/1.1\r\nHost: t\r\n";
  for (const char* framing : {
           "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
           "Content-Length: 5\r\nContent-Length: 5\r\n",
           "Content-Length: 5\r\nContent-Length: 6\r\n",
           "Content-Length: 5, 5\r\n",
           "Content-Length: +5\r\n",
           "Content-Length: -5\r\n",
           "Content-Length: 0x5\r\n",
           "Content-Length: 5 5\r\n",
           "Content-Length:\r\n",
           "Content-Length: 99999999999999999999999\r\n",
           "Content-Length : 5\r\n",
           "Transfer-Encoding: gzip\r\n",
           "Transfer-Encoding: gzip, chunked\r\n",
           "Transfer-Encoding: chunked, identity\r\n",
           "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: xchunked\r\n",
           "Transfer-Encoding : chunked\r\n",
           "Transfer-Encoding: \x0b"
           "chunked\r\n",
       }) {
    expect_refused(head + framing + "\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n", 400, "bad_request");
  }
  expect_refused("PUT /v1/kv/s HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_request");
  EXPECT_EQ(get("s").status, 404u);
}

TEST_F(Protocol, TargetForms) {
  put("a", "1");
  Connection connection(port());
  EXPECT_EQ(connection.ask(request("GET", "http://any:1/v1/kv/a?consistency=local")).body, "1");
  EXPECT_EQ(connection.ask(request("OPTIONS", "*")).problem(), "no_such_route");
  EXPECT_EQ(connection.ask(request("CONNECT", "host:443")).problem(), "no_such_route");
  EXPECT_EQ(connection.ask(request("GET", "livez")).problem(), "no_such_route");
}

TEST_F(Protocol, ARefusedRequestWithASmallBodyKeepsTheConnection) {
  Connection connection(port());
  connection.send(request("PUT", "/v1/kv/%zz", "", "body") + request("POST", "/v1/kv/a", "", "body") +
                  request("GET", "/livez"));
  EXPECT_EQ(connection.receive().problem(), "bad_key");
  EXPECT_EQ(connection.receive().problem(), "method_not_allowed");
  EXPECT_EQ(connection.receive().status, 200u);
}

TEST_F(Protocol, ABodyNobodyAskedForIsIgnored) {
  put("a", "1");
  Connection connection(port());
  EXPECT_EQ(connection.ask(request("GET", "/v1/kv/a", "", "ignored")).body, "1");
  EXPECT_EQ(connection.ask(request("DELETE", "/v1/kv/a", "", "ignored")).status, 200u);
}

TEST_F(Protocol, TruncatedRequestsHarmNothing) {
  const std::string whole = request("PUT", "/v1/kv/t", "", "value");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    Connection connection(port());
    connection.send(std::string_view(whole).substr(0, length));
    connection.finish_sending();
    EXPECT_TRUE(connection.closed()) << length;
  }
  EXPECT_EQ(get("t").status, 404u);
}

TEST_F(Protocol, HalfClosedAfterTheRequest) {
  Connection connection(port());
  connection.send(request("PUT", "/v1/kv/h", "", "value") + request("GET", "/v1/kv/h"));
  connection.finish_sending();
  EXPECT_EQ(connection.receive().status, 201u);
  EXPECT_EQ(connection.receive().body, "value");
  EXPECT_TRUE(connection.closed());
}

TEST_F(Protocol, HeadersThatDoNotCome) {
  options_.header_timeout = 50ms;
  expect_refused("GET /livez HTTP/1.1\r\nHost: t\r\n", 408, "request_timeout");
}

// For some of these counts the kernel takes only a part of the last answer, with a request begun behind it.
TEST_F(Protocol, HeadersThatDoNotComeBehindAnswersThatAreSlowlyTaken) {
  put("big", std::string(250 << 10, 'x'));
  put("half", std::string(125 << 10, 'x'));
  options_.header_timeout = 1ms;  // less than it takes to serve what comes before
  server_.reset();
  for (std::size_t count = 5; count < 80; ++count) {
    Connection connection(port());
    std::string bytes = count % 2 == 0 ? request("GET", "/v1/kv/half?consistency=local") : "";
    for (std::size_t i = 0; i < count; ++i) {
      bytes += request("GET", "/v1/kv/big?consistency=local");
    }
    connection.send(bytes + "GET /livez HTTP/1.1\r\n");
    EXPECT_EQ(call("GET", "/livez").status, 200u);  // served behind them
    for (std::size_t i = 0; i < count + (count + 1) % 2; ++i) {
      EXPECT_EQ(connection.receive().status, 200u);
    }
    ASSERT_EQ(connection.receive().status, 408u) << count;
  }
}

TEST_F(Protocol, ABodyThatDoesNotCome) {
  options_.body_timeout = 50ms;
  Connection connection(port());
  const Reply reply = connection.ask("PUT /v1/kv/a HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(reply.status, 408u);
  EXPECT_EQ(reply.problem(), "request_timeout");
  EXPECT_EQ(reply.member("outcome"), "not_applied");
  EXPECT_TRUE(connection.closed());
}

TEST_F(Protocol, IdleConnectionsAreClosed) {
  options_.idle_timeout = 50ms;
  Connection connection(port());
  EXPECT_TRUE(connection.closed());
}

TEST_F(Protocol, AClientThatDoesNotReadIsCutOff) {
  options_.body_timeout = 50ms;
  storage::pb::Command big;
  big.mutable_put()->set_key("big");
  big.mutable_put()->set_value(std::string(1 << 20, 'x'));
  node_->store().apply(big);
  std::string bytes;
  for (int i = 0; i < 64; ++i) {
    bytes += request("GET", "/v1/kv/big?consistency=local");
  }
  Connection connection(port());
  connection.send(bytes);
  // The server gives up while nobody reads; a metric tells when.
  const auto connections = [this] {
    const std::string text = call("GET", "/metrics").body;
    return text.substr(text.find("\ntenaz_http_connections ") + 24, 1);
  };
  while (connections() != "1") {
    std::this_thread::yield();
  }
  EXPECT_LT(connection.rest().size(), 64u << 20);
}

TEST_F(Protocol, BodiesThatComeInShareOneBudget) {
  limits_.max_buffered_bytes = 1 << 20;
  const std::string value(600 << 10, 'v');
  const std::string whole = request("PUT", "/v1/kv/a", "Expect: 100-continue\r\n", value);
  Connection first(port());
  first.send(whole.substr(0, whole.size() - value.size()));
  EXPECT_EQ(first.receive().status, 100u);
  Connection second(port());
  const Reply reply = second.ask(whole);
  EXPECT_EQ(reply.status, 429u);
  EXPECT_EQ(reply.problem(), "overloaded");
  EXPECT_EQ(reply.member("outcome"), "not_applied");
  EXPECT_EQ(reply.header("retry-after"), "1");
  Connection chunked(port());
  chunked.send("PUT /v1/kv/c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n96000\r\n" + value);
  EXPECT_EQ(chunked.receive().status, 429u);
  EXPECT_EQ(put("small", "is not counted").status, 201u);
  first.send(value);
  EXPECT_EQ(first.receive().status, 201u);
  EXPECT_EQ(put("a", value).status, 200u);
}

TEST_F(Protocol, AnswersThatAreNotTakenShareOneBudget) {
  limits_.max_buffered_bytes = 1 << 20;
  put("big", std::string(1 << 20, 'x'));
  put("small", "s");
  std::string bytes;
  for (int i = 0; i < 64; ++i) {
    bytes += request("GET", "/v1/kv/big?consistency=local");
  }
  {
    Connection slow(port());
    slow.send(bytes);
    Reply reply;
    ASSERT_TRUE(eventually([&] { return (reply = get("big")).status != 200; }));
    EXPECT_EQ(reply.status, 429u);
    EXPECT_EQ(reply.problem(), "overloaded");
    EXPECT_EQ(reply.header("retry-after"), "1");
    EXPECT_EQ(call("GET", "/v1/kv").status, 429u);
    EXPECT_EQ(get("small").body, "s");
  }
  Reply reply;  // once the server has seen that the slow one is gone
  ASSERT_TRUE(eventually([&] { return (reply = get("big")).status != 429; }));
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.body.size(), 1u << 20);
}

TEST_F(Protocol, TooManyConnections) {
  options_.max_connections = 2;
  Connection first(port());
  Connection second(port());
  EXPECT_EQ(first.ask(request("GET", "/livez")).status, 200u);
  EXPECT_EQ(second.ask(request("GET", "/livez")).status, 200u);
  Connection third(port());
  const Reply reply = third.receive();
  EXPECT_EQ(reply.status, 503u);
  EXPECT_EQ(reply.problem(), "overloaded");
  EXPECT_EQ(reply.member("outcome"), "not_applied");  // whatever it would have been
  EXPECT_EQ(reply.header("retry-after"), "1");
  EXPECT_TRUE(third.closed());
  EXPECT_EQ(first.ask(request("GET", "/livez")).status, 200u);
}

TEST_F(Protocol, WithoutFilesItWaitsAndSaysSoOnce) {
  if (kSanitizerNeedsFiles) {
    GTEST_SKIP() << "the sanitizer opens pipes to look at memory";
  }
  std::ostringstream lines;
  const auto logger = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines)));
  serve();
  Connection before(port());
  EXPECT_EQ(before.ask(request("GET", "/livez")).status, 200u);
  const int next = ::dup(STDERR_FILENO);
  ::close(next);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit one_more{static_cast<rlim_t>(next) + 1, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &one_more), 0);
  Connection waiting(port());  // takes the last one for its own end
  const auto failures = [this] {
    const std::string text = metrics_.text({});
    return std::stoi(text.substr(text.find("\ntenaz_http_accept_failures_total ") + 34));
  };
  while (failures() < 3) {
    std::this_thread::yield();
  }
  EXPECT_EQ(before.ask(request("GET", "/livez")).status, 200u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(waiting.ask(request("GET", "/livez")).status, 200u);
  server_.reset();
  spdlog::set_default_logger(logger);
  const std::string text = lines.str();
  EXPECT_EQ(text.find("cannot accept"), text.rfind("cannot accept")) << text;
  EXPECT_NE(text.find("cannot accept"), std::string::npos);
}

TEST_F(Protocol, SeveralThreads) {
  options_.threads = 3;
  serve();
  std::vector<std::thread> clients;
  for (int c = 0; c < 6; ++c) {
    clients.emplace_back([this, c] {
      Connection connection(port());
      for (int i = 0; i < 100; ++i) {
        const std::string target = "/v1/kv/" + std::to_string(c);
        EXPECT_LT(connection.ask(request("PUT", target, "", std::to_string(i))).status, 300u);
        EXPECT_EQ(connection.ask(request("GET", target)).body, std::to_string(i));
      }
    });
  }
  for (std::thread& client : clients) {
    client.join();
  }
}

TEST_F(Protocol, StopFinishesWhatIsUnderWay) {
  serve();
  node_->hold();
  Connection idle(port());
  Connection busy(port());
  busy.send(request("PUT", "/v1/kv/a", "", "v"));
  node_->await_held(1);
  std::thread stopping([this] { server_->stop(60s); });
  EXPECT_TRUE(idle.closed());
  node_->release();
  const Reply reply = busy.receive();
  EXPECT_EQ(reply.status, 201u);
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_TRUE(busy.closed());
  stopping.join();
}

TEST_F(Protocol, StopGivesUpAfterItsGrace) {
  serve();
  node_->hold();
  Connection busy(port());
  busy.send(request("PUT", "/v1/kv/a", "", "v"));
  node_->await_held(1);
  server_->stop(10ms);
  EXPECT_TRUE(busy.closed());
  server_.reset();
  node_->release();  // the callback finds nobody
}

TEST_F(Protocol, StartSaysWhatIsWrong) {
  serve();
  HttpOptions taken = options_;
  taken.listen = server_->endpoint();
  for (const std::string& listen : {taken.listen, std::string("127.0.0.1"), std::string("127.0.0.1:99999")}) {
    taken.listen = listen;
    HttpServer second(taken, limits_, *node_, *node_, metrics_);
    const auto fault = second.start();
    ASSERT_TRUE(fault) << listen;
    EXPECT_NE(fault->find(listen), std::string::npos);
  }
}

}  // namespace
}  // namespace tenaz::server::test
