// The HTTP side of a node: listens, parses, routes and answers (docs: HTTP API). It owns its threads and reaches the
// node only through Node. Threads: construct, start(), stop() and destroy from one thread; endpoint() from any after
// start().
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/options.h"

namespace tenaz::server {

class BackupPort;
class Metrics;
class Node;

class HttpServer {
 public:
  // `node`, `backups` and `metrics` must outlive the server's last callback: stop the node before destroying them.
  HttpServer(const HttpOptions& options, const LimitOptions& limits, Node& node, BackupPort& backups, Metrics& metrics);
  // Stops at once if stop() has not been called. The node may still owe callbacks; they find nobody and do no harm.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Takes the port; who connects waits until start(). Nothing on success, else a sentence for the operator.
  [[nodiscard]] std::optional<std::string> listen();
  // Begins to serve, after listen() or with it.
  [[nodiscard]] std::optional<std::string> start();

  // Where it listens, the port filled in when the options said 0.
  std::string endpoint() const;
  std::uint16_t port() const;

  // Accepts no more, closes idle connections, lets requests under way finish (their answers say `Connection: close`),
  // and returns when all are gone or `grace` has passed, whichever is first.
  void stop(std::chrono::nanoseconds grace);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenaz::server
