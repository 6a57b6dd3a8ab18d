#include "bench/protocol.h"

#include <openssl/evp.h>

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/url/parse.hpp>
#include <charconv>

namespace tenaz::bench {

namespace {

namespace json = boost::json;

constexpr std::size_t kKeyDigits = 12;

void append_number(std::uint64_t value, std::string& out) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

void append_base64(std::string_view bytes, std::string& out) {
  const std::size_t start = out.size();
  out.resize(start + (bytes.size() + 2) / 3 * 4 + 1);  // OpenSSL ends it with a zero byte
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data() + start),
                  reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.pop_back();
}

void append_head(std::string_view method, std::string_view target, const Endpoint& to, std::string& out) {
  out.append(method)
      .append(" ")
      .append(target)
      .append(" HTTP/1.1\r\nHost: ")
      .append(to.host)
      .append(":")
      .append(to.port);
}

void append_body(std::string_view body, std::string& out) {
  out.append("\r\nContent-Length: ");
  append_number(body.size(), out);
  out.append("\r\n\r\n").append(body);
}

// What stands in the answer between `mark` and the next quote; the bare status if there is no such thing.
std::string_view code_after(std::string_view mark, const Answer& answer) {
  const std::size_t at = answer.body.find(mark);
  if (at != std::string_view::npos) {
    const std::string_view rest = answer.body.substr(at + mark.size());
    return rest.substr(0, rest.find('"'));
  }
  thread_local std::string status;
  status = "status_" + std::to_string(answer.status);
  return status;
}

class Tenaz final : public Protocol {
 public:
  explicit Tenaz(const ProtocolOptions& options) : prefix_(options.key_prefix) {
    if (!options.consistency.empty()) consistency_ = "consistency=" + options.consistency;
    list_tail_ = "&limit=" + std::to_string(options.list_limit);
    if (!consistency_.empty()) list_tail_ += "&" + consistency_;
  }

  void write_request(Operation operation, std::uint64_t key, std::string_view value, const Endpoint& to,
                     std::string& out) const override {
    thread_local std::string target;
    target.assign(operation == Operation::list ? "/v1/kv?start=" : "/v1/kv/");
    append_key(prefix_, key, target);
    if (operation == Operation::list) {
      target += list_tail_;
    } else if (operation == Operation::get && !consistency_.empty()) {
      target.append("?").append(consistency_);
    }
    append_head(operation == Operation::put ? "PUT" : "GET", target, to, out);
    if (operation == Operation::put) {
      append_body(value, out);
    } else {
      out.append("\r\n\r\n");
    }
  }

  std::string_view error_of(Operation, const Answer& answer) const override {
    if (answer.status >= 200 && answer.status < 300) return {};
    return code_after("\"code\":\"", answer);
  }

  std::string leader_question(const Endpoint& to) const override {
    std::string out;
    append_head("GET", "/v1/status", to, out);
    return out + "\r\nConnection: close\r\n\r\n";
  }

  bool leads(std::string_view body) const override {
    boost::system::error_code ec;
    const json::value status = json::parse(json::string_view(body.data(), body.size()), ec);
    if (ec || !status.is_object()) return false;
    const json::value* role = status.as_object().if_contains("role");
    return role != nullptr && role->is_string() && role->as_string() == "leader";
  }

 private:
  std::string prefix_;
  std::string consistency_;
  std::string list_tail_;
};

class Etcd final : public Protocol {
 public:
  explicit Etcd(const ProtocolOptions& options)
      : prefix_(options.key_prefix), local_(options.consistency == "local"), limit_(options.list_limit) {
    std::string last = prefix_;
    ++last.back();
    append_base64(last, range_end_);
  }

  void write_request(Operation operation, std::uint64_t key, std::string_view value, const Endpoint& to,
                     std::string& out) const override {
    thread_local std::string plain, body;
    plain.clear();
    append_key(prefix_, key, plain);
    body.assign(R"({"key":")");
    append_base64(plain, body);
    if (operation == Operation::put) {
      body.append(R"(","value":")");
      append_base64(value, body);
      body.append(R"("})");
    } else {
      body.append("\"");
      if (operation == Operation::list) {
        body.append(R"(,"range_end":")").append(range_end_).append(R"(","limit":)");
        append_number(limit_, body);
      }
      body.append(local_ ? R"(,"serializable":true})" : "}");
    }
    append_head("POST", operation == Operation::put ? "/v3/kv/put" : "/v3/kv/range", to, out);
    append_body(body, out);
  }

  std::string_view error_of(Operation operation, const Answer& answer) const override {
    if (answer.status != 200) return code_after("\"error\":\"", answer);
    const bool read = operation != Operation::put;
    return read && answer.body.find("\"kvs\"") == std::string_view::npos ? "not_found" : std::string_view{};
  }

  std::string leader_question(const Endpoint& to) const override {
    std::string out;
    append_head("POST", "/v3/maintenance/status", to, out);
    out += "\r\nConnection: close";
    append_body("{}", out);
    return out;
  }

  bool leads(std::string_view body) const override {
    boost::system::error_code ec;
    const json::value status = json::parse(json::string_view(body.data(), body.size()), ec);
    if (ec || !status.is_object()) return false;
    const json::value* leader = status.as_object().if_contains("leader");
    const json::value* header = status.as_object().if_contains("header");
    if (leader == nullptr || header == nullptr || !header->is_object()) return false;
    const json::value* self = header->as_object().if_contains("member_id");
    return self != nullptr && *self == *leader;
  }

 private:
  std::string prefix_;
  std::string range_end_;  // in base64
  bool local_;
  std::uint64_t limit_;
};

}  // namespace

const char* name_of(Operation operation) {
  switch (operation) {
    case Operation::put:
      return "put";
    case Operation::get:
      return "get";
    case Operation::list:
      break;
  }
  return "list";
}

std::optional<Endpoint> parse_endpoint(std::string_view url) {
  std::string full(url);
  if (full.find("://") == std::string::npos) full.insert(0, "http://");
  const auto parsed = boost::urls::parse_uri(full);
  if (!parsed || parsed->scheme() != "http" || parsed->encoded_host().empty()) return std::nullopt;
  const std::string port(parsed->port());
  return Endpoint{std::string(parsed->encoded_host()), port.empty() ? "80" : port};
}

std::unique_ptr<Protocol> tenaz_protocol(const ProtocolOptions& options) {
  return std::make_unique<Tenaz>(options);
}
std::unique_ptr<Protocol> etcd_protocol(const ProtocolOptions& options) {
  return std::make_unique<Etcd>(options);
}

void append_key(std::string_view prefix, std::uint64_t key, std::string& out) {
  out.append(prefix);
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), key).ptr;
  const auto length = static_cast<std::size_t>(end - digits.data());
  if (length < kKeyDigits) out.append(kKeyDigits - length, '0');
  out.append(digits.data(), end);
}

}  // namespace tenaz::bench
