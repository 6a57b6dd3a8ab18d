#include "server/http/session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <exception>
#include <utility>

#include "server/http/problem.h"
#include "server/http/router.h"

namespace tenaz::server::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using HttpError = boost::beast::http::error;

constexpr std::size_t kSmallRead = 4 << 10;  // what an idle connection costs
constexpr std::size_t kLargeRead = 64 << 10;
constexpr std::size_t kSmallBody = 64 << 10;   // read and forgotten rather than closing the connection
constexpr std::size_t kMaxUnsent = 256 << 10;  // of pipelined answers, before they are sent
constexpr int kStreamUnsent = 128 << 10;  // the kernel may hold of a streamed answer: it hides the client's progress
constexpr std::size_t kKeptBuffer = 64 << 10;  // larger ones are given back when empty
constexpr std::size_t kLingerBytes = 8 << 20;
constexpr std::chrono::seconds kLinger{2};

}  // namespace

Session::Session(std::shared_ptr<Worker> worker, Socket socket)
    : Exchange(worker->service()), worker_(std::move(worker)), socket_(std::move(socket)) {}

void Session::start() {
  now_ = Clock::now();
  worker_->add(*this);
  if (worker_->stopping()) {
    close();
    return;
  }
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  set_deadline(now_ + service_.options.idle_timeout);
  read();
}

void Session::refuse() {
  now_ = arrived_at_ = Clock::now();
  worker_->add(*this);
  complete_ = false;
  error_code ignored;
  socket_.non_blocking(true, ignored);
  refuse_input(Code::too_many_connections, "this node serves as many connections as it may; try another");
  flush();
}

// --- reading ---

void Session::read() {
  if (reading_ || closed_) {
    return;
  }
  std::size_t want = read_bytes_ == kSmallRead ? kLargeRead / 4 : kSmallRead;
  if (phase_ == Phase::body || phase_ == Phase::discard || phase_ == Phase::linger) {
    want = kLargeRead;
  } else if (input_.size() == 0 && input_.capacity() > kKeptBuffer) {
    input_.shrink_to_fit();
  }
  read_bytes_ = want;
  reading_ = true;
  socket_.async_read_some(input_.prepare(want), [self = shared_from_this()](const error_code& ec, std::size_t bytes) {
    self->on_read(ec, bytes);
  });
}

void Session::on_read(const error_code& ec, std::size_t bytes) {
  reading_ = false;
  ++reads_;
  if (closed_) {
    return;
  }
  if (ec) {
    close();
    return;
  }
  now_ = Clock::now();
  input_.commit(bytes);
  // A full read promises more: see read().
  read_bytes_ = bytes == read_bytes_ ? kSmallRead : 0;
  if (phase_ == Phase::linger) {
    lingered_bytes_ += input_.size();
    input_.consume(input_.size());
    if (lingered_bytes_ > kLingerBytes) {
      close();
    } else {
      read();
    }
    return;
  }
  advance();
}

// Parses and serves as much as is there, then sends the answers together.
void Session::advance() {
  bool more = true;
  while (more && !closed_ && !last_ && !writing_ && input_.size() != 0) {
    more = phase_ == Phase::head                               ? parse_head()
           : phase_ == Phase::body || phase_ == Phase::discard ? parse_body()
                                                               : false;
    if (answer_.out().size() >= kMaxUnsent) {
      send();
    }
  }
  flush();
}

// RFC 9112 section 2.2: empty lines before a request are skipped.
void Session::skip_empty_lines() {
  while (input_.size() >= 2) {
    const auto* text = static_cast<const char*>(input_.data().data());
    if (text[0] != '\r' || text[1] != '\n') {
      return;
    }
    input_.consume(2);
  }
}

void Session::begin_request() {
  clear();
  parser_.emplace(request, service_.options.max_header_bytes);
  header_bytes_ = 0;
  complete_ = false;
  arrived_at_ = now_;
  set_deadline(now_ + service_.options.header_timeout);
}

bool Session::parse_head() {
  if (!parser_) {
    skip_empty_lines();
    if (input_.size() == 0) {
      return false;
    }
    begin_request();
  }
  boost::beast::error_code ec;
  const std::size_t taken = parser_->put(input_.data(), ec);
  input_.consume(taken);
  header_bytes_ += taken;
  const bool more = ec == HttpError::need_more;
  if (ec == HttpError::header_limit || header_bytes_ + (more ? input_.size() : 0) > service_.options.max_header_bytes) {
    refuse_input(Code::headers_too_large,
                 "request line and headers may take " + std::to_string(service_.options.max_header_bytes) + " bytes");
    return false;
  }
  if (ec && !more) {
    refuse_input(Code::bad_request, ec.message());
    return false;
  }
  if (!parser_->is_header_done()) {
    return false;
  }
  head_done();
  return true;
}

