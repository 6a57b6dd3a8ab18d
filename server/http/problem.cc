#include "server/http/problem.h"

#include <array>

#include "server/http/exchange.h"
#include "server/http/json_text.h"

namespace tenaz::server::http {
namespace {

struct Row {
  Code code;
  unsigned status;
  std::string_view name;
  std::string_view title;
};

// In the order of Code.
constexpr std::array kRows{
    Row{Code::bad_request, 400, "bad_request", "Malformed HTTP"},
    Row{Code::bad_key, 400, "bad_key", "Bad key"},
    Row{Code::bad_parameter, 400, "bad_parameter", "Bad parameter"},
    Row{Code::bad_precondition, 400, "bad_precondition", "Bad precondition"},
    Row{Code::bad_json, 400, "bad_json", "Bad JSON"},
    Row{Code::future_revision, 400, "future_revision", "Revision does not exist yet"},
    Row{Code::member_unreachable, 400, "member_unreachable", "Node cannot be reached"},
    Row{Code::member_refused, 400, "member_refused", "Node refuses this cluster"},
    Row{Code::wrong_cluster, 400, "wrong_cluster", "Node of another cluster"},
    Row{Code::wrong_node, 400, "wrong_node", "Another node"},
    Row{Code::not_found, 404, "not_found", "Not found"},
    Row{Code::no_such_route, 404, "no_such_route", "No such route"},
    Row{Code::method_not_allowed, 405, "method_not_allowed", "Method not allowed"},
    Row{Code::request_timeout, 408, "request_timeout", "Request came too slowly"},
    Row{Code::member_id_taken, 409, "member_id_taken", "Id is taken"},
    Row{Code::member_address_taken, 409, "member_address_taken", "Address is taken"},
    Row{Code::not_a_learner, 409, "not_a_learner", "Not a learner"},
    Row{Code::not_caught_up, 409, "not_caught_up", "Not caught up"},
    Row{Code::would_lose_quorum, 409, "would_lose_quorum", "Would lose the quorum"},
    Row{Code::too_many_members, 409, "too_many_members", "Too many members"},
    Row{Code::membership_change_in_progress, 409, "membership_change_in_progress", "Membership change in progress"},
    Row{Code::compacted, 410, "compacted", "Revision was compacted"},
    Row{Code::precondition_failed, 412, "precondition_failed", "Precondition failed"},
    Row{Code::value_too_large, 413, "value_too_large", "Value too large"},
    Row{Code::too_many_keys, 413, "too_many_keys", "Too many keys"},
    Row{Code::unsupported_media_type, 415, "unsupported_media_type", "Unsupported media type"},
    Row{Code::headers_too_large, 431, "headers_too_large", "Headers too large"},
    Row{Code::overloaded, 429, "overloaded", "Overloaded"},
    Row{Code::too_many_connections, 503, "overloaded", "Too many connections"},
    Row{Code::internal, 500, "internal", "Internal error"},
    Row{Code::voting_disabled, 501, "voting_disabled", "Voted reads are disabled"},
    Row{Code::no_leader, 503, "no_leader", "No leader"},
    Row{Code::leader_changed, 503, "leader_changed", "Leader changed"},
    Row{Code::not_ready, 503, "not_ready", "Not ready"},
    Row{Code::stopping, 503, "stopping", "Stopping"},
    Row{Code::timeout, 504, "timeout", "Timeout"},
    Row{Code::disk_full, 507, "disk_full", "Disk full"},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].code) != i) {
      return false;
    }
  }
  return kRows.size() == static_cast<std::size_t>(Code::disk_full) + 1;
}
static_assert(in_order());

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, value);
}

}  // namespace

void answer(Exchange& exchange, const Problem& problem) {
  const Row& row = kRows[static_cast<std::size_t>(problem.code)];
  std::string body = R"({"type":"about:blank","title":)";
  append_json_string(body, row.title);
  body += ",\"status\":";
  append_number(body, row.status);
  append_member(body, "code", row.name);
  append_member(body, "detail", problem.detail);
  if (!problem.parameter.empty()) {
    append_member(body, "parameter", valid_utf8(problem.parameter) ? problem.parameter : "?");
  }
  if (exchange.is_write) {
    const bool unknown = problem.outcome.value_or(Outcome::not_applied) == Outcome::unknown;
    append_member(body, "outcome", unknown ? "unknown" : "not_applied");
  }
  body += problem.members;
  body += "}\n";

  Answer& to = exchange.answer();
  to.begin(row.status);
  if (!problem.allow.empty()) {
    to.header("Allow", problem.allow);
  }
  if (row.name == "overloaded") {
    to.header("Retry-After", "1");
  }
  if (problem.etag) {
    to.etag(*problem.etag);
  }
  if (exchange.in_store()) {
    to.revision(problem.revision.value_or(exchange.present_revision()));
  }
  to.body("application/problem+json", body);
}

bool refuse_large(Exchange& exchange, std::size_t bytes) {
  if (exchange.service().budget.fits(bytes)) {
    return false;
  }
  answer(exchange,
         {.code = Code::overloaded, .detail = "too many large answers wait for slow clients; try again later"});
  return true;
}

Problem problem_of(Failure failure) {
  switch (failure) {
    case Failure::no_leader:
      return {.code = Code::no_leader, .detail = "no leader was known until the deadline"};
    case Failure::overloaded:
      return {.code = Code::overloaded, .detail = "too much is waiting already; try again later"};
    case Failure::disk_full:
      return {.code = Code::disk_full,
              .detail = "too little disk space for further puts; deletes and compaction still work"};
    case Failure::leader_changed:
      return {.code = Code::leader_changed, .detail = "leadership changed while the request was under way"};
    case Failure::timeout:
      return {.code = Code::timeout, .detail = "not done before the deadline"};
    case Failure::stopping:
      return {.code = Code::stopping, .detail = "this node is shutting down"};
    case Failure::not_ready:
      return {.code = Code::not_ready, .detail = "this node's state is missing; it is fetched from another node"};
    case Failure::disk_stalled:
      return {.code = Code::not_ready, .detail = "this node's disk does not answer; other nodes may serve the request"};
    case Failure::joining:
      return {.code = Code::not_ready,
              .detail = "this node waits to be admitted to a cluster: ask one of that cluster's nodes"};
  }
  return {.detail = "unexpected failure"};
}

Problem problem_of(const WriteResult& result) {
  Problem problem = problem_of(*result.failure);
  problem.outcome = result.not_applied ? Outcome::not_applied : Outcome::unknown;
  return problem;
}

Problem problem_of(const storage::Error& error) {
  switch (error.code) {
    case storage::ErrorCode::compacted:
      return {.code = Code::compacted, .detail = error.message};
    case storage::ErrorCode::future_revision:
      return {.code = Code::future_revision, .detail = error.message};
    case storage::ErrorCode::not_ready:
      return {.code = Code::not_ready, .detail = error.message};
    default:
      return {.code = Code::internal, .detail = error.message};
  }
}

}  // namespace tenaz::server::http
