// An HTTP server on loopback whose answers a test scripts, and which keeps what it was asked.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tenaz::client {

struct Asked {
  std::string method;
  std::string target;
  std::string head;  // request line and headers
  std::string body;
};

struct Answer {
  enum class Then { keep, close };
  std::string bytes;  // as they stand on the wire; empty: nothing is sent
  Then then = Then::keep;
};

// A complete response.
Answer answer(int status, const std::string& body, const std::string& more_headers = "");
// A problem document; `outcome` may be empty.
Answer problem(int status, const std::string& code, const std::string& outcome);
// The connection is closed without a word.
Answer hang_up();

class ScriptedServer {
 public:
  using Script = std::function<Answer(const Asked&)>;

  explicit ScriptedServer(Script script);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string url() const;
  std::vector<Asked> asked() const;
  std::size_t connections() const { return connections_; }

 private:
  void serve();
  bool serve_one(int connection, std::string& buffer);

  const Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connection_ = -1;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> connections_ = 0;
  mutable std::mutex mutex_;
  std::vector<Asked> asked_;
  std::thread thread_;
};

// An address on loopback at which nobody listens.
std::string dead_url();

}  // namespace tenaz::client
