// One connection: reads requests, has them served strictly one after the other, and writes the answers. All of it on
// its worker's thread, but for arrived().
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <memory>
#include <optional>

#include "server/http/exchange.h"
#include "server/http/parser.h"
#include "server/http/worker.h"

namespace tenaz::server::http {

class Session final : public Exchange, public std::enable_shared_from_this<Session> {
 public:
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;
  using Clock = Worker::Clock;

  Session(std::shared_ptr<Worker> worker, Socket socket);

  void start();
  // Instead of start(): one connection too many.
  void refuse();

  // What it waited for is there.
  void resume();
  // The same, after the worker's loop has ended.
  void abandon() { self_.reset(); }
  // The deadline has passed.
  void expire();
  // The server stops: closes when idle, else after the request under way.
  void finish();
  void close();

  Clock::time_point deadline() const { return deadline_; }
  std::size_t slot = 0;  // in Worker::sessions_

 private:
  enum class Phase {
    head,     // of the next request
    body,     // of a request whose head was taken
    discard,  // of a request that is already answered
    waiting,  // for the node
    linger,   // answered for the last time; reads what still comes so that the answer is not lost to a reset
  };

  void arrived() override;
  void hold() override;
  void let_go() override { self_.reset(); }

  void read();
  void on_read(const boost::system::error_code& ec, std::size_t bytes);
  void advance();
  bool parse_head();
  bool parse_body();
  void skip_empty_lines();
  void begin_request();
  void head_done();
  void begin_body(std::size_t limit);
  void serve_now();
  void run_guarded(Step step);
  void after_step();
  void stream_on();
  void refuse_input(Code code, std::string detail);
  void finish_request();
  void flush();
  bool send();
  void flushed();
  void write_rest(std::size_t sent);
  void begin_linger();
  void set_deadline(Clock::time_point deadline);
  void prepare_answer(bool keep_alive);
  std::size_t body_limit() const;
  bool hold_body(std::size_t bytes);

  std::shared_ptr<Worker> worker_;
  Socket socket_;
  boost::beast::flat_buffer input_;
  std::optional<RequestParser> parser_;  // of the request that is coming in
  Phase phase_ = Phase::head;
  std::size_t header_bytes_ = 0;
  std::size_t lingered_bytes_ = 0;
  std::size_t read_bytes_ = 0;
  std::string sending_;  // answers of which the socket did not take everything at once
  Share body_share_;
  Share unsent_share_;
  bool reading_ = false;
  std::uint64_t reads_ = 0;
  std::uint64_t looked_after_ = 0;  // that many reads, when a deadline was past
  bool writing_ = false;
  bool last_ = false;     // nothing is parsed any more: close when all is written
  bool complete_ = true;  // the client has sent all of its last request
  bool closed_ = false;
  Clock::time_point now_;  // of the event that is being handled
  Clock::time_point arrived_at_;
  Clock::time_point deadline_ = Worker::kNever;
  std::shared_ptr<Session> self_;  // while the node owes a callback
};

}  // namespace tenaz::server::http
