#include "bench/generator.h"

#include <netdb.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

#include "bench/connection.h"

namespace tenaz::bench {

namespace {

using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr milliseconds kTick{100};  // how often timeouts and reconnections are looked at
constexpr seconds kConnectPatience{10};
constexpr seconds kStallPatience{60};  // without one answer, a run that counts requests gives up
constexpr std::size_t kReadBuffer = 256 << 10;

struct FreeAddress {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Address = std::unique_ptr<addrinfo, FreeAddress>;

Address resolve(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &list);
  if (error != 0) throw std::runtime_error(endpoint.host + ": " + ::gai_strerror(error));
  return Address(list);
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto to_seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return to_seconds(usage.ru_utime) + to_seconds(usage.ru_stime);
}

struct Slot {
  Connection connection;
  std::size_t endpoint = 0;
  bool was_open = false;
  bool busy = false;
  Instant due{};  // of the operation under way; when idle and closed: of the next attempt to connect
  Instant sent{};
  Operation operation = Operation::put;
  std::uint64_t key = 0;
};

struct Next {
  Operation operation = Operation::put;
  std::uint64_t key = 0;
  Instant due{};
};

class Loop {
 public:
  Loop(const RunOptions& options, const Protocol& protocol, const std::vector<Endpoint>& endpoints);
  ~Loop() { ::close(epoll_); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Report run();

 private:
  void connect_all();
  void poll(nanoseconds longest);
  void on_event(std::size_t index, std::uint32_t events);
  void on_answer(std::size_t index);
  void lose(std::size_t index, const char* error);
  void pump();
  std::optional<Next> next_request(Instant now);
  Operation choose_operation();
  void dispatch(std::size_t index, const Next& next);
  void begin_connect(std::size_t index);
  void tick(Instant now);
  void count_error(const Slot& slot, std::string_view code, Instant now);
  bool counts(const Slot& slot) const { return slot.due >= measured_from_; }
  bool sending(Instant now) const;
  nanoseconds until_next_due(Instant now) const;

  const RunOptions& options_;
  const Protocol& protocol_;
  const std::vector<Endpoint>& endpoints_;
  std::vector<Address> addresses_;
  int epoll_;
  std::vector<char> buffer_ = std::vector<char>(kReadBuffer);
  std::deque<Slot> slots_;
  std::deque<std::size_t> idle_;
  std::size_t busy_ = 0;

  Random random_;
  KeyChooser keys_;
  ValuePool values_;
  std::array<unsigned, kOperations> cumulative_{};

  bool started_ = false;
  Instant began_{};
  Instant measured_from_{};
  Instant last_answer_{};
  std::optional<Instant> stopped_;  // before its time
  Instant next_tick_{};
  std::uint64_t arrivals_ = 0;  // of the open loop, sent so far
  std::uint64_t measured_sent_ = 0;
  std::uint64_t next_load_key_ = 0;
  std::vector<std::uint64_t> load_again_;
  std::optional<double> cpu_at_start_;
  Report report_;
};

Loop::Loop(const RunOptions& options, const Protocol& protocol, const std::vector<Endpoint>& endpoints)
    : options_(options),
      protocol_(protocol),
      endpoints_(endpoints),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      random_(options.seed),
      keys_(options.distribution, options.keys, options.zipf_exponent),
      values_(options.value_bytes, random_) {
  if (epoll_ < 0) throw std::runtime_error("epoll_create1 failed");
  for (const Endpoint& endpoint : endpoints_) addresses_.push_back(resolve(endpoint));
  unsigned sum = 0;
  for (std::size_t i = 0; i < kOperations; ++i) cumulative_[i] = sum += options_.mix[i];
  for (std::size_t i = 0; i < options_.connections; ++i) {
    slots_.emplace_back();
    slots_.back().endpoint = options_.even ? i % endpoints_.size() : 0;
  }
}

Report Loop::run() {
  connect_all();
  began_ = Clock::now();
  measured_from_ = began_ + options_.warmup;
  last_answer_ = began_;
  started_ = true;
  pump();
  while (true) {
    const Instant now = Clock::now();
    if (!stopped_ && options_.stop != nullptr && *options_.stop) stopped_ = now;
    if (!cpu_at_start_ && now >= measured_from_) cpu_at_start_ = cpu_seconds();
    if (!sending(now) && busy_ == 0) break;
    if (options_.duration.count() == 0 && now - last_answer_ > kStallPatience) {
      throw std::runtime_error("no answer from any endpoint for " + std::to_string(kStallPatience.count()) + " s");
    }
    poll(until_next_due(now));
    pump();
  }
  const Instant asked = stopped_.value_or(measured_from_ + options_.duration);
  const Instant end = std::max({last_answer_, asked, measured_from_});
  report_.seconds = std::chrono::duration<double>(end - measured_from_).count();
  report_.generator_cpu_seconds = cpu_seconds() - cpu_at_start_.value_or(cpu_seconds());
  if (options_.rate > 0 && options_.requests == 0) {
    const double whole = std::chrono::duration<double>(asked - began_).count();
    const auto due = static_cast<std::uint64_t>(whole * options_.rate);
    report_.never_sent = due > arrivals_ ? due - arrivals_ : 0;
  }
  return std::move(report_);
}

void Loop::connect_all() {
  const Instant until = Clock::now() + kConnectPatience;
  for (std::size_t i = 0; i < slots_.size(); ++i) begin_connect(i);
  while (idle_.size() < slots_.size() && Clock::now() < until) poll(kTick);
  if (idle_.empty()) throw std::runtime_error("no endpoint accepts connections");
}

void Loop::poll(nanoseconds longest) {
  std::array<epoll_event, 256> events;
  longest = std::clamp(longest, nanoseconds(0), nanoseconds(kTick));
  const timespec timeout{0, static_cast<long>(longest.count())};
  const int n = ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
  for (int i = 0; i < n; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    on_event(static_cast<std::size_t>(event.data.u64), event.events);
  }
  const Instant now = Clock::now();
  if (now >= next_tick_) tick(now);
}

void Loop::on_event(std::size_t index, std::uint32_t events) {
  Slot& slot = slots_[index];
  switch (slot.connection.on_event(events, buffer_)) {
    case Connection::Event::nothing:
      break;
    case Connection::Event::connected:
      if (slot.was_open) ++report_.reconnects;
      slot.was_open = true;
      idle_.push_back(index);
      if (started_) pump();
      break;
    case Connection::Event::answered:
      on_answer(index);
      break;
    case Connection::Event::broken:
      lose(index, "connection_lost");
      break;
  }
}

void Loop::on_answer(std::size_t index) {
  Slot& slot = slots_[index];
  const Instant now = Clock::now();
  last_answer_ = now;
  slot.busy = false;
  --busy_;
  const std::string_view error = protocol_.error_of(slot.operation, {slot.connection.status(), slot.connection.body()});
  if (!error.empty()) {
    count_error(slot, error, now);
  } else if (counts(slot)) {
    OperationReport& done = report_.operations[static_cast<std::size_t>(slot.operation)];
    done.latency.add(static_cast<std::uint64_t>((now - slot.due).count()));
    done.answer_bytes += slot.connection.body_bytes();
  }
  if (slot.connection.reusable()) {
    idle_.push_back(index);
    pump();
  } else {
    begin_connect(index);
  }
}

void Loop::lose(std::size_t index, const char* error) {
  Slot& slot = slots_[index];
  const bool refused = slot.connection.state() == Connection::State::connecting;
  const Instant now = Clock::now();
  if (slot.busy) {
    slot.busy = false;
    --busy_;
    count_error(slot, error, now);
  }
  std::erase(idle_, index);
  slot.connection.close();
  if (refused) slot.endpoint = (slot.endpoint + 1) % endpoints_.size();
  slot.due = now + kTick;
}

void Loop::count_error(const Slot& slot, std::string_view code, Instant now) {
  if (options_.load) load_again_.push_back(slot.key);
  if (!counts(slot)) return;
  ++report_.errors[std::string(code)];
  report_.error_latency.add(static_cast<std::uint64_t>((now - slot.due).count()));
}

void Loop::pump() {
  while (!idle_.empty()) {
    const std::optional<Next> next = next_request(Clock::now());
    if (!next) return;
    const std::size_t index = idle_.front();
    idle_.pop_front();
    dispatch(index, *next);
  }
}

bool Loop::sending(Instant now) const {
  if (stopped_) return false;
  if (options_.load) return next_load_key_ < options_.keys || !load_again_.empty();
  if (options_.duration.count() > 0 && now >= measured_from_ + options_.duration) return false;
  return options_.requests == 0 || measured_sent_ < options_.requests;
}

std::optional<Next> Loop::next_request(Instant now) {
  if (!sending(now)) return std::nullopt;
  if (options_.load) {
    if (next_load_key_ < options_.keys) return Next{Operation::put, next_load_key_++, now};
    const std::uint64_t key = load_again_.back();
    load_again_.pop_back();
    return Next{Operation::put, key, now};
  }
  Next next{Operation::put, 0, now};
  if (options_.rate > 0) {
    next.due = began_ + nanoseconds(static_cast<std::int64_t>(static_cast<double>(arrivals_) * 1e9 / options_.rate));
    if (next.due > now) return std::nullopt;
    ++arrivals_;
  }
  if (next.due >= measured_from_) ++measured_sent_;
  next.operation = choose_operation();
  next.key = keys_.next(random_);
  if (next.operation == Operation::list) {
    next.key %= options_.keys > options_.list_limit ? options_.keys - options_.list_limit : 1;
  }
  return next;
}

Operation Loop::choose_operation() {
  const auto drawn = static_cast<unsigned>(random_() % cumulative_.back());
  std::size_t i = 0;
  while (drawn >= cumulative_[i]) ++i;
  return static_cast<Operation>(i);
}

void Loop::dispatch(std::size_t index, const Next& next) {
  Slot& slot = slots_[index];
  slot.operation = next.operation;
  slot.key = next.key;
  slot.due = next.due;
  slot.sent = std::max(next.due, Clock::now());
  slot.busy = true;
  ++busy_;
  const std::string_view value = next.operation == Operation::put ? values_.next(random_) : std::string_view{};
  std::string& request = slot.connection.request();
  request.clear();
  protocol_.write_request(next.operation, next.key, value, endpoints_[slot.endpoint], request);
  if (!slot.connection.send()) lose(index, "connection_lost");
}

void Loop::begin_connect(std::size_t index) {
  Slot& slot = slots_[index];
  if (slot.connection.connect(*addresses_[slot.endpoint], epoll_, index)) return;
  slot.endpoint = (slot.endpoint + 1) % endpoints_.size();
  slot.due = Clock::now() + kTick;
}

void Loop::tick(Instant now) {
  next_tick_ = now + kTick;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.busy && now - slot.sent > options_.timeout) {
      lose(i, "client_timeout");
    } else if (slot.connection.state() == Connection::State::closed && now >= slot.due) {
      begin_connect(i);
    }
  }
}

nanoseconds Loop::until_next_due(Instant now) const {
  if (options_.rate <= 0 || idle_.empty() || !sending(now)) return kTick;
  const auto due = nanoseconds(static_cast<std::int64_t>(static_cast<double>(arrivals_) * 1e9 / options_.rate));
  return began_ + due - now;
}

// One blocking request on a connection of its own.
std::string ask(const Endpoint& endpoint, const std::string& request) {
  namespace beast = boost::beast;
  boost::asio::io_context context;
  boost::asio::ip::tcp::resolver resolver(context);
  beast::tcp_stream stream(context);
  stream.connect(resolver.resolve(endpoint.host, endpoint.port));
  boost::asio::write(stream.socket(), boost::asio::buffer(request));
  beast::flat_buffer buffer;
  beast::http::response<beast::http::string_body> answer;
  beast::http::read(stream.socket(), buffer, answer);
  return answer.body();
}

}  // namespace

std::uint64_t Report::done() const {
  std::uint64_t sum = 0;
  for (const OperationReport& operation : operations) sum += operation.latency.count();
  return sum;
}

std::uint64_t Report::failed() const {
  std::uint64_t sum = 0;
  for (const auto& [code, count] : errors) sum += count;
  return sum;
}

Report run(const RunOptions& options, const Protocol& protocol, const std::vector<Endpoint>& endpoints) {
  return Loop(options, protocol, endpoints).run();
}

Endpoint find_leader(const Protocol& protocol, const std::vector<Endpoint>& endpoints, seconds patience) {
  const Instant until = Clock::now() + patience;
  while (true) {
    for (const Endpoint& endpoint : endpoints) {
      try {
        if (protocol.leads(ask(endpoint, protocol.leader_question(endpoint)))) return endpoint;
      } catch (const boost::system::system_error&) {
        continue;  // this one is down
      }
    }
    if (Clock::now() >= until) throw std::runtime_error("no endpoint says that it leads");
    std::this_thread::sleep_for(kTick);
  }
}

}  // namespace tenaz::bench
