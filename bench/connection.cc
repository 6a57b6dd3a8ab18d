#include "bench/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <cerrno>

namespace tenaz::bench {

namespace http = boost::beast::http;

AnswerParser::AnswerParser(std::string& body) : body_(body) {
  body_.clear();
  body_limit(boost::none);
  eager(true);
}

std::size_t AnswerParser::take(string_view bytes) {
  body_bytes_ += bytes.size();
  const std::size_t room = kKept - std::min(kKept, body_.size());
  body_.append(bytes.data(), std::min(room, bytes.size()));
  return bytes.size();
}

bool Connection::connect(const addrinfo& address, int epoll, std::uint64_t tag) {
  close();
  fd_ = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return false;
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (::connect(fd_, address.ai_addr, address.ai_addrlen) != 0 && errno != EINPROGRESS) {
    close();
    return false;
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = tag;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd_, &event) != 0) {
    close();
    return false;
  }
  state_ = State::connecting;
  return true;
}

void Connection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  state_ = State::closed;
  request_.clear();
  sent_ = 0;
  parser_.reset();
  pending_.clear();
}

bool Connection::send() {
  sent_ = 0;
  parser_.emplace(body_);
  return flush();
}

bool Connection::flush() {
  while (sent_ < request_.size()) {
    const ssize_t n = ::send(fd_, request_.data() + sent_, request_.size() - sent_, MSG_NOSIGNAL);
    if (n >= 0) {
      sent_ += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN) {
      return true;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

Connection::Event Connection::on_event(std::uint32_t events, std::span<char> buffer) {
  if (state_ == State::closed) return Event::nothing;
  if (state_ == State::connecting) {
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0 || (events & (EPOLLERR | EPOLLHUP)) != 0) return Event::broken;
    if ((events & EPOLLOUT) == 0) return Event::nothing;
    state_ = State::open;
    return Event::connected;
  }
  if ((events & EPOLLOUT) != 0 && sent_ < request_.size() && !flush()) return Event::broken;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) return receive(buffer);
  return Event::nothing;
}

// The socket is edge-triggered: a read that did not fill the buffer has emptied the socket.
Connection::Event Connection::receive(std::span<char> buffer) {
  while (true) {
    const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? Event::nothing : Event::broken;
    }
    if (n == 0) {
      if (!parser_ || !parser_->got_some()) return Event::broken;
      boost::beast::error_code ec;
      parser_->put_eof(ec);
      if (ec || !parser_->is_done()) return Event::broken;
      reusable_ = false;
      status_ = parser_->status();
      body_bytes_ = parser_->body_bytes();
      parser_.reset();
      return Event::answered;
    }
    if (!parser_) return Event::broken;  // bytes that nobody asked for
    const std::string_view got(buffer.data(), static_cast<std::size_t>(n));
    const Event event = parse(got);
    if (event != Event::nothing || got.size() < buffer.size()) return event;
  }
}

Connection::Event Connection::parse(std::string_view bytes) {
  if (!pending_.empty()) {
    pending_.append(bytes);
    bytes = pending_;
  }
  while (!bytes.empty() && !parser_->is_done()) {
    boost::beast::error_code ec;
    const std::size_t used = parser_->put(boost::asio::buffer(bytes.data(), bytes.size()), ec);
    bytes.remove_prefix(used);
    if (ec == http::error::need_more) break;
    if (ec) return Event::broken;
  }
  if (!parser_->is_done()) {
    pending_ = std::string(bytes);
    return Event::nothing;
  }
  if (!bytes.empty()) return Event::broken;
  pending_.clear();
  reusable_ = parser_->keep_alive();
  status_ = parser_->status();
  body_bytes_ = parser_->body_bytes();
  parser_.reset();
  return Event::answered;
}

}  // namespace tenaz::bench
