// One HTTP thread: its event loop, its connections, and the one timer that watches over all of them.
//
// Lifetime: kept alive by the server while it runs and by every session. What the node still owes when the loop has
// ended is taken in and dropped on the thread that brings it.
#pragma once

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "server/http/exchange.h"

namespace tenaz::server::http {

class Session;

class Worker : public std::enable_shared_from_this<Worker> {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::time_point kNever = Clock::time_point::max();

  explicit Worker(const Service& service);
  ~Worker();

  void start(std::size_t number);
  // Stops as HttpServer::stop() says: finish() begins it, end() cuts off what is left, join() returns when the loop is
  // over.
  void finish();
  void end();
  void join();
  // The loop is over, or `deadline` has passed.
  void wait_until(Clock::time_point deadline);

  boost::asio::io_context& io() { return io_; }
  const Service& service() const { return service_; }

  // Any thread: what `session` waits for is there; it is resumed on this worker's thread.
  void deliver(Session* session);

  // --- from here on: this worker's thread only
  // --------------------------------------------------------------------------
  void add(Session& session);
  void remove(Session& session);
  bool stopping() const { return stopping_; }

  // A session's deadline is `deadline` now: the timer goes off then at the latest. Cheap unless it is the earliest.
  void watch(Clock::time_point deadline);

  // The Date header's value. The text changes in place as time goes on.
  std::string_view date();

 private:
  void run();
  void drain();
  void tick();
  void arm(Clock::time_point at);
  void let_go_if_done();

  const Service& service_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{io_.get_executor()};
  boost::asio::steady_timer timer_{io_};
  Clock::time_point next_tick_ = kNever;
  std::vector<Session*> sessions_;
  bool stopping_ = false;
  bool ending_ = false;

  std::time_t date_second_ = -1;
  std::array<char, 29> date_{};

  std::mutex mutex_;
  std::condition_variable over_;
  std::vector<Session*> inbox_;     // guarded by mutex_: one post for all that arrive until it runs
  bool ended_ = false;              // guarded by mutex_
  std::vector<Session*> arriving_;  // being drained

  std::thread thread_;
};

}  // namespace tenaz::server::http
