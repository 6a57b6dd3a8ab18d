// /v1/kv/{key}: PUT, GET, HEAD, DELETE, with compare-and-set by entity tags.
#include <algorithm>
#include <limits>

#include "server/http/json_text.h"
#include "server/http/preconditions.h"
#include "server/http/resources.h"
#include "storage/command.h"

namespace tenaz::server::http {
namespace {

using Name = Parameters::Name;

Problem bad_precondition(std::string detail) {
  return {.code = Code::bad_precondition, .detail = std::move(detail)};
}

// What stands against the request's conditional headers, before the store is asked.
std::optional<Problem> check_preconditions(const Request& request) {
  if (request.has_other_precondition) {
    return bad_precondition("only If-Match and If-None-Match are understood");
  }
  const bool reads = request.method == Method::get || request.method == Method::head;
  if (request.has_if_match) {
    if (reads) {
      return bad_precondition("If-Match is for PUT and DELETE");
    }
    if (!parse_tags(request.if_match)) {
      return bad_precondition("If-Match must be * or a list of entity tags such as \"7\"");
    }
  }
  if (request.has_if_none_match) {
    const auto tags = parse_tags(request.if_none_match);
    if (!tags) {
      return bad_precondition("If-None-Match must be * or a list of entity tags such as \"7\"");
    }
    if (request.method == Method::del || (request.method == Method::put && !tags->any)) {
      return bad_precondition("a write takes If-None-Match only as If-None-Match: * on PUT");
    }
    if (request.has_if_match) {
      return bad_precondition("If-Match and If-None-Match: * can never both hold");
    }
  }
  return std::nullopt;
}

void set_condition(const Request& request, storage::pb::Condition& condition) {
  if (request.has_if_none_match) {
    condition.set_must_not_exist(true);
  }
  if (!request.has_if_match) {
    return;
  }
  condition.set_must_exist(true);
  const auto tags = parse_tags(request.if_match);
  if (tags->any) {
    return;
  }
  for (const auto* list : {&tags->raw, &tags->json}) {
    for (const std::uint64_t revision : *list) {
      condition.add_mod_revisions(revision);
    }
  }
  if (condition.mod_revisions().empty()) {
    // Only weak or foreign tags: a revision that no key will ever have.
    condition.add_mod_revisions(std::numeric_limits<std::uint64_t>::max());
  }
}

bool has_condition(const Request& request) {
  return request.has_if_match || request.has_if_none_match;
}

void put_done(Exchange& exchange) {
  if (answer_failed_write(exchange)) {
    return;
  }
  const storage::CommandResult& result = exchange.write_result.result;
  Answer& to = exchange.answer();
  to.begin(result.version == 1 ? 201 : 200);
  to.etag(result.revision.value);
  to.revision(result.revision.value);
  std::string& out = to.open_body("application/json");
  out += "{\"revision\":";
  append_number(out, result.revision.value);
  out += ",\"create_revision\":";
  append_number(out, result.create_revision.value);
  out += ",\"version\":";
  append_number(out, result.version);
  out += "}\n";
  to.close_body();
}

void put(Exchange& exchange) {
  storage::pb::Command command;
  command.set_apply_version(storage::kApplyVersion);
  storage::pb::Put& put = *command.mutable_put();
  put.set_key(exchange.key);
  put.set_value(std::move(exchange.request.body));
  if (has_condition(exchange.request)) {
    set_condition(exchange.request, *put.mutable_condition());
  }
  exchange.write(std::move(command), put_done);
}

void delete_done(Exchange& exchange) {
  if (answer_failed_write(exchange)) {
    return;
  }
  const storage::CommandResult& result = exchange.write_result.result;
  Answer& to = exchange.answer();
  to.begin(200);
  to.revision(result.revision.value);
  std::string& out = to.open_body("application/json");
  out += "{\"revision\":";
  append_number(out, result.revision.value);
  out += ",\"deleted\":";
  append_number(out, result.deleted);
  out += "}\n";
  to.close_body();
}

void remove(Exchange& exchange) {
  storage::pb::Command command;
  command.set_apply_version(storage::kApplyVersion);
  storage::pb::Delete& remove = *command.mutable_delete_();
  remove.set_key(exchange.key);
  if (has_condition(exchange.request)) {
    set_condition(exchange.request, *remove.mutable_condition());
  }
  exchange.write(std::move(command), delete_done);
}

bool not_modified(const Request& request, std::uint64_t mod_revision) {
  if (!request.has_if_none_match) {
    return false;
  }
  const auto tags = parse_tags(request.if_none_match);
  const auto& list = request.accepts_json ? tags->json : tags->raw;
  return tags->any || std::find(list.begin(), list.end(), mod_revision) != list.end();
}

void answer_json(Answer& to, const storage::kv::KeyValue& found, std::uint64_t revision) {
  std::string& out = to.open_body("application/json");
  out += '{';
  append_json_bytes(out, "key", found.key);
  out += ',';
  append_json_bytes(out, "value", found.value);
  out += ",\"create_revision\":";
  append_number(out, found.create_revision.value);
  out += ",\"mod_revision\":";
  append_number(out, found.mod_revision.value);
  out += ",\"version\":";
  append_number(out, found.version);
  out += ",\"revision\":";
  append_number(out, revision);
  out += "}\n";
  to.close_body();
}

void get_now(Exchange& exchange) {
  const Request& request = exchange.request;
  const auto result = exchange.service().node.reader()->get(exchange.key, exchange.parameters.revision);
  if (!result) {
    answer(exchange, problem_of(result.error()));
    return;
  }
  const std::uint64_t revision = result->revision.value;
  if (!result->found) {
    answer(exchange, {.code = Code::not_found, .detail = "there is no such key", .revision = revision});
    return;
  }
  const storage::kv::KeyValue& found = *result->found;
  const bool unchanged = not_modified(request, found.mod_revision.value);
  const bool sends_value = !unchanged && request.method != Method::head;
  if (sends_value && refuse_large(exchange, found.value.size())) {
    return;
  }
  Answer& to = exchange.answer();
  to.begin(unchanged ? 304 : 200);
  to.etag(found.mod_revision.value, request.accepts_json);
  to.revision(revision);
  to.header("Vary", "Accept");
  if (unchanged) {
    to.empty();
  } else if (request.accepts_json) {
    answer_json(to, found, revision);
  } else {
    to.body("application/octet-stream", found.value);
  }
}

void get(Exchange& exchange) {
  when_readable(exchange, get_now);
}

}  // namespace

void check_kv(Exchange& exchange) {
  const Request& request = exchange.request;
  const bool reads = request.method == Method::get || request.method == Method::head;
  const std::uint32_t allowed =
      reads ? Name::kConsistency | Name::kRevision | Name::kMinRevision | Name::kTimeout : Name::kTimeout;
  if (!take_parameters(exchange, allowed)) {
    return;
  }
  if (const auto problem = check_preconditions(request)) {
    answer(exchange, *problem);
    return;
  }
  exchange.serve = reads ? get : request.method == Method::put ? put : remove;
}

}  // namespace tenaz::server::http
