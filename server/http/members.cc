// Who belongs to the cluster:
//   GET /v1/members                {"members":[…],"configuration_index":12,"joint":false,"retired":[3]}, as committed
//   POST /v1/members               a node that waits there is admitted, as a learner at first: 201 with the member
//   POST /v1/members/{id}/promote  a learner becomes a voter: 200 with the member
//   DELETE /v1/members/{id}        200 with the members that remain
#include <algorithm>

#include "server/http/json_value.h"
#include "server/http/resources.h"

namespace tenaz::server::http {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxNameBytes = 64;

bool contains(const std::vector<raft::NodeId>& ids, raft::NodeId id) {
  return std::binary_search(ids.begin(), ids.end(), id);
}

json::object object_of(const raft::Member& member, const raft::Configuration& configuration) {
  const bool learner = contains(configuration.learners, member.id);
  json::object object{{"id", member.id.value},
                      {"name", member.name},
                      {"peer", member.peer},
                      {"client", member.client},
                      {"role", learner ? "learner" : "voter"}};
  if (learner) {
    object["promote"] = member.promote;
  }
  if (member.replaces) {
    object["replaces"] = member.replaces.value;
  }
  return object;
}

json::object object_of(const raft::Configuration& configuration, raft::Index index) {
  json::array members;
  for (const raft::Member& member : configuration.members) {
    members.push_back(object_of(member, configuration));
  }
  json::array retired;
  for (const raft::NodeId id : configuration.retired) {
    retired.push_back(id.value);
  }
  return {{"members", std::move(members)},
          {"configuration_index", index.value},
          {"joint", configuration.joint()},
          {"retired", std::move(retired)}};
}

void answer_members(Exchange& exchange) {
  const NodeStatus& status = exchange.status_result;
  answer_json(exchange, 200, object_of(status.committed_configuration, status.committed_configuration_index));
}

void get_members(Exchange& exchange) {
  when_readable(exchange, [](Exchange& e) { e.status(answer_members); });
}

// --- POST /v1/members ---

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

// Each takes a value; what is allowed instead, if it is not that.

std::string take_id(const json::value& value, raft::NodeId& to) {
  const bool whole = value.is_int64() || value.is_uint64();
  boost::system::error_code ec;
  const auto id = whole ? value.to_number<std::uint64_t>(ec) : 0;
  if (ec || id < 1 || id > kMaxNodeId) {
    return "must be a whole number from 1 to " + std::to_string(kMaxNodeId);
  }
  to = raft::NodeId{id};
  return {};
}

std::string take_name(const json::value& value, std::string& to) {
  const json::string* text = value.if_string();
  if (text == nullptr || !is_name({text->data(), text->size()})) {
    return "must be a string of 1 to 64 bytes without control characters";
  }
  to.assign(text->data(), text->size());
  return {};
}

// Of no machine in particular: to listen at, not to be called at.
bool names_no_host(std::string_view address) {
  return address.starts_with("0.0.0.0:") || address.starts_with("[::]:");
}

std::string take_address(const json::value& value, std::string& to) {
  const json::string* text = value.if_string();
  std::string address = text == nullptr ? std::string{} : std::string(text->data(), text->size());
  if (!valid_address(address)) {
    return "must be a string host:port";
  }
  if (names_no_host(address)) {
    return "must be an address that others can call, not " + address;
  }
  to = std::move(address);
  return {};
}

std::string take_flag(const json::value& value, bool& to) {
  if (!value.is_bool()) {
    return "must be true or false";
  }
  to = value.get_bool();
  return {};
}

std::string take_member_of(std::string_view name, const json::value& value, raft::Member& member, bool& learner) {
  if (name == "id") {
    return take_id(value, member.id);
  }
  if (name == "name") {
    return take_name(value, member.name);
  }
  if (name == "peer") {
    return take_address(value, member.peer);
  }
  if (name == "client") {
    return take_address(value, member.client);
  }
  if (name == "learner") {
    return take_flag(value, learner);
  }
  if (name == "replaces") {
    return take_id(value, member.replaces);
  }
  return "is not known here: there are id, name, peer, client, learner and replaces";
}

// Nothing: refused and answered.
std::optional<raft::Member> take_member(Exchange& exchange) {
  const auto body = take_json_object(exchange);
  if (!body) {
    return std::nullopt;
  }
  raft::Member member;
  bool learner = false;
  std::string fault;
  for (const auto& [key, value] : *body) {
    const std::string name(key);
    if (const std::string allowed = take_member_of(name, value, member, learner); !allowed.empty()) {
      fault = "\"" + name + "\" " + allowed;
    }
  }
  for (const char* name : {"id", "peer", "client"}) {
    if (fault.empty() && !body->contains(name)) {
      fault = "\"" + std::string(name) + "\" is missing";
    }
  }
  if (fault.empty() && member.peer == member.client) {
    fault = "\"client\" must differ from \"peer\"";
  }
  if (!fault.empty()) {
    answer(exchange, {.code = Code::bad_json, .detail = std::move(fault)});
    return std::nullopt;
  }
  if (member.name.empty()) {
    member.name = "node-" + std::to_string(member.id.value);
  }
  member.promote = !learner;
  return member;
}

void answer_member(Exchange& exchange, unsigned status, raft::NodeId id) {
  const raft::Configuration& configuration = exchange.change_result.configuration;
  const raft::Member* member = raft::find_member(configuration, id);
  answer_json(exchange, status, member != nullptr ? object_of(*member, configuration) : json::object{{"id", id.value}});
}

void member_added(Exchange& exchange) {
  answer_member(exchange, 201, std::get<raft::AddMember>(exchange.change).member.id);
}

// What this node knows of the members is up to date: a follower judges as the leader would.
void add_now(Exchange& exchange) {
  if (exchange.read_result.failure) {
    answer(exchange, problem_of(*exchange.read_result.failure));
    return;
  }
  change_membership(exchange, member_added);
}

void add_member(Exchange& exchange) {
  if (auto member = take_member(exchange)) {
    exchange.change = raft::AddMember{std::move(*member)};
    exchange.read_index(add_now);
  }
}

// --- POST /v1/members/{id}/promote, DELETE /v1/members/{id} ---

void member_promoted(Exchange& exchange) {
  answer_member(exchange, 200, exchange.member);
}

void promote_member(Exchange& exchange) {
  exchange.change = raft::PromoteMember{exchange.member};
  change_membership(exchange, member_promoted);
}

void member_removed(Exchange& exchange) {
  const ChangeResult& result = exchange.change_result;
  answer_json(exchange, 200, object_of(result.configuration, result.configuration_index));
}

void remove_member(Exchange& exchange) {
  exchange.change = raft::RemoveMember{exchange.member};
  change_membership(exchange, member_removed);
}

}  // namespace

void change_membership(Exchange& exchange, Exchange::Step then) {
  exchange.when_changed = then;
  exchange.change_membership([](Exchange& e) {
    if (e.change_result.done()) {
      e.when_changed(e);
    } else {
      answer(e, problem_of(e.change, e.change_result));
    }
  });
}

void check_members(Exchange& exchange) {
  if (exchange.request.method != Method::post) {
    if (take_parameters(exchange, Parameters::kConsistency | Parameters::kTimeout)) {
      exchange.serve = get_members;
    }
  } else if (require_json(exchange) && take_parameters(exchange, Parameters::kTimeout)) {
    exchange.serve = add_member;
  }
}

void check_promotion(Exchange& exchange) {
  if (take_parameters(exchange, Parameters::kTimeout)) {
    exchange.serve = promote_member;
  }
}

void check_member(Exchange& exchange) {
  if (take_parameters(exchange, Parameters::kTimeout)) {
    exchange.serve = remove_member;
  }
}

}  // namespace tenaz::server::http
