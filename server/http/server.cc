#include "server/http/server.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <charconv>
#include <ctime>
#include <future>

#include "server/http/session.h"
#include "server/http/worker.h"

namespace tenaz::server {
namespace http {

namespace asio = boost::asio;
using boost::system::error_code;

// --- Worker ---

Worker::Worker(const Service& service) : service_(service) {}
Worker::~Worker() = default;

void Worker::start(std::size_t number) {
  thread_ = std::thread([this, number] {
    pthread_setname_np(pthread_self(), ("tenaz-http-" + std::to_string(number)).c_str());
    run();
  });
}

void Worker::run() {
  io_.run();
  std::vector<Session*> late;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    late.swap(inbox_);
  }
  over_.notify_all();
  for (Session* session : late) {
    session->abandon();
  }
}

void Worker::finish() {
  asio::post(io_, [this] {
    stopping_ = true;
    const auto sessions = sessions_;
    for (Session* session : sessions) {
      session->finish();
    }
    let_go_if_done();
  });
}

void Worker::end() {
  asio::post(io_, [this] {
    stopping_ = ending_ = true;
    const auto sessions = sessions_;
    for (Session* session : sessions) {
      session->close();
    }
    let_go_if_done();
  });
}

void Worker::wait_until(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  over_.wait_until(lock, deadline, [this] { return ended_; });
}

void Worker::join() {
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Worker::let_go_if_done() {
  if (stopping_ && (sessions_.empty() || ending_)) {
    timer_.cancel();
    guard_.reset();
  }
}

void Worker::deliver(Session* session) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (!ended_) {
      first = inbox_.empty();
      inbox_.push_back(session);
      session = nullptr;
    }
  }
  if (session != nullptr) {
    session->abandon();
  } else if (first) {
    asio::post(io_, [this] { drain(); });
  }
}

void Worker::drain() {
  {
    const std::lock_guard lock(mutex_);
    arriving_.swap(inbox_);
  }
  for (Session* session : arriving_) {
    session->resume();
  }
  arriving_.clear();
}

void Worker::add(Session& session) {
  session.slot = sessions_.size();
  sessions_.push_back(&session);
  service_.metrics.connection_opened();
}

void Worker::remove(Session& session) {
  sessions_[session.slot] = sessions_.back();
  sessions_[session.slot]->slot = session.slot;
  sessions_.pop_back();
  service_.metrics.connection_closed();
  let_go_if_done();
}

void Worker::watch(Clock::time_point deadline) {
  if (deadline < next_tick_) {
    arm(deadline);
  }
}

void Worker::arm(Clock::time_point at) {
  next_tick_ = at;
  timer_.expires_at(at);
  timer_.async_wait([this](const error_code& ec) {
    if (!ec) {
      tick();
    }
  });
}

void Worker::tick() {
  next_tick_ = kNever;
  const auto now = Clock::now();
  const auto sessions = sessions_;
  Clock::time_point earliest = kNever;
  for (Session* session : sessions) {
    if (session->deadline() > now) {
      earliest = std::min(earliest, session->deadline());
    } else {
      session->expire();
    }
  }
  watch(earliest);
}

std::string_view Worker::date() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != date_second_) {
    date_second_ = now.tv_sec;
    constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    tm parts{};
    gmtime_r(&now.tv_sec, &parts);
    fmt::format_to_n(date_.data(), date_.size(), "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     days[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                     months[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                     parts.tm_sec);
  }
  return {date_.data(), date_.size()};
}

}  // namespace http

// --- HttpServer ---

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;

constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::seconds kAcceptWarnings{30};  // one at most in this time

