#include "server/options.h"

#include <charconv>
#include <string_view>

namespace tenaz::server {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

namespace {

constexpr std::size_t kEnvelope = 16 << 10;  // of a command around its value, the key included
constexpr std::size_t kKiB = std::size_t{1} << 10, kMiB = std::size_t{1} << 20, kGiB = std::size_t{1} << 30;

template <class T>
bool between(T low, T value, T high) {
  return low <= value && value <= high;
}

void require(std::vector<std::string>& faults, bool fine, const char* fault) {
  if (!fine) faults.emplace_back(fault);
}

}  // namespace

bool valid_address(const std::string& address) {
  const std::string_view text = address;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);

  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || !between(1U, number, 65'535U)) return false;

  const bool bracketed = host.front() == '[';
  if (bracketed) {
    if (host.size() < 4 || host.back() != ']') return false;
    host = host.substr(1, host.size() - 2);
  }
  if (host.size() > 253) return false;
  for (const char c : host) {
    const bool hex = between('0', c, '9') || between('a', c, 'f') || between('A', c, 'F');
    const bool name =
        between('0', c, '9') || between('a', c, 'z') || between('A', c, 'Z') || c == '.' || c == '-' || c == '_';
    if (bracketed ? !(hex || c == ':' || c == '.') : !name) return false;
  }
  return true;
}

std::vector<std::string> HttpOptions::check() const {
  std::vector<std::string> faults;
  require(faults, valid_address(listen), "http.listen: must be host:port");
  require(faults, between<std::size_t>(1, threads, 256), "http.threads: must be 1 to 256");
  require(faults, between<std::size_t>(1, max_connections, 1'000'000), "http.max_connections: must be 1 to 1000000");
  require(faults, between<std::chrono::nanoseconds>(milliseconds(1), request_timeout, minutes(1)),
          "http.request_timeout: must be 1ms to 60s");
  require(faults, between<std::chrono::nanoseconds>(milliseconds(100), idle_timeout, hours(24)),
          "http.idle_timeout: must be 100ms to 24h");
  require(faults, between<std::chrono::nanoseconds>(milliseconds(100), header_timeout, minutes(10)),
          "http.header_timeout: must be 100ms to 10m");
  require(faults, between<std::chrono::nanoseconds>(milliseconds(100), body_timeout, hours(1)),
          "http.body_timeout: must be 100ms to 1h");
  require(faults, between(32 * kKiB, max_header_bytes, kMiB),
          "http.max_header_bytes: must be 32KiB to 1MiB (a key can take 12KiB)");
  return faults;
}

std::vector<std::string> PeerOptions::check() const {
  std::vector<std::string> faults;
  require(faults, valid_address(listen), "peer.listen: must be host:port");
  require(faults, between<std::chrono::nanoseconds>(milliseconds(1), connect_timeout, minutes(1)),
          "peer.connect_timeout: must be 1ms to 60s");
  require(faults, between<std::chrono::nanoseconds>(milliseconds(1), reconnect_min, minutes(1)),
          "peer.reconnect_min: must be 1ms to 60s");
  require(faults, reconnect_max <= minutes(1), "peer.reconnect_max: must be at most 60s");
  require(faults, reconnect_max >= reconnect_min, "peer.reconnect_max: must be at least peer.reconnect_min");
  require(faults, between(64 * kKiB, max_frame_bytes, kGiB), "peer.max_frame_bytes: must be 64KiB to 1GiB");
  require(faults, max_queue_bytes >= max_frame_bytes, "peer.max_queue_bytes: must be at least peer.max_frame_bytes");
  require(faults, max_queue_bytes <= 64 * kGiB, "peer.max_queue_bytes: must be at most 64GiB");
  require(faults, max_snapshot_rate == 0 || between<std::uint64_t>(kMiB, max_snapshot_rate, 1024 * kGiB),
          "peer.max_snapshot_rate: must be 0B (no limit) or 1MiB to 1TiB");
  return faults;
}

std::vector<std::string> HistoryOptions::check() const {
  std::vector<std::string> faults;
  require(
      faults,
      keep_age.count() == 0 || between<std::chrono::nanoseconds>(std::chrono::seconds(1), keep_age, hours(24 * 3660)),
      "history.keep_age: must be 0s (no limit) or 1s to 87840h");
  require(faults, keep_revisions <= 1'000'000'000'000, "history.keep_revisions: must be at most 1000000000000");
  require(faults, between<std::chrono::nanoseconds>(std::chrono::seconds(1), compact_interval, hours(24)),
          "history.compact_interval: must be 1s to 24h");
  return faults;
}

std::vector<std::string> LimitOptions::check() const {
  std::vector<std::string> faults;
  require(faults, between(std::size_t{1}, max_value_bytes, 256 * kMiB), "limits.max_value_bytes: must be 1B to 256MiB");
  require(faults, max_inflight_bytes >= max_value_bytes + kEnvelope,
          "limits.max_inflight_bytes: must be at least limits.max_value_bytes and 16KiB more");
  require(faults, max_inflight_bytes <= 64 * kGiB, "limits.max_inflight_bytes: must be at most 64GiB");
  require(faults, max_buffered_bytes >= max_value_bytes,
          "limits.max_buffered_bytes: must be at least limits.max_value_bytes");
  require(faults, max_buffered_bytes <= 64 * kGiB, "limits.max_buffered_bytes: must be at most 64GiB");
  return faults;
}

std::vector<std::string> LogOptions::check() const {
  std::vector<std::string> faults;
  const bool known = level == "trace" || level == "debug" || level == "info" || level == "warn" || level == "error";
  require(faults, known, "log.level: must be trace, debug, info, warn or error");
  require(faults, format == "text" || format == "json", "log.format: must be text or json");
  return faults;
}

}  // namespace tenaz::server
