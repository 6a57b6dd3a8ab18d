#include "tests/integration/harness/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/json/parse.hpp>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace tenaz::harness {

namespace http_lib = boost::beast::http;
namespace json = boost::json;

namespace {

std::string string_member(const json::value& value, std::string_view name) {
  if (!value.is_object()) return {};
  const json::value* member = value.as_object().if_contains({name.data(), name.size()});
  return member != nullptr && member->is_string() ? std::string(member->as_string()) : std::string();
}

std::string request_text(const Address& to, const std::string& method, const std::string& target, std::string_view body,
                         const Headers& headers) {
  std::string text = method + " " + target + " HTTP/1.1\r\nHost: " + to.host + ":" + std::to_string(to.port) + "\r\n";
  for (const auto& [name, value] : headers) text.append(name).append(": ").append(value).append("\r\n");
  if (!body.empty() || method == "PUT" || method == "POST") {
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  return text.append("\r\n").append(body);
}

}  // namespace

std::string HttpAnswer::header(std::string_view name) const {
  const auto found = headers.find({name.data(), name.size()});
  return found == headers.end() ? std::string() : std::string(found->value());
}

json::value HttpAnswer::json() const {
  boost::system::error_code ec;
  json::value value = json::parse(body, ec);
  return ec ? json::value() : value;
}

std::string HttpAnswer::code() const {
  return string_member(json(), "code");
}
std::string HttpAnswer::outcome() const {
  return string_member(json(), "outcome");
}

RawConnection::RawConnection(const Address& address, std::chrono::milliseconds patience) : patience_(patience) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  ::inet_pton(AF_INET, address.host.c_str(), &to.sin_addr);
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
    const std::string why = std::strerror(errno);
    ::close(fd_);
    throw std::runtime_error(address.host + ":" + std::to_string(address.port) + ": " + why);
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const timeval timeout{patience.count() / 1000, (patience.count() % 1000) * 1000};
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

RawConnection::~RawConnection() {
  ::close(fd_);
}

bool RawConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

void RawConnection::shutdown_sending() {
  ::shutdown(fd_, SHUT_WR);
}

RawConnection::Got RawConnection::receive() {
  std::array<char, 65536> buffer;
  while (true) {
    const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Got::nothing;
    if (n <= 0) return Got::end;
    received_.append(buffer.data(), static_cast<std::size_t>(n));
    return Got::bytes;
  }
}

std::optional<HttpAnswer> RawConnection::answer(bool head) {
  http_lib::response_parser<http_lib::string_body> parser;
  parser.body_limit(boost::none);
  parser.header_limit(1 << 20);
  parser.eager(true);
  parser.skip(head);
  while (!parser.is_done()) {
    boost::beast::error_code ec;
    if (!received_.empty()) {
      received_.erase(0, parser.put(boost::asio::buffer(received_), ec));
      if (parser.is_done()) break;
      if (ec && ec != http_lib::error::need_more) return std::nullopt;
      if (!ec && !received_.empty()) continue;
    }
    const Got got = receive();
    if (got == Got::nothing) return std::nullopt;
    if (got == Got::end) {
      ec = {};
      if (parser.got_some()) parser.put_eof(ec);
      if (ec || !parser.is_done()) return std::nullopt;
    }
  }
  const bool keep_alive = parser.keep_alive();
  auto message = parser.release();
  return HttpAnswer{message.result_int(), message.base(), std::move(message.body()), keep_alive};
}

std::string RawConnection::receive_until(std::string_view text) {
  while (received_.find(text) == std::string::npos && receive() == Got::bytes) continue;
  return std::exchange(received_, {});
}

bool RawConnection::closed_by_peer() {
  const auto until = std::chrono::steady_clock::now() + patience_;
  while (std::chrono::steady_clock::now() < until) {
    const Got got = receive();
    received_.clear();
    if (got == Got::end) return true;
  }
  return false;
}

bool RawConnection::readable(std::chrono::milliseconds within) {
  if (!received_.empty()) return true;
  pollfd wanted{fd_, POLLIN, 0};
  return ::poll(&wanted, 1, static_cast<int>(within.count())) > 0;
}

std::optional<HttpAnswer> http(const Address& to, const std::string& method, const std::string& target,
                               std::string_view body, const Headers& headers, std::chrono::milliseconds patience) {
  HttpClient client(to, patience);
  Headers all = headers;
  all.emplace_back("Connection", "close");
  return client.request(method, target, body, all);
}

HttpClient::HttpClient(Address to, std::chrono::milliseconds patience) : to_(std::move(to)), patience_(patience) {}

std::optional<HttpAnswer> HttpClient::request(const std::string& method, const std::string& target,
                                              std::string_view body, const Headers& headers) {
  connected_ = false;
  try {
    if (!connection_) connection_.emplace(to_, patience_);
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
  connected_ = true;
  std::optional<HttpAnswer> answer;
  if (connection_->send(request_text(to_, method, target, body, headers)))
    answer = connection_->answer(method == "HEAD");
  if (!answer || !answer->keep_alive) connection_.reset();
  return answer;
}

}  // namespace tenaz::harness