std::size_t Session::body_limit() const {
  const std::size_t value = service_.limits.max_value_bytes;
  // JSON needs room for its escapes.
  return request.method == Method::post ? 2 * value + kSmallBody : value;
}

void Session::prepare_answer(bool keep_alive) {
  answer_.prepare(worker_->date(), request.http_1_1, keep_alive, request.method == Method::head);
}

void Session::head_done() {
  const auto length = parser_->content_length();
  const bool has_body = !parser_->is_done();
  request.keep_alive = parser_->keep_alive() && !worker_->stopping();
  // A refused request's body is read and forgotten if that is soon done; otherwise the connection ends with the answer.
  const bool forgettable = !has_body || (length && *length <= kSmallBody && !request.expects_continue);
  prepare_answer(request.keep_alive && forgettable);
  run_guarded(route_request);
  if (!answer_.complete() && length && *length > body_limit()) {
    prepare_answer(false);
    server::http::answer(*this, {.code = Code::value_too_large,
                                 .detail = "the body may take " + std::to_string(body_limit()) + " bytes"});
  }
  if (answer_.complete()) {
    if (!has_body) {
      complete_ = true;
      finish_request();
    } else if (answer_.keep_alive()) {
      phase_ = Phase::discard;
      begin_body(kSmallBody);
    } else {
      finish_request();
    }
    return;
  }
  if (!has_body) {
    prepare_answer(request.keep_alive);
    serve_now();
    return;
  }
  phase_ = Phase::body;
  if (!hold_body(length ? static_cast<std::size_t>(*length) : 0)) {
    return;
  }
  begin_body(body_limit());
  if (request.expects_continue && input_.size() == 0) {
    answer_.out() += "HTTP/1.1 100 Continue\r\n\r\n";
  }
  prepare_answer(request.keep_alive);
}

// False: refused, for bodies and answers of all connections take too much already.
bool Session::hold_body(std::size_t bytes) {
  if (body_share_.grow_to(service_.budget, bytes)) {
    return true;
  }
  refuse_input(Code::overloaded, "too much is being sent and received already; try again later");
  return false;
}

void Session::begin_body(std::size_t limit) {
  parser_->take_body(limit, phase_ == Phase::body);
  set_deadline(now_ + service_.options.body_timeout);
}

bool Session::parse_body() {
  boost::beast::error_code ec;
  input_.consume(parser_->put(input_.data(), ec));
  const bool more = ec == HttpError::need_more;
  if (parser_->too_large()) {
    refuse_input(Code::value_too_large, "the body may take " + std::to_string(body_limit()) + " bytes");
    return false;
  }
  // What is left over is a chunk header or trailer that has not ended.
  if ((ec && !more) || input_.size() > service_.options.max_header_bytes) {
    if (!parser_->is_done()) {
      refuse_input(Code::bad_request, ec && !more ? ec.message() : "a chunk's header is too long");
      return false;
    }
  }
  if (!parser_->is_done()) {
    hold_body(request.body.size());
    return false;
  }
  if (phase_ == Phase::discard) {
    complete_ = true;
    finish_request();
  } else {
    serve_now();
  }
  return true;
}

// --- serving ---

void Session::serve_now() {
  complete_ = true;
  phase_ = Phase::waiting;
  body_share_.give_back(service_.budget);  // what waits for the node is limited there
  set_deadline(Worker::kNever);
  run_guarded(serve);
  after_step();
}

void Session::run_guarded(Step step) {
  try {
    step(*this);
  } catch (const std::exception& error) {
    if (answer_.streaming()) {
      answer_.break_off();
      return;
    }
    answer_.discard();
    prepare_answer(false);
    server::http::answer(*this, {.code = Code::internal, .detail = error.what(), .outcome = Outcome::unknown});
  }
}

void Session::after_step() {
  if (answer_.broken_off()) {
    close();
  } else if (answer_.complete()) {
    finish_request();
  }
}

// All that there was of a streamed answer is with the kernel: the next piece is asked for, so that no more than one is
// ever held here, however slowly the client takes it.
void Session::stream_on() {
  using Unsent = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;
  error_code ignored;
  socket_.set_option(Unsent(kStreamUnsent), ignored);
  run_guarded(when_taken);
  after_step();
}

void Session::hold() {
  if (!self_) {
    self_ = shared_from_this();
  }
}

void Session::arrived() {
  worker_->deliver(this);
}

void Session::resume() {
  const auto keep = std::move(self_);
  if (closed_ || phase_ != Phase::waiting) {
    return;
  }
  now_ = Clock::now();
  run_guarded([](Exchange& exchange) { static_cast<Session&>(exchange).run_step(); });
  after_step();
  if (phase_ != Phase::waiting) {
    advance();
  } else if (answer_.streaming()) {
    flush();
  }
}