// "host:port", "[::1]:port"
std::optional<std::pair<std::string, std::string>> split_endpoint(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) {
    return std::nullopt;
  }
  // getaddrinfo would take 99999 and listen somewhere else.
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port > 65535) {
    return std::nullopt;
  }
  std::string host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return std::pair{std::move(host), text.substr(colon + 1)};
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const HttpOptions& options, const LimitOptions& limits, Node& node, BackupPort& backups, Metrics& metrics)
      : budget_(limits.max_buffered_bytes), service_{options, limits, budget_, node, backups, metrics} {
    for (std::size_t i = 0; i < std::max<std::size_t>(options.threads, 1); ++i) {
      workers_.push_back(std::make_shared<http::Worker>(service_));
    }
    acceptor_.emplace(workers_.front()->io());
    accept_pause_.emplace(workers_.front()->io());
  }

  ~Impl() {
    stop(std::chrono::nanoseconds::zero());
    // Handlers of the loop refer to these.
    acceptor_.reset();
    accept_pause_.reset();
  }

  std::optional<std::string> listen() {
    error_code ec;
    bind(ec);
    if (ec) {
      return "cannot listen for HTTP on " + service_.options.listen + ": " + ec.message();
    }
    local_ = acceptor_->local_endpoint(ec);
    return std::nullopt;
  }

  std::optional<std::string> start() {
    if (!acceptor_->is_open()) {
      if (auto fault = listen()) {
        return fault;
      }
    }
    accept();
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      workers_[i]->start(i);
    }
    running_ = true;
    return std::nullopt;
  }

  void stop(std::chrono::nanoseconds grace) {
    if (!std::exchange(running_, false)) {
      return;
    }
    stop_accepting();
    const auto deadline = http::Worker::Clock::now() + grace;
    for (const auto& worker : workers_) {
      worker->finish();
    }
    for (const auto& worker : workers_) {
      worker->wait_until(deadline);
      worker->end();
    }
    for (const auto& worker : workers_) {
      worker->join();
    }
  }

  const tcp::endpoint& local() const { return local_; }

 private:
  void bind(error_code& ec) {
    const auto where = split_endpoint(service_.options.listen);
    if (!where) {
      ec = asio::error::invalid_argument;
      return;
    }
    tcp::resolver resolver(workers_.front()->io());
    const auto found = resolver.resolve(where->first, where->second, tcp::resolver::passive, ec);
    if (ec) {
      return;
    }
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor_->open(endpoint.protocol(), ec);
    if (!ec) {
      acceptor_->set_option(asio::socket_base::reuse_address(true), ec);
    }
    if (!ec) {
      acceptor_->bind(endpoint, ec);
    }
    if (!ec) {
      acceptor_->listen(asio::socket_base::max_listen_connections, ec);
    }
  }

  // One acceptor hands connections out in turn: SO_REUSEPORT would let a second process take the same port unseen.
  void accept() {
    const auto& worker = workers_[next_++ % workers_.size()];
    acceptor_->async_accept(worker->io(), [this, worker](const error_code& ec, http::Session::Socket socket) {
      if (!acceptor_->is_open()) {
        return;
      }
      if (ec) {
        pause(ec);
        return;
      }
      take(worker, std::move(socket));
      accept();
    });
  }

  void take(const std::shared_ptr<http::Worker>& worker, http::Session::Socket socket) {
    const std::size_t others = open_->fetch_add(1, std::memory_order_relaxed);
    // Counted down when the session is gone, wherever that happens.
    const auto counted = [open = open_](http::Session* session) {
      delete session;
      open->fetch_sub(1, std::memory_order_relaxed);
    };
    const std::size_t most = service_.options.max_connections;
    const std::shared_ptr<http::Session> session(new http::Session(worker, std::move(socket)), counted);
    if (others >= most + refused_at_once(most)) {
      return;
    }
    asio::post(worker->io(), [session, refuse = others >= most] {
      if (refuse) {
        session->refuse();
      } else {
        session->start();
      }
    });
  }

  // Out of file descriptors, most likely: a while later some will be free.
  void pause(const error_code& ec) {
    if (ec == asio::error::connection_aborted) {
      accept();
      return;
    }
    service_.metrics.accept_failed();
    const auto now = http::Worker::Clock::now();
    if (now >= next_warning_) {
      spdlog::warn("http: cannot accept connections for now: {}", ec.message());
      next_warning_ = now + kAcceptWarnings;
    }
    accept_pause_->expires_after(kAcceptPause);
    accept_pause_->async_wait([this](const error_code& cancelled) {
      if (!cancelled && acceptor_->is_open()) {
        accept();
      }
    });
  }

  void stop_accepting() {
    std::promise<void> done;
    asio::post(workers_.front()->io(), [this, &done] {
      error_code ignored;
      acceptor_->close(ignored);
      accept_pause_->cancel();
      done.set_value();
    });
    done.get_future().wait();
  }

  http::Budget budget_;
  const http::Service service_;
  std::vector<std::shared_ptr<http::Worker>> workers_;
  std::optional<Acceptor> acceptor_;
  std::optional<asio::steady_timer> accept_pause_;
  const std::shared_ptr<std::atomic<std::size_t>> open_ = std::make_shared<std::atomic<std::size_t>>(0);
  std::size_t next_ = 0;
  http::Worker::Clock::time_point next_warning_{};
  tcp::endpoint local_;
  bool running_ = false;
};

HttpServer::HttpServer(const HttpOptions& options, const LimitOptions& limits, Node& node, BackupPort& backups,
                       Metrics& metrics)
    : impl_(std::make_unique<Impl>(options, limits, node, backups, metrics)) {}
HttpServer::~HttpServer() = default;

std::optional<std::string> HttpServer::listen() {
  return impl_->listen();
}

std::optional<std::string> HttpServer::start() {
  return impl_->start();
}

std::string HttpServer::endpoint() const {
  const auto& local = impl_->local();
  const std::string address = local.address().to_string();
  return (local.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(local.port());
}

std::uint16_t HttpServer::port() const {
  return impl_->local().port();
}

void HttpServer::stop(std::chrono::nanoseconds grace) {
  impl_->stop(grace);
}

}  // namespace tenaz::server
