#include "tests/unit/server_http/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace tenaz::server::test {
namespace {

// Far beyond anything that a loaded machine needs: only a hang reaches it.
constexpr int kGenerousSeconds = 60;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string trimmed(std::string text) {
  text.erase(0, text.find_first_not_of(" \t"));
  text.erase(text.find_last_not_of(" \t") + 1);
  return text;
}

}  // namespace

std::string Reply::problem() const {
  EXPECT_EQ(header("content-type"), "application/problem+json");
  const auto object = json().as_object();
  EXPECT_EQ(object.at("type").as_string(), "about:blank");
  EXPECT_EQ(object.at("status").to_number<unsigned>(), status);
  EXPECT_FALSE(object.at("title").as_string().empty());
  EXPECT_TRUE(object.contains("detail"));
  return std::string(object.at("code").as_string());
}

std::string Reply::member(std::string_view name) const {
  const auto value = json();
  const auto* found = value.as_object().if_contains(name);
  if (found == nullptr) {
    return "(absent)";
  }
  return found->is_string() ? std::string(found->get_string()) : boost::json::serialize(*found);
}

Connection::Connection(std::uint16_t port) {
  socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ADD_FAILURE() << "cannot connect";
  }
  const timeval limit{kGenerousSeconds, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Connection::~Connection() {
  ::close(socket_);
}

void Connection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return;  // the server has closed: what it said before can still be read
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void Connection::finish_sending() {
  ::shutdown(socket_, SHUT_WR);
}

bool Connection::fill() {
  char bytes[65536];
  const auto got = ::recv(socket_, bytes, sizeof bytes, 0);
  if (got <= 0) {
    return false;
  }
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

Reply Connection::receive(bool head) {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) {
      ADD_FAILURE() << "the connection ended before an answer; so far: " << buffer_;
      return {};
    }
  }
  Reply reply;
  const std::string top = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  EXPECT_TRUE(top.starts_with("HTTP/1.1 ")) << top;
  std::from_chars(top.data() + 9, top.data() + 12, reply.status);
  for (std::size_t at = top.find("\r\n") + 2; at < top.size();) {
    const std::size_t line_end = top.find("\r\n", at);
    const std::string line = top.substr(at, line_end - at);
    const std::size_t colon = line.find(':');
    const std::string name = lower(line.substr(0, colon));
    EXPECT_FALSE(reply.headers.contains(name)) << "twice: " << name;
    reply.headers[name] = trimmed(line.substr(colon + 1));
    at = line_end + 2;
  }
  const bool has_body = !head && reply.status >= 200 && reply.status != 304;
  if (!has_body) {
    return reply;
  }
  EXPECT_TRUE(reply.headers.contains("content-length")) << top;
  std::size_t length = 0;
  const std::string text = reply.header("content-length");
  std::from_chars(text.data(), text.data() + text.size(), length);
  while (buffer_.size() < length) {
    if (!fill()) {
      ADD_FAILURE() << "the connection ended within an answer";
      break;
    }
  }
  reply.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return reply;
}

bool Connection::closed() {
  return buffer_.empty() && !fill();
}

std::string Connection::rest() {
  while (fill()) {
  }
  return buffer_;
}

std::string request(std::string_view method, std::string_view target, std::string_view headers,
                    std::optional<std::string_view> body) {
  std::string text;
  text += method;
  text += ' ';
  text += target;
  text += " HTTP/1.1\r\nHost: t\r\n";
  text += headers;
  if (body) {
    text += "Content-Length: " + std::to_string(body->size()) + "\r\n";
  }
  text += "\r\n";
  text += body.value_or("");
  return text;
}

HttpTest::HttpTest() {
  options_.listen = "127.0.0.1:0";
  options_.teaching_routes = true;
}

HttpTest::~HttpTest() {
  server_.reset();
  node_.reset();
}

void HttpTest::serve() {
  server_ = std::make_unique<HttpServer>(options_, limits_, *node_, *node_, metrics_);
  const auto fault = server_->start();
  ASSERT_FALSE(fault) << *fault;
}

std::uint16_t HttpTest::port() {
  if (!server_) {
    serve();
  }
  return server_->port();
}

Reply HttpTest::call(std::string_view method, std::string_view target, std::string_view headers,
                     std::optional<std::string_view> body) {
  Connection connection(port());
  connection.send(request(method, target, headers, body));
  return connection.receive(method == "HEAD");
}

}  // namespace tenaz::server::test
