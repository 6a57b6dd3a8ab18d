// How an operation looks on the wire, and what an answer means: tenaz's own HTTP API or etcd's JSON gateway, so that
// both can be driven by one generator.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tenaz::bench {

enum class Operation : std::uint8_t { put, get, list };
inline constexpr std::size_t kOperations = 3;
const char* name_of(Operation operation);

struct Endpoint {
  std::string host;
  std::string port;
};

// "http://127.0.0.1:7481" or "127.0.0.1:7481".
std::optional<Endpoint> parse_endpoint(std::string_view url);

struct Answer {
  unsigned status = 0;
  std::string_view body;  // its beginning; enough of it to tell an error from a success
};

struct ProtocolOptions {
  std::string key_prefix = "bench/";
  std::string consistency;  // linearizable, local; empty: the server's default
  std::uint64_t list_limit = 100;
};

class Protocol {
 public:
  virtual ~Protocol() = default;

  // Appends one complete request. `value` is for puts.
  virtual void write_request(Operation operation, std::uint64_t key, std::string_view value, const Endpoint& to,
                             std::string& out) const = 0;

  // Empty if the operation was done; else a word for the table of errors, valid until the next call
  // and as long as the answer's body.
  virtual std::string_view error_of(Operation operation, const Answer& answer) const = 0;

  // A request whose answer tells whether the node leads.
  virtual std::string leader_question(const Endpoint& to) const = 0;
  virtual bool leads(std::string_view body) const = 0;
};

std::unique_ptr<Protocol> tenaz_protocol(const ProtocolOptions& options);
std::unique_ptr<Protocol> etcd_protocol(const ProtocolOptions& options);

// All keys have one length, so that key order is the order of the numbers.
void append_key(std::string_view prefix, std::uint64_t key, std::string& out);

}  // namespace tenaz::bench
