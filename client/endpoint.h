// Where a node serves clients.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tenaz::client {

struct Endpoint {
  std::string host;  // without brackets
  std::string port;

  std::string url() const;
};

inline constexpr std::string_view kDefaultEndpoint = "http://127.0.0.1:7480";

// "http://host:port", "host:port" or "host" (port 7480); an IPv6 address stands in brackets. No path, no https yet.
std::optional<Endpoint> parse_endpoint(std::string_view text);

// Separated by commas. Nothing if one of them is wrong or there is none.
std::optional<std::vector<Endpoint>> parse_endpoints(std::string_view text);

}  // namespace tenaz::client
