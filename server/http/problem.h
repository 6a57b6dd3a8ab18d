// Every way in which a request can be refused: one table of stable codes, answered as application/problem+json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/node.h"
#include "storage/status.h"

namespace tenaz::server::http {

class Exchange;

enum class Code {
  bad_request,
  bad_key,
  bad_parameter,
  bad_precondition,
  bad_json,
  future_revision,
  member_unreachable,
  member_refused,
  wrong_cluster,
  wrong_node,
  not_found,
  no_such_route,
  method_not_allowed,
  request_timeout,
  member_id_taken,
  member_address_taken,
  not_a_learner,
  not_caught_up,
  would_lose_quorum,
  too_many_members,
  membership_change_in_progress,
  compacted,
  precondition_failed,
  value_too_large,
  too_many_keys,
  unsupported_media_type,
  headers_too_large,
  overloaded,
  too_many_connections,
  internal,
  voting_disabled,
  no_leader,
  leader_changed,
  not_ready,
  stopping,
  timeout,
  disk_full,
};

enum class Outcome { not_applied, unknown };

struct Problem {
  Code code = Code::internal;
  std::string detail = {};                     // a sentence for the person behind the client
  std::optional<Outcome> outcome = {};         // of a write; not given: a write gets not_applied
  std::string_view parameter = {};             // that is at fault
  std::string_view allow = {};                 // the methods that would be
  std::optional<std::uint64_t> etag = {};      // the mod revision as it stands
  std::optional<std::uint64_t> revision = {};  // of the store; not given: the present one
  std::string members = {};                    // further JSON members: ,"name":value…
};

// Writes the answer.
void answer(Exchange& exchange, const Problem& problem);

// True: so large an answer could not be held if the client took it slowly; refused and answered.
bool refuse_large(Exchange& exchange, std::size_t bytes);

// How the node's and the storage's reasons show outside.
Problem problem_of(const WriteResult& result);
Problem problem_of(Failure failure);
// `change`: what was asked for.
Problem problem_of(const raft::MembershipChange& change, const ChangeResult& result);
Problem problem_of(const storage::Error& error);

}  // namespace tenaz::server::http
