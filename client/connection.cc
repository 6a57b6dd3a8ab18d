#include "client/connection.h"

#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <optional>

namespace tenaz::client {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr std::uint64_t kMaxAnswerBytes = 512 << 20;
constexpr std::size_t kPieceBytes = 256 << 10;  // of a download
constexpr std::size_t kMaxProblemBytes = 1 << 20;

http::request<http::string_body> to_beast(const Request& request, const Endpoint& endpoint) {
  http::request<http::string_body> message(http::string_to_verb(request.method), request.target, 11);
  message.set(http::field::host, endpoint.url().substr(std::string_view("http://").size()));
  message.set(http::field::user_agent, "tenaz-client");
  for (const auto& [name, value] : request.headers) message.set(name, value);
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

}  // namespace

struct Connection::Implementation {
  Endpoint endpoint;
  asio::io_context io;
  std::optional<beast::tcp_stream> stream;
  beast::flat_buffer buffer;

  // Starts an operation and runs it to its end; the stream's expiry bounds it.
  template <class Start>
  error_code run(Start start) {
    error_code result = asio::error::operation_aborted;
    start([&result](error_code error, const auto&...) { result = error; });
    io.restart();
    io.run();
    return result;
  }

  // A kept-alive connection that the node closed meanwhile is found out before anything is sent on it.
  bool usable() {
    if (!stream) return false;
    char byte = 0;
    const ssize_t n = ::recv(stream->socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  error_code connect(std::chrono::milliseconds timeout) {
    buffer.clear();
    error_code error;
    asio::ip::tcp::resolver resolver(io);
    const auto addresses = resolver.resolve(endpoint.host, endpoint.port, error);
    if (error) return error;
    stream.emplace(io);
    stream->expires_after(timeout);
    error = run([&](auto done) { stream->async_connect(addresses, done); });
    if (error) {
      stream.reset();
    } else {
      stream->socket().set_option(asio::ip::tcp::no_delay(true), error);
    }
    return error;
  }

  Broken broken(bool sent, const error_code& error) {
    stream.reset();
    return {sent, error.message()};
  }
};

Connection::Connection(Endpoint endpoint) : implementation_(std::make_unique<Implementation>()) {
  implementation_->endpoint = std::move(endpoint);
}
Connection::~Connection() = default;
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;

const Endpoint& Connection::endpoint() const {
  return implementation_->endpoint;
}

std::variant<Response, Broken> Connection::exchange(const Request& request, std::chrono::milliseconds connect_timeout,
                                                    std::chrono::milliseconds timeout) {
  Implementation& my = *implementation_;
  if (!my.usable()) {
    my.stream.reset();
    if (const error_code error = my.connect(connect_timeout)) return my.broken(false, error);
  }
  my.stream->expires_after(timeout);

  const auto message = to_beast(request, my.endpoint);
  std::size_t left = 0;
  error_code error = my.run([&](auto done) {
    http::async_write(*my.stream, message, [&left, done](error_code e, std::size_t bytes) mutable {
      left = bytes;
      done(e);
    });
  });
  // A node may refuse a large body before it has read it all: its answer counts more than the broken pipe.
  const bool may_have_answered = error == asio::error::broken_pipe || error == asio::error::connection_reset;
  if (error && !(left > 0 && may_have_answered)) return my.broken(left > 0, error);

  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxAnswerBytes);
  const error_code unsent = error;
  error = my.run([&](auto done) { http::async_read(*my.stream, my.buffer, parser, done); });
  if (error) return my.broken(true, error);
  if (unsent || !parser.get().keep_alive()) my.stream.reset();
  return Response{.status = static_cast<int>(parser.get().result_int()), .body = std::move(parser.get().body())};
}

std::variant<Response, Broken> Connection::download(const Request& request, std::chrono::milliseconds connect_timeout,
                                                    std::chrono::milliseconds timeout,
                                                    const std::function<bool(std::string_view)>& take) {
  Implementation& my = *implementation_;
  my.stream.reset();
  if (const error_code error = my.connect(connect_timeout)) return my.broken(false, error);
  my.stream->expires_after(timeout);
  const auto message = to_beast(request, my.endpoint);
  error_code error = my.run([&](auto done) { http::async_write(*my.stream, message, done); });
  if (error) return my.broken(true, error);

  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  error = my.run([&](auto done) { http::async_read_header(*my.stream, my.buffer, parser, done); });
  if (error) return my.broken(true, error);
  Response response{.status = static_cast<int>(parser.get().result_int()), .body = {}};
  std::string piece(kPieceBytes, '\0');
  while (!parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    my.stream->expires_after(timeout);
    error = my.run([&](auto done) { http::async_read_some(*my.stream, my.buffer, parser, done); });
    if (error && error != http::error::need_buffer) return my.broken(true, error);
    const std::string_view come(piece.data(), piece.size() - parser.get().body().size);
    if (response.status != 200) {
      if (response.body.size() + come.size() > kMaxProblemBytes) break;
      response.body += come;
    } else if (!come.empty() && !take(come)) {
      my.stream.reset();
      return Broken{true, "it was not wanted any more"};
    }
  }
  my.stream.reset();
  return response;
}

}  // namespace tenaz::client
