// Speaks HTTP with real bytes over a loopback socket, as rudely as a test wants.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/server.h"
#include "server/metrics.h"
#include "tests/unit/server_http/fake_node.h"

namespace tenaz::server::test {

struct Reply {
  unsigned status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  boost::json::value json() const { return boost::json::parse(body); }
  // The code of a problem; it also checks what every problem must have.
  std::string problem() const;
  std::string member(std::string_view name) const;
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

class Connection {
 public:
  explicit Connection(std::uint16_t port);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(std::string_view bytes);
  void finish_sending();
  // One answer; `head`: it has no body. Fails the test when the connection ends before.
  Reply receive(bool head = false);
  Reply ask(std::string_view bytes) {
    send(bytes);
    return receive();
  }
  // The server has closed, and nothing came before that.
  bool closed();
  // Everything until the server closes.
  std::string rest();

 private:
  bool fill();

  int socket_ = -1;
  std::string buffer_;
};

// Asks until it holds, for a minute at most.
template <class Condition>
bool eventually(const Condition& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

// "GET /path HTTP/1.1\r\nHost: t\r\n…": `headers` are whole lines, each with its CRLF.
std::string request(std::string_view method, std::string_view target, std::string_view headers = "",
                    std::optional<std::string_view> body = std::nullopt);

// A server on a port of its own before a fake node.
class HttpTest : public ::testing::Test {
 protected:
  HttpTest();
  ~HttpTest() override;

  // Starts the server with `options_` and `limits_` as they are then; the first call() does it otherwise.
  void serve();
  std::uint16_t port();

  // On a connection of its own.
  Reply call(std::string_view method, std::string_view target, std::string_view headers = "",
             std::optional<std::string_view> body = std::nullopt);
  Reply put(std::string_view key, std::string_view value, std::string_view headers = "") {
    return call("PUT", "/v1/kv/" + std::string(key), headers, value);
  }
  Reply get(std::string_view key, std::string_view headers = "") {
    return call("GET", "/v1/kv/" + std::string(key), headers);
  }

  HttpOptions options_;
  LimitOptions limits_;
  Metrics metrics_;
  std::unique_ptr<FakeNode> node_ = std::make_unique<FakeNode>();
  std::unique_ptr<HttpServer> server_;
};

}  // namespace tenaz::server::test
