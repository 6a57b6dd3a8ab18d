// The calls of the teaching programs, on the real store ([http] teaching_routes). A JSON value is stored as its JSON
// text, just as it stood in the request: a number is not rounded, nor spelt in another way.
//
//   POST /client_request {"command":{"type":"set","key":"x","value":10}}   (or "delete")
//       {"success":true,"message":"committed","leader_id":1,"revision":7}     once it is committed, never before
//   POST /set {"key":"x","value":10}     {"success":true,"key":"x","value":10}
//   GET /get/{key}                       {"key":"x","value":10}, or 404 {"error":"Key not found"} as a problem
//   GET /status                          {"node_id","state","current_term","voted_for","leader_id","log_length",
//                                         "commit_index","last_applied","state_machine":{…},"truncated"}
//   GET /ping?from=2                     {"node_id":1,"from":2,"timestamp":1700000000.123}
//
// Refusals are problems like everywhere else, with "success":false (POST) or "error" (GET) in addition.
#include <chrono>
#include <cstdlib>

#include "server/http/json_text.h"
#include "server/http/json_value.h"
#include "server/http/resources.h"
#include "storage/command.h"

namespace tenaz::server::http {
namespace {

namespace json = boost::json;

constexpr std::size_t kShownKeys = 100;
constexpr std::size_t kShownBytes = 1 << 20;

void refuse(Exchange& exchange, Code code, std::string detail) {
  answer(exchange, {.code = code, .detail = std::move(detail), .members = ",\"success\":false"});
}

// Bytes as a JSON string; what is no text, in base64.
void append_text(std::string& out, const std::string& bytes) {
  if (valid_utf8(bytes)) {
    append_json_string(out, bytes);
  } else {
    out += '"';
    append_base64(out, bytes);
    out += '"';
  }
}

// A stored value as these programs knew it: the JSON that was stored, or the text itself.
void append_shown(std::string& out, const std::string& value) {
  boost::system::error_code ec;
  static_cast<void>(json::parse(value, ec));
  if (ec) {
    append_text(out, value);
  } else {
    out += value;
  }
}

// The key in `members`; false: refused and answered.
bool take_key(Exchange& exchange, const json::object& members) {
  const json::value* key = members.if_contains("key");
  if (key == nullptr || !key->is_string()) {
    refuse(exchange, Code::bad_json, "\"key\" must be a string");
    return false;
  }
  const std::size_t bytes = key->get_string().size();
  if (bytes == 0 || bytes > storage::kv::kMaxKeyBytes) {
    refuse(exchange, Code::bad_key, "\"key\" must have 1 to " + std::to_string(storage::kv::kMaxKeyBytes) + " bytes");
    return false;
  }
  exchange.key.assign(key->get_string().data(), bytes);
  return true;
}

bool answer_failure(Exchange& exchange) {
  if (!exchange.write_result.failure) {
    return false;
  }
  Problem problem = problem_of(exchange.write_result);
  problem.members = ",\"success\":false";
  answer(exchange, problem);
  return true;
}

void write_put(Exchange& exchange, std::string_view value, Exchange::Step then) {
  storage::pb::Command command;
  command.set_apply_version(storage::kApplyVersion);
  command.mutable_put()->set_key(exchange.key);
  command.mutable_put()->set_value(value.data(), value.size());
  if (command.put().value().size() > exchange.service().limits.max_value_bytes) {
    refuse(exchange, Code::value_too_large,
           "a value may take " + std::to_string(exchange.service().limits.max_value_bytes) + " bytes");
    return;
  }
  exchange.write(std::move(command), then);
}

// --- POST /client_request ---

void tell_committed(Exchange& exchange) {
  answer_json(exchange, 200,
              json::object{{"success", true},
                           {"message", "committed"},
                           {"leader_id", exchange.status_result.raft.leader.value},
                           {"revision", exchange.write_result.result.revision.value}});
}

void command_done(Exchange& exchange) {
  if (!answer_failure(exchange)) {
    exchange.status(tell_committed);
  }
}

void client_request(Exchange& exchange) {
  const auto body = take_json_object(exchange);
  if (!body) {
    return;
  }
  const json::value* command = body->if_contains("command");
  if (command == nullptr || !command->is_object()) {
    refuse(exchange, Code::bad_json, "\"command\" must be an object");
    return;
  }
  const json::object& members = command->get_object();
  const json::value* type = members.if_contains("type");
  const json::value* value = members.if_contains("value");
  const bool sets = type != nullptr && *type == "set";
  const bool deletes = type != nullptr && *type == "delete";
  if (!sets && !deletes) {
    refuse(exchange, Code::bad_json, "\"type\" must be \"set\" or \"delete\"");
  } else if (sets && value == nullptr) {
    refuse(exchange, Code::bad_json, "\"value\" is missing");
  } else if (!take_key(exchange, members)) {
    return;
  } else if (sets) {
    write_put(exchange, member_text(member_text(exchange.request.body, "command"), "value"), command_done);
  } else {
    storage::pb::Command removal;
    removal.set_apply_version(storage::kApplyVersion);
    removal.mutable_delete_()->set_key(exchange.key);
    exchange.write(std::move(removal), command_done);
  }
}

// --- POST /set ---

void set_done(Exchange& exchange) {
  if (answer_failure(exchange)) {
    return;
  }
  std::string text = R"({"success":true,"key":)";
  append_json_string(text, exchange.key);
  text += ",\"value\":";
  text += member_text(exchange.request.body, "value");
  text += '}';
  answer_json_text(exchange, 200, std::move(text));
}

void set(Exchange& exchange) {
  const auto body = take_json_object(exchange);
  if (!body || !take_key(exchange, *body)) {
    return;
  }
  if (body->contains("value")) {
    write_put(exchange, member_text(exchange.request.body, "value"), set_done);
  } else {
    refuse(exchange, Code::bad_json, "\"value\" is missing");
  }
}

// --- GET /get/{key} ---

void get_now(Exchange& exchange) {
  const auto result = exchange.service().node.reader()->get(exchange.key, std::nullopt);
  if (!result) {
    answer(exchange, problem_of(result.error()));
  } else if (!result->found) {
    answer(exchange,
           {.code = Code::not_found, .detail = "there is no such key", .members = ",\"error\":\"Key not found\""});
  } else {
    std::string text = "{\"key\":";
    append_text(text, exchange.key);
    text += ",\"value\":";
    append_shown(text, result->found->value);
    text += '}';
    answer_json_text(exchange, 200, std::move(text));
  }
}

// --- GET /status ---

void answer_status(Exchange& exchange) {
  storage::kv::ListRequest request;
  request.limit = kShownKeys;
  request.max_bytes = kShownBytes;
  const auto page = exchange.service().node.reader()->list(request);
  if (!page) {
    answer(exchange, problem_of(page.error()));
    return;
  }
  const raft::Status& raft = exchange.status_result.raft;
  const auto node_or_null = [](raft::NodeId id) { return id ? json::value(id.value) : json::value(nullptr); };
  std::string text = json::serialize(json::object{{"node_id", raft.self.value},
                                                  {"state", raft::to_string(raft.role)},
                                                  {"current_term", raft.term.value},
                                                  {"voted_for", node_or_null(raft.voted_for)},
                                                  {"leader_id", node_or_null(raft.leader)},
                                                  {"log_length", raft.last_index.value},
                                                  {"commit_index", raft.commit.value},
                                                  {"last_applied", raft.applied.value},
                                                  {"truncated", page->more}});
  text.back() = ',';
  text += "\"state_machine\":{";
  for (const storage::kv::KeyValue& item : page->items) {
    append_text(text, item.key);
    text += ':';
    append_shown(text, item.value);
    text += ',';
  }
  text.back() = page->items.empty() ? '{' : '}';
  text += page->items.empty() ? "}}" : "}";
  answer_json_text(exchange, 200, std::move(text));
}

// --- GET /ping ---

void answer_ping(Exchange& exchange) {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  json::object pong{{"node_id", exchange.status_result.raft.self.value},
                    {"timestamp", std::chrono::duration<double>(since_1970).count()}};
  if (exchange.parameters.has(Parameters::kFrom)) {
    pong["from"] = exchange.parameters.from;
  }
  answer_json(exchange, 200, pong);
}

}  // namespace

void check_client_request(Exchange& exchange) {
  if (require_json(exchange) && take_parameters(exchange, Parameters::kTimeout)) {
    exchange.serve = client_request;
  }
}

void check_teaching_set(Exchange& exchange) {
  if (require_json(exchange) && take_parameters(exchange, Parameters::kTimeout)) {
    exchange.serve = set;
  }
}

void check_teaching_get(Exchange& exchange) {
  if (take_parameters(exchange, Parameters::kTimeout)) {
    exchange.serve = [](Exchange& e) { when_readable(e, get_now); };
  }
}

void check_teaching_status(Exchange& exchange) {
  if (take_parameters(exchange, 0)) {
    exchange.serve = [](Exchange& e) { e.status(answer_status); };
  }
}

void check_ping(Exchange& exchange) {
  if (take_parameters(exchange, Parameters::kFrom)) {
    exchange.serve = [](Exchange& e) { e.status(answer_ping); };
  }
}

}  // namespace tenaz::server::http
