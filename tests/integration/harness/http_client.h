// HTTP for tests: a simple request, and a raw connection that sends exactly the bytes it is given. Not thread-safe.
#pragma once

#include <boost/beast/http/fields.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenaz::harness {

struct Address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
};

struct HttpAnswer {
  unsigned status = 0;
  boost::beast::http::fields headers;
  std::string body;
  bool keep_alive = false;

  std::string header(std::string_view name) const;
  // The body as JSON; null if it is none.
  boost::json::value json() const;
  // Of application/problem+json; empty if it is none.
  std::string code() const;
  std::string outcome() const;
};

class RawConnection {
 public:
  // Throws std::runtime_error if nobody listens.
  explicit RawConnection(const Address& address, std::chrono::milliseconds patience = std::chrono::seconds(60));
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  // False: the other side is gone.
  bool send(std::string_view bytes);
  void shutdown_sending();
  // The next answer, `head` if it answers a HEAD. Nothing: closed, or broken off, or none within the patience.
  std::optional<HttpAnswer> answer(bool head = false);
  // Whatever comes until `text` has come, or the end.
  std::string receive_until(std::string_view text);
  // True once the other side has closed or reset the connection; reads over what still comes. False: it has not, within
  // the patience.
  bool closed_by_peer();
  // Answers, 1xx ones too, are told apart by this: true if something can be read now.
  bool readable(std::chrono::milliseconds within);

 private:
  enum class Got { bytes, end, nothing };
  Got receive();

  int fd_ = -1;
  std::chrono::milliseconds patience_;
  std::string received_;
};

using Headers = std::vector<std::pair<std::string, std::string>>;

// One request on a connection of its own. Nothing: no answer.
std::optional<HttpAnswer> http(const Address& to, const std::string& method, const std::string& target,
                               std::string_view body = {}, const Headers& headers = {},
                               std::chrono::milliseconds patience = std::chrono::seconds(60));

// As http(), on a connection that is kept: for writers under load. Reconnects by itself.
class HttpClient {
 public:
  explicit HttpClient(Address to, std::chrono::milliseconds patience = std::chrono::seconds(60));
  std::optional<HttpAnswer> request(const std::string& method, const std::string& target, std::string_view body = {},
                                    const Headers& headers = {});
  // False: nobody listened, so that nothing of the last request has been seen by anyone.
  bool connected() const { return connected_; }

 private:
  Address to_;
  std::chrono::milliseconds patience_;
  std::optional<RawConnection> connection_;
  bool connected_ = false;
};

}  // namespace tenaz::harness
