// Keeps connections busy with operations and records what came of them. One thread, one epoll loop.
//
// Closed loop (no rate): each connection sends its next request as soon as it has its answer. Open loop (a rate):
// requests are due at fixed times, whatever the server does; latency counts from the time a request was due, so that a
// server that stalls cannot hide the requests it kept from being sent ("coordinated omission").
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bench/distribution.h"
#include "bench/histogram.h"
#include "bench/protocol.h"

namespace tenaz::bench {

struct RunOptions {
  std::size_t connections = 1;
  std::uint64_t requests = 0;            // 0: until `duration` is over
  std::chrono::nanoseconds duration{0};  // 0: until `requests` are done
  std::chrono::nanoseconds warmup{0};    // before either begins to count; its operations are not reported
  double rate = 0;                       // requests per second over all connections; 0: closed loop
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);  // for one answer; then the connection is given up
  std::array<unsigned, kOperations> mix{1, 0, 0};               // weights by Operation
  std::size_t value_bytes = 256;
  std::uint64_t keys = 100'000;
  std::uint64_t list_limit = 100;  // lists start where as many keys follow
  Distribution distribution = Distribution::uniform;
  double zipf_exponent = 0.99;
  std::uint64_t seed = 1;
  bool even = true;  // connection i begins at endpoint i modulo their number; false: all begin at the first
  // Puts every key once, in order; a failed put is done again. Requests, duration, mix and distribution do not count
  // then.
  bool load = false;
  const std::atomic<bool>* stop = nullptr;  // once true, nothing more is sent, as if `duration` were over
};

struct OperationReport {
  Histogram latency;               // of those that were done, in nanoseconds
  std::uint64_t answer_bytes = 0;  // bodies
};

struct Report {
  std::array<OperationReport, kOperations> operations;
  std::map<std::string, std::uint64_t> errors;  // by code; answers that were no success, lost connections, timeouts
  Histogram error_latency;
  std::uint64_t reconnects = 0;
  std::uint64_t never_sent = 0;  // due in an open loop, but no connection was free until the end
  // From the end of the warm-up to the last answer, and not less than the duration asked for, unless stopped before.
  double seconds = 0;
  double generator_cpu_seconds = 0;

  std::uint64_t done() const;
  std::uint64_t failed() const;
};

// A connection that is refused goes on to the next endpoint.
// Throws std::runtime_error if no connection to any endpoint can be made within ten seconds.
Report run(const RunOptions& options, const Protocol& protocol, const std::vector<Endpoint>& endpoints);

// The endpoint that says it leads; asks all, again and again, for `patience`. Throws std::runtime_error if none does.
Endpoint find_leader(const Protocol& protocol, const std::vector<Endpoint>& endpoints, std::chrono::seconds patience);

}  // namespace tenaz::bench
