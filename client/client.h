// A synchronous client of a tenaz cluster. One thread at a time per Client; several Clients are independent.
//
// Any node takes any request, so a call that fails at one endpoint is tried at the next where that is safe:
//   reads   whenever a node does not answer, or answers that it cannot (429, 5xx);
//   writes  only if no byte of the request left, or the node says "not_applied" with 429 or 503.
// A write that may have been done is never sent again: its error says Outcome::unknown, and the caller decides.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
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

struct Member {
  std::uint64_t id = 0;
  std::string name;
  std::string peer;            // host:port
  std::string client;          // host:port
  std::string role;            // "voter" or "learner"
  bool promote = false;        // a learner's: it becomes a voter by itself once it has caught up
  std::uint64_t replaces = 0;  // and then takes the place of this one; 0: of nobody
};

struct MemberList {
  std::vector<Member> members;
  bool joint = false;                  // a change of the voters is not through yet
  std::vector<std::uint64_t> retired;  // ids of nodes that were removed
  std::string json;
};

struct MemberResult {
  Member member;
  std::string json;
};

struct NewMember {
  std::uint64_t id = 0;
  std::string peer;
  std::string client;
  std::string name;            // empty: "node-<id>"
  bool learner = false;        // for good, or until it is promoted
  std::uint64_t replaces = 0;  // 0: nobody
};

struct CompactResult {
  std::uint64_t revision = 0;          // of the store
  std::uint64_t compact_revision = 0;  // the oldest one that can still be read
  std::string json;
};

// What holds for the whole cluster.
struct ClusterSettings {
  bool lease_reads = false;
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
  // Forgets the history below `revision`, which must exist and be above what was forgotten before (else the code is
  // future_revision or compacted, and nothing has changed).
  Result<CompactResult> compact(std::uint64_t revision);
  // Hands leadership to this node, or to the one that is closest behind (0).
  Result<TransferResult> transfer(std::uint64_t node_id);

  // Who belongs to the cluster, and changes of that. A change goes out at most once, like a write.
  Result<MemberList> members(Consistency consistency = Consistency::linearizable);
  // The node waits at its peer address to be added; it is a learner at first.
  Result<MemberResult> add_member(const NewMember& member);
  Result<MemberResult> promote_member(std::uint64_t id);
  // Who remains.
  Result<MemberList> remove_member(std::uint64_t id);
  // The whole state, given to `take` piece by piece; false ends it. What is given is a backup only if it is whole:
  // check it (backup/reader.h). Another endpoint is tried only as long as nothing was given.
  Result<std::monostate> backup(const std::function<bool(std::string_view)>& take,
                                Consistency consistency = Consistency::linearizable);
  Result<ClusterSettings> settings(Consistency consistency = Consistency::linearizable);
  Result<ClusterSettings> set_lease_reads(bool on);

  std::size_t endpoints() const { return connections_.size(); }
  const Endpoint& endpoint(std::size_t i) const { return connections_[i].endpoint(); }
  // Asks that very node.
  Result<NodeStatus> status(std::size_t endpoint);

 private:
  Result<Response> read(Request request);
  Result<Response> write(Request request);
  // A write of JSON, or of nothing.
  Result<Response> change(const std::string& method, std::string target, const std::string& json);

  const Options options_;
  std::vector<Connection> connections_;
  std::size_t first_ = 0;  // the endpoint that answered last
};

}  // namespace tenaz::client
