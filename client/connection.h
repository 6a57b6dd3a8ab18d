// One HTTP/1.1 connection to one node, kept alive between requests. Synchronous; one thread at a time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "client/endpoint.h"

namespace tenaz::client {

struct Request {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct Response {
  int status = 0;
  std::string body;
};

// No answer came.
struct Broken {
  // False only if no byte of the request left, so that the node cannot have seen it.
  bool sent = false;
  std::string reason;
};

class Connection {
 public:
  explicit Connection(Endpoint endpoint);
  ~Connection();
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;

  const Endpoint& endpoint() const;

  // Sends the request at most once.
  std::variant<Response, Broken> exchange(const Request& request, std::chrono::milliseconds connect_timeout,
                                          std::chrono::milliseconds timeout);

  // The same for a body of any size, which `take` is given piece by piece as it comes, if the status is 200; false ends
  // it. Any other answer's body is in the response. `timeout`: without a byte.
  std::variant<Response, Broken> download(const Request& request, std::chrono::milliseconds connect_timeout,
                                          std::chrono::milliseconds timeout,
                                          const std::function<bool(std::string_view)>& take);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace tenaz::client
