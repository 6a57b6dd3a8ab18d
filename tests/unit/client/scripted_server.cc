#include "tests/unit/client/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace tenaz::client {

namespace {

std::pair<int, int> listen_on_loopback() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || ::bind(fd, any, size) != 0 || ::listen(fd, 16) != 0 || ::getsockname(fd, any, &size) != 0) {
    throw std::runtime_error("no port on loopback");
  }
  return {fd, ntohs(address.sin_port)};
}

bool receive(int fd, std::string& buffer) {
  char bytes[16384];
  const ssize_t n = ::recv(fd, bytes, sizeof bytes, 0);
  if (n <= 0) return false;
  buffer.append(bytes, static_cast<std::size_t>(n));
  return true;
}

std::size_t content_length(const std::string& head) {
  const std::size_t at = head.find("Content-Length: ");
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
}

}  // namespace

Answer answer(int status, const std::string& body, const std::string& more_headers) {
  return {.bytes = "HTTP/1.1 " + std::to_string(status) + " Scripted\r\nContent-Length: " +
                   std::to_string(body.size()) + "\r\n" + more_headers + "\r\n" + body};
}

Answer problem(int status, const std::string& code, const std::string& outcome) {
  std::string body = R"({"status":)" + std::to_string(status) + R"(,"code":")" + code + R"(","detail":"scripted")";
  if (!outcome.empty()) body += R"(,"outcome":")" + outcome + '"';
  return answer(status, body + "}", "Content-Type: application/problem+json\r\n");
}

Answer hang_up() {
  return {.bytes = "", .then = Answer::Then::close};
}

ScriptedServer::ScriptedServer(Script script) : script_(std::move(script)) {
  std::tie(listener_, port_) = listen_on_loopback();
  thread_ = std::thread([this] { serve(); });
}

ScriptedServer::~ScriptedServer() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  if (const int fd = connection_; fd >= 0) ::shutdown(fd, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

std::string ScriptedServer::url() const {
  return "http://127.0.0.1:" + std::to_string(port_);
}

std::vector<Asked> ScriptedServer::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

void ScriptedServer::serve() {
  while (!stopping_) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++connections_;
    connection_ = fd;
    std::string buffer;
    while (!stopping_ && serve_one(fd, buffer)) {
    }
    connection_ = -1;
    ::close(fd);
  }
}

bool ScriptedServer::serve_one(int connection, std::string& buffer) {
  std::size_t end;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!receive(connection, buffer)) return false;
  }
  Asked asked;
  asked.head = buffer.substr(0, end + 2);
  const std::size_t space = asked.head.find(' ');
  asked.method = asked.head.substr(0, space);
  asked.target = asked.head.substr(space + 1, asked.head.find(' ', space + 1) - space - 1);
  const std::size_t length = content_length(asked.head);
  while (buffer.size() < end + 4 + length) {
    if (!receive(connection, buffer)) return false;
  }
  asked.body = buffer.substr(end + 4, length);
  buffer.erase(0, end + 4 + length);
  {
    const std::lock_guard lock(mutex_);
    asked_.push_back(asked);
  }
  const Answer answer = script_(asked);
  std::size_t sent = 0;
  while (sent < answer.bytes.size()) {
    const ssize_t n = ::send(connection, answer.bytes.data() + sent, answer.bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  return answer.then == Answer::Then::keep;
}

std::string dead_url() {
  const auto [fd, port] = listen_on_loopback();
  ::close(fd);
  return "http://127.0.0.1:" + std::to_string(port);
}

}  // namespace tenaz::client
