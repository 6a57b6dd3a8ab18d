// What an operator may set about the server: listeners, limits, logs.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tenaz::server {

// host:port with a port of 1 to 65535; an IPv6 address stands in brackets. Says nothing about whether the host exists.
bool valid_address(const std::string& address);

struct HttpOptions {
  std::string listen = "127.0.0.1:7480";
  std::size_t threads = 1;                                             // that serve HTTP; 1 is enough for two cores
  std::size_t max_connections = 10'000;                                // one more is answered 503 overloaded and closed
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(5);  // default of ?timeout=
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(120);   // a kept-alive connection without a request
  std::chrono::nanoseconds header_timeout =
      std::chrono::seconds(10);  // from the first byte of a request to its end of headers
  std::chrono::nanoseconds body_timeout = std::chrono::seconds(30);  // for the body, and for a client to take an answer
  std::size_t max_header_bytes = 64 << 10;                           // >= 32 KiB: a key can take 12 KiB
  bool teaching_routes = false;                                      // the calls of the teaching programs

  std::vector<std::string> check() const;
};

// Connections beyond max_connections that are told so at a time; more are closed without a word.
constexpr std::size_t refused_at_once(std::size_t max_connections) {
  const std::size_t few = max_connections / 8 + 1;
  return few < 128 ? few : 128;
}

struct PeerOptions {
  std::string listen = "127.0.0.1:7490";
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(1);
  std::chrono::nanoseconds reconnect_min = std::chrono::milliseconds(20);  // back-off, doubled up to the maximum
  std::chrono::nanoseconds reconnect_max = std::chrono::seconds(1);
  std::size_t max_frame_bytes = 16 << 20;      // a longer one closes the connection
  std::size_t max_queue_bytes = 32 << 20;      // per peer and lane; what does not fit is dropped
  std::uint64_t max_snapshot_rate = 64 << 20;  // bytes a second of images that this node sends, to all together; 0: any

  std::vector<std::string> check() const;
};

// How much of the past is kept without anybody asking for its compaction. What either of the first two keeps is kept.
struct HistoryOptions {
  std::chrono::nanoseconds keep_age{0};  // revisions that were in force so long ago or later; 0: of any age
  std::uint64_t keep_revisions = 0;      // so many of the latest revisions; 0: all
  std::chrono::nanoseconds compact_interval = std::chrono::minutes(1);  // at most one automatic compaction in it

  std::vector<std::string> check() const;
};

struct LimitOptions {
  std::size_t max_value_bytes = 1 << 20;
  std::size_t max_inflight_bytes = 64 << 20;  // writes that wait, on one node; over it: overloaded
  std::size_t max_buffered_bytes = 64 << 20;  // bodies coming in and answers not yet taken; over it: overloaded

  std::vector<std::string> check() const;
};

struct LogOptions {
  std::string level = "info";   // trace, debug, info, warn, error
  std::string format = "text";  // text or json

  std::vector<std::string> check() const;
};

}  // namespace tenaz::server
