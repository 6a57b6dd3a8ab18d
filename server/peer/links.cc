#include "server/peer/links.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <charconv>

namespace tenaz::server::peer {

void LinkContext::warn(const std::string& source, const std::string& line) {
  const auto held_back = limiter.admit(LogLimiter::Clock::now(), source, line);
  if (!held_back) return;
  if (*held_back > 0) {
    spdlog::warn("{} ({} more lines about {} were held back)", line, *held_back, source);
  } else {
    spdlog::warn("{}", line);
  }
}

void tune(Socket& socket) {
  const int fd = socket.native_handle();
  const auto set = [fd](int level, int name, int value) { ::setsockopt(fd, level, name, &value, sizeof value); };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  // Unacknowledged bytes, or keepalive probes on an idle connection, give the peer 3 s.
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 3000);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 2);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 1);
  set(IPPROTO_TCP, TCP_KEEPCNT, 2);
}

std::optional<HostPort> split_address(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return {};
  HostPort out{address.substr(0, colon), address.substr(colon + 1)};
  if (out.host.front() == '[' && out.host.back() == ']') out.host = out.host.substr(1, out.host.size() - 2);
  std::uint16_t port = 0;
  const char* end = out.port.data() + out.port.size();
  const auto parsed = std::from_chars(out.port.data(), end, port);
  if (parsed.ec != std::errc{} || parsed.ptr != end || out.host.empty()) return {};
  return out;
}

std::vector<Tcp::endpoint> endpoints_of(const Tcp::resolver::results_type& results) {
  return {results.begin(), results.end()};
}

}  // namespace tenaz::server::peer
