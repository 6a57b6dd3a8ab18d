// What reads and writes under /v1/kv have in common: parameters, waiting for the state to be readable, refused writes.
#include "server/http/resources.h"

namespace tenaz::server::http {
namespace {

// Everything that was waited for is applied here.
void read_now(Exchange& exchange) {
  const storage::Revision present = exchange.service().node.reader()->revision();
  const auto& wanted = exchange.parameters.revision;
  if (wanted && *wanted > present) {
    answer(exchange, {.code = Code::future_revision,
                      .detail = "the store is at revision " + std::to_string(present.value),
                      .parameter = "revision"});
    return;
  }
  exchange.when_read(exchange);
}

bool answer_failed_read(Exchange& exchange) {
  if (!exchange.read_result.failure) {
    return false;
  }
  answer(exchange, problem_of(*exchange.read_result.failure));
  return true;
}

void min_revision_applied(Exchange& exchange) {
  if (!answer_failed_read(exchange)) {
    read_now(exchange);
  }
}

void wait_for_min_revision(Exchange& exchange) {
  const storage::Revision least = exchange.parameters.min_revision;
  if (least > exchange.service().node.reader()->revision()) {
    exchange.wait_revision(least, min_revision_applied);
  } else {
    read_now(exchange);
  }
}

void linearized(Exchange& exchange) {
  if (!answer_failed_read(exchange)) {
    wait_for_min_revision(exchange);
  }
}

}  // namespace

bool take_parameters(Exchange& exchange, std::uint32_t allowed) {
  if (!exchange.request.query.empty()) {
    if (const auto problem = parse_parameters(exchange.request.query, allowed, exchange.parameters)) {
      answer(exchange, *problem);
      return false;
    }
    if (exchange.parameters.consistency == Consistency::voted) {
      answer(exchange, {.code = Code::voting_disabled, .detail = "this node has no voted reads"});
      return false;
    }
  }
  exchange.start_clock(exchange.parameters.timeout.value_or(exchange.service().options.request_timeout));
  return true;
}

void when_readable(Exchange& exchange, Exchange::Step then) {
  exchange.when_read = then;
  const Parameters& parameters = exchange.parameters;
  // A revision that is applied here never changes: no round trip could tell more about it.
  const bool settled = parameters.revision ? *parameters.revision <= exchange.service().node.reader()->revision()
                                           : parameters.consistency == Consistency::local;
  if (settled) {
    wait_for_min_revision(exchange);
  } else {
    exchange.read_index(linearized);
  }
}

bool answer_failed_write(Exchange& exchange) {
  const WriteResult& written = exchange.write_result;
  if (written.failure) {
    answer(exchange, problem_of(written));
    return true;
  }
  const storage::CommandResult& result = written.result;
  Problem problem{.revision = result.revision.value};
  switch (result.code) {
    case storage::CommandResult::Code::ok:
      return false;
    case storage::CommandResult::Code::precondition_failed:
      problem.code = Code::precondition_failed;
      problem.detail = "there is no such key";
      if (result.mod_revision) {
        problem.detail = "the key is at revision " + std::to_string(result.mod_revision.value);
        problem.etag = result.mod_revision.value;
      }
      break;
    case storage::CommandResult::Code::too_many_keys:
      problem.code = Code::too_many_keys;
      problem.detail = "the range holds more than max_keys keys; nothing was deleted";
      break;
    case storage::CommandResult::Code::compacted:
      problem.code = Code::compacted;
      problem.detail = "already compacted that far";
      break;
    case storage::CommandResult::Code::future_revision:
      problem.code = Code::future_revision;
      problem.detail = "that revision does not exist yet";
      break;
  }
  answer(exchange, problem);
  return true;
}

}  // namespace tenaz::server::http
