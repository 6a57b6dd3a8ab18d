// A synchronous client of a tenaz cluster. One thread at a time per Client; several Clients are independent.
//
// Any node takes any request, so a call that fails at one endpoint is tried at the next where that is safe:
//   reads   whenever a node does not answer, or answers that it cannot (429, 5xx);
//   writes  only if no byte of the request left, or the node says "not_applied" with 429 or 503.
// A write that may have been done is never sent again: its error says Outcome::unknown, and the caller decides.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/connection.h"
#include "client/endpoint.h"
#include "client/result.h"

namespace tenaz::client {

struct Options {
  std::vector<Endpoint> endpoints;  // at least one; tried in this order, from the one that answered last
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(1);
  // For a write, and for all attempts of a read together. The nodes are told, so that they answer before it has passed.
  std::chrono::milliseconds timeout = std::chrono::seconds(5);
};

enum class Consistency { linearizable, local };

struct ReadOptions {
  Consistency consistency = Consistency::linearizable;
  std::optional<std::uint64_t> revision;  // the state at this revision
};

struct KeyValue {
  std::string key;
  std::string value;
  std::uint64_t create_revision = 0;
  std::uint64_t mod_revision = 0;
  std::uint64_t version = 0;
};

// `revision` is the store's; `json` is the answer as the node gave it.
struct GetResult {
  KeyValue item;
  std::uint64_t revision = 0;
  std::string json;
};

struct PutOptions {
  std::optional<std::uint64_t> if_match;  // only if the key was last changed in this revision
  bool if_absent = false;                 // only if there is no such key
};

struct PutResult {
  std::uint64_t revision = 0;
  bool created = false;
  std::string json;
};

struct DeleteResult {
  std::uint64_t revision = 0;
  std::uint64_t deleted = 0;
  std::string json;
};

// Either the keys that begin with `prefix`, or those from `start` up to and without `end`; what is empty does not
// limit.
struct Range {
  std::string prefix;
  std::string start;
  std::string end;
};

struct Page {
  std::vector<KeyValue> items;  // in key order
  std::uint64_t revision = 0;
  std::string cursor;  // empty: this was the last page
  std::string json;
};

struct TransferResult {
  std::uint64_t leader_id = 0;
  std::string json;
};

struct NodeStatus {
  std::uint64_t node_id = 0;
  std::string name;
  std::string role;
  std::uint64_t term = 0;
  std::uint64_t leader_id = 0;  // 0: none known
  std::uint64_t commit_index = 0;
  std::uint64_t applied_index = 0;
  std::uint64_t revision = 0;
  std::string json;
};

class Client {
 public:
  explicit Client(Options options);

  Result<GetResult> get(std::string_view key, const ReadOptions& options = {});
  // One page of at most `limit` items. `cursor`: of the page before, with the same range.
  Result<Page> list(const Range& range, std::uint64_t limit, bool keys_only, const std::string& cursor,
                    const ReadOptions& options = {});
  Result<PutResult> put(std::string_view key, std::string value, const PutOptions& options = {});
  Result<DeleteResult> del(std::string_view key, std::optional<std::uint64_t> if_match = std::nullopt);
  // Everything in the range in one revision. A range without any limit is refused by the cluster.
  Result<DeleteResult> del(const Range& range, std::optional<std::uint64_t> max_keys = std::nullopt);
  // Hands leadership to this node, or to the one that is closest behind (0).
  Result<TransferResult> transfer(std::uint64_t node_id);

  std::size_t endpoints() const { return connections_.size(); }
  const Endpoint& endpoint(std::size_t i) const { return connections_[i].endpoint(); }
  // Asks that very node.
  Result<NodeStatus> status(std::size_t endpoint);

 private:
  Result<Response> read(Request request);
  Result<Response> write(Request request);

  const Options options_;
  std::vector<Connection> connections_;
  std::size_t first_ = 0;  // the endpoint that answered last
};

}  // namespace tenaz::client
