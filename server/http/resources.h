// The calls of the API. Each has a check, run when the headers are in and before the body is read, and a step that
// serves.
#pragma once

#include "server/http/exchange.h"

namespace tenaz::server::http {

// So that every JSON reader gets it right.
inline constexpr std::uint64_t kMaxNodeId = (1ULL << 53) - 1;

// Checks answer the request themselves when they refuse it. Exchange::key is decoded, the method is one the route
// takes.
void check_kv(Exchange& exchange);
void check_kv_range(Exchange& exchange);
void check_status(Exchange& exchange);
void check_leadership(Exchange& exchange);
void check_members(Exchange& exchange);
void check_member(Exchange& exchange);     // Exchange::member is known
void check_promotion(Exchange& exchange);  // the same
void check_settings(Exchange& exchange);
void check_compact(Exchange& exchange);
void check_backup(Exchange& exchange);
void check_livez(Exchange& exchange);
void check_readyz(Exchange& exchange);
void check_metrics(Exchange& exchange);
void check_client_request(Exchange& exchange);
void check_teaching_status(Exchange& exchange);
void check_teaching_get(Exchange& exchange);
void check_teaching_set(Exchange& exchange);
void check_ping(Exchange& exchange);

// Shared between resources
// ---------------------------------------------------------------------------------------------

// Parses the parameters and starts the clock. False: refused and answered.
bool take_parameters(Exchange& exchange, std::uint32_t allowed);

// Runs `then` once this node's state may be read as the parameters ask (consistency, revision, min_revision), or
// answers with what stands against it.
void when_readable(Exchange& exchange, Exchange::Step then);

// A write that did not get as far as the store, or that the store refused: answers and returns true.
bool answer_failed_write(Exchange& exchange);

// Asks for Exchange::change; `then` runs once it is committed. Otherwise answers with what stands against it.
void change_membership(Exchange& exchange, Exchange::Step then);

}  // namespace tenaz::server::http