// The input cannot be understood or is not wanted: the last answer of this connection.
void Session::refuse_input(Code code, std::string detail) {
  if (phase_ == Phase::discard) {
    last_ = true;  // answered already
    return;
  }
  if (phase_ == Phase::head) {
    // The parser has not looked at a request line whose headers have not all come.
    if (request.target.empty()) {
      take_request_line(request, {static_cast<const char*>(input_.data().data()), input_.size()});
    }
    identify_request(*this);
  }
  prepare_answer(false);
  server::http::answer(*this, {.code = code, .detail = std::move(detail)});
  finish_request();
}

void Session::finish_request() {
  service_.metrics.request_answered(route, request.method, answer_.status(), Clock::now() - arrived_at_);
  if (request.body.capacity() > kKeptBuffer) {
    request.body = {};
  }
  body_share_.give_back(service_.budget);
  if (!answer_.keep_alive()) {
    last_ = true;
  }
  parser_.reset();
  phase_ = Phase::head;
  set_deadline(now_ + service_.options.idle_timeout);
}

// --- writing ---

void Session::flush() {
  if (!closed_ && !writing_ && send()) {
    flushed();
  }
}

// True: all answers so far are with the kernel. Otherwise the rest is being written, or the connection is closed.
bool Session::send() {
  std::string& out = answer_.out();
  if (out.empty()) {
    return true;
  }
  error_code ec;
  const std::size_t sent = socket_.write_some(asio::buffer(out), ec);
  if (ec && ec != asio::error::would_block) {
    close();
    return false;
  }
  if (sent < out.size()) {
    sending_.swap(out);
    write_rest(sent);
    return false;
  }
  out.clear();
  if (out.capacity() > kKeptBuffer) {
    out.shrink_to_fit();
  }
  return true;
}

void Session::write_rest(std::size_t sent) {
  // What is streamed is bounded by the number of streams, and has no other answer to give way to.
  if (!answer_.streaming() && when_taken == nullptr && !unsent_share_.grow_to(service_.budget, sending_.size())) {
    close();
    return;
  }
  writing_ = true;
  const auto began = now_;
  const auto before = deadline_;
  set_deadline(now_ + service_.options.body_timeout);
  asio::async_write(socket_, asio::buffer(sending_) + sent,
                    [self = shared_from_this(), began, before](const error_code& ec, std::size_t) {
                      self->writing_ = false;
                      if (self->closed_) {
                        return;
                      }
                      if (ec) {
                        self->close();
                        return;
                      }
                      self->now_ = Clock::now();
                      self->sending_ = {};
                      self->unsent_share_.give_back(self->service_.budget);
                      // What was pending goes on to be: nothing was read meanwhile.
                      self->set_deadline(before == Worker::kNever ? before : before + (self->now_ - began));
                      self->advance();
                    });
}

void Session::flushed() {
  if (last_) {
    begin_linger();
  } else if (phase_ != Phase::waiting) {
    read();
  } else if (answer_.streaming() && !self_) {
    stream_on();  // the node owes nothing: see hold()
  }
}

// Closing while the client still sends would make the kernel reset the connection, and the answer be lost.
void Session::begin_linger() {
  if (complete_ && input_.size() == 0) {
    close();
    return;
  }
  error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  phase_ = Phase::linger;
  input_.consume(input_.size());
  set_deadline(now_ + kLinger);
  read();
}

// --- ending ---

void Session::set_deadline(Clock::time_point deadline) {
  deadline_ = deadline;
  worker_->watch(deadline);
}

void Session::expire() {
  now_ = Clock::now();
  const bool incomplete = parser_ && (phase_ == Phase::head || phase_ == Phase::body);
  if (writing_ || last_ || !incomplete) {
    close();
    return;
  }
  if (looked_after_ != reads_) {
    looked_after_ = reads_;
    set_deadline(now_);  // this thread may be the late one: what has come meanwhile is read first
    return;
  }
  refuse_input(Code::request_timeout,
               phase_ == Phase::head ? "the headers did not come in time" : "the body did not come in time");
  flush();
}

void Session::finish() {
  answer_.close_connection();
  const bool idle = phase_ == Phase::head && !parser_ && !writing_;
  if (idle) {
    close();
  }
}

void Session::close() {
  if (closed_) {
    return;
  }
  closed_ = true;
  body_share_.give_back(service_.budget);
  unsent_share_.give_back(service_.budget);
  error_code ignored;
  socket_.close(ignored);
  worker_->remove(*this);
}

}  // namespace tenaz::server::http
