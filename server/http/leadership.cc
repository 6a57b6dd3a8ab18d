// POST /v1/leadership {"to":2}: asks for leadership to be handed over, and waits until it is, or the deadline has
// passed.
#include <algorithm>

#include "server/http/json_value.h"
#include "server/http/resources.h"

namespace tenaz::server::http {
namespace {

namespace json = boost::json;

// The one member "to"; absent: the best peer. Nothing: refused and answered.
std::optional<raft::NodeId> take_target(Exchange& exchange) {
  const auto body = take_json_object(exchange);
  if (!body) {
    return std::nullopt;
  }
  raft::NodeId target;
  std::string fault;
  for (const auto& [name, value] : *body) {
    boost::system::error_code ec;
    if (name != "to") {
      fault = "there is no member \"" + std::string(name) + "\" here";
    } else if (target = raft::NodeId{value.to_number<std::uint64_t>(ec)}; ec || !target) {
      fault = "\"to\" must be the id of a node";
    }
  }
  if (!fault.empty()) {
    answer(exchange, {.code = Code::bad_json, .detail = std::move(fault)});
    return std::nullopt;
  }
  return target;
}

void tell_outcome(Exchange& exchange) {
  const raft::Status& raft = exchange.status_result.raft;
  if (exchange.transfer_outcome == TransferOutcome::done) {
    answer_json(exchange, 200, json::object{{"leader_id", raft.leader.value}, {"term", raft.term.value}});
    return;
  }
  if (!raft.leader) {
    answer(exchange, problem_of(Failure::no_leader));
    return;
  }
  const bool refused = exchange.transfer_outcome == TransferOutcome::refused;
  const std::string leader = std::to_string(raft.leader.value);
  answer(exchange, {.code = refused ? Code::not_ready : Code::timeout,
                    .detail = (refused ? "leadership cannot be handed over now: another hand-over is under way, or the "
                                         "leader or the target is out of reach; node "
                                       : "leadership was not handed over in time; node ") +
                              leader + " leads",
                    .members = ",\"leader_id\":" + leader});
}

void transfer_done(Exchange& exchange) {
  exchange.status(tell_outcome);
}

void check_target(Exchange& exchange) {
  const NodeStatus& status = exchange.status_result;
  const raft::NodeId target = exchange.transfer_to;
  const auto& voters = status.configuration.voters;
  if (status.joining) {
    answer(exchange, problem_of(Failure::joining));
  } else if (target && std::find(voters.begin(), voters.end(), target) == voters.end()) {
    answer(exchange, {.code = Code::bad_json,
                      .detail = "\"to\": node " + std::to_string(target.value) + " is no voter of this cluster"});
  } else if (target && target == status.raft.leader) {
    exchange.transfer_outcome = TransferOutcome::done;
    tell_outcome(exchange);
  } else if (voters.size() < 2) {
    answer(exchange, {.code = Code::bad_json, .detail = "there is no other voter to hand leadership to"});
  } else {
    exchange.transfer_leadership(target, transfer_done);
  }
}

void hand_over(Exchange& exchange) {
  if (const auto target = take_target(exchange)) {
    exchange.transfer_to = *target;
    exchange.status(check_target);
  }
}

}  // namespace

void check_leadership(Exchange& exchange) {
  if (require_json(exchange) && take_parameters(exchange, Parameters::kTimeout)) {
    exchange.serve = hand_over;
  }
}

}  // namespace tenaz::server::http
