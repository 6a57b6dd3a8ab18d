// One non-blocking HTTP/1.1 client connection for an epoll loop: connect, send, parse. It knows bytes and answers, not
// operations. One thread.
#pragma once

#include <netdb.h>

#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tenaz::bench {

// A response of which only status, size and the beginning of the body are kept.
class AnswerParser final : public boost::beast::http::basic_parser<false> {
 public:
  explicit AnswerParser(std::string& body);

  unsigned status() const { return status_; }
  std::uint64_t body_bytes() const { return body_bytes_; }

 private:
  static constexpr std::size_t kKept = 1024;
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;
  using field = boost::beast::http::field;

  void on_request_impl(boost::beast::http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int code, string_view, int, error_code&) override { status_ = static_cast<unsigned>(code); }
  void on_field_impl(field, string_view, string_view, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view bytes, error_code&) override { return take(bytes); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view bytes, error_code&) override { return take(bytes); }
  void on_finish_impl(error_code&) override {}
  std::size_t take(string_view bytes);

  std::string& body_;
  unsigned status_ = 0;
  std::uint64_t body_bytes_ = 0;
};

class Connection {
 public:
  enum class State { closed, connecting, open };
  // What came of an event on the socket.
  enum class Event { nothing, connected, answered, broken };

  Connection() = default;
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins to connect; registers with `epoll` under `tag`. False: refused at once.
  bool connect(const addrinfo& address, int epoll, std::uint64_t tag);
  void close();
  State state() const { return state_; }

  // The request to send: fill it, then call send(). Only while no answer is awaited. False: the connection is broken.
  std::string& request() { return request_; }
  bool send();

  // `buffer` is scratch space shared by all connections.
  Event on_event(std::uint32_t events, std::span<char> buffer);

  // Of the last answer.
  unsigned status() const { return status_; }
  std::uint64_t body_bytes() const { return body_bytes_; }
  std::string_view body() const { return body_; }
  bool reusable() const { return reusable_; }

 private:
  bool flush();
  Event receive(std::span<char> buffer);
  Event parse(std::string_view bytes);

  int fd_ = -1;
  State state_ = State::closed;
  std::string request_;
  std::size_t sent_ = 0;
  std::optional<AnswerParser> parser_;
  std::string pending_;  // received, but not yet enough for the parser
  std::string body_;
  unsigned status_ = 0;
  std::uint64_t body_bytes_ = 0;
  bool reusable_ = true;
};

}  // namespace tenaz::bench
