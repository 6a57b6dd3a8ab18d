// GET and PUT /v1/settings {"lease_reads":true}: what holds for the whole cluster, and is agreed on like a membership.
#include "server/http/json_value.h"
#include "server/http/resources.h"

namespace tenaz::server::http {
namespace {

namespace json = boost::json;

void answer_settings(Exchange& exchange, const raft::Configuration& configuration) {
  answer_json(exchange, 200, json::object{{"lease_reads", configuration.lease_reads}});
}

void get_settings(Exchange& exchange) {
  when_readable(exchange, [](Exchange& e) {
    e.status([](Exchange& then) { answer_settings(then, then.status_result.committed_configuration); });
  });
}

void put_settings(Exchange& exchange) {
  const auto body = take_json_object(exchange);
  if (!body) {
    return;
  }
  const json::value* lease_reads = body->if_contains("lease_reads");
  std::string fault;
  for (const auto& [name, value] : *body) {
    if (name != "lease_reads") {
      fault = "\"" + std::string(name) + "\" is not known here: there is lease_reads";
    }
  }
  if (fault.empty() && lease_reads == nullptr) {
    fault = "\"lease_reads\" is missing";
  } else if (fault.empty() && !lease_reads->is_bool()) {
    fault = "\"lease_reads\" must be true or false";
  }
  if (!fault.empty()) {
    answer(exchange, {.code = Code::bad_json, .detail = std::move(fault)});
    return;
  }
  exchange.change = raft::SetLeaseReads{lease_reads->get_bool()};
  change_membership(exchange, [](Exchange& e) { answer_settings(e, e.change_result.configuration); });
}

}  // namespace

void check_settings(Exchange& exchange) {
  if (exchange.request.method != Method::put) {
    if (take_parameters(exchange, Parameters::kConsistency | Parameters::kTimeout)) {
      exchange.serve = get_settings;
    }
  } else if (require_json(exchange) && take_parameters(exchange, Parameters::kTimeout)) {
    exchange.serve = put_settings;
  }
}

}  // namespace tenaz::server::http
