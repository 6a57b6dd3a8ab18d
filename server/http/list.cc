// /v1/kv: lists in key order, page by page at one revision, and range deletes.
#include <algorithm>

#include "server/http/cursor.h"
#include "server/http/json_text.h"
#include "server/http/resources.h"
#include "storage/command.h"

namespace tenaz::server::http {
namespace {

using Name = Parameters::Name;

void append_item(std::string& out, const storage::kv::KeyValue& item, bool keys_only) {
  out += '{';
  append_json_bytes(out, "key", item.key);
  if (!keys_only) {
    out += ',';
    append_json_bytes(out, "value", item.value);
  }
  out += ",\"create_revision\":";
  append_number(out, item.create_revision.value);
  out += ",\"mod_revision\":";
  append_number(out, item.mod_revision.value);
  out += ",\"version\":";
  append_number(out, item.version);
  out += '}';
}

// Enough for base64; escapes may need more, and then the text grows up to max_bytes.
std::size_t body_estimate(const storage::kv::ListResult& page) {
  std::size_t bytes = 8192;
  for (const storage::kv::KeyValue& item : page.items) {
    bytes += 160 + (item.key.size() + item.value.size()) * 4 / 3;
  }
  return bytes;
}

// As many as fit into max_bytes as they are written here, but at least one; how many.
std::size_t append_items(std::string& out, const storage::kv::ListResult& page, const Parameters& parameters) {
  const std::size_t start = out.size();
  for (std::size_t i = 0; i < page.items.size(); ++i) {
    const std::size_t before = out.size();
    if (i != 0) {
      out += ',';
    }
    append_item(out, page.items[i], parameters.keys_only);
    if (i != 0 && out.size() - start > parameters.max_bytes) {
      out.resize(before);
      return i;
    }
  }
  return page.items.size();
}

void answer_page(Exchange& exchange, const storage::kv::ListResult& page) {
  const Parameters& parameters = exchange.parameters;
  const std::size_t estimate = body_estimate(page);
  if (refuse_large(exchange, estimate)) {
    return;
  }
  Answer& to = exchange.answer();
  to.begin(200);
  to.revision(page.revision.value);
  std::string& out = to.open_body("application/json");
  out.reserve(out.size() + std::min(estimate, parameters.max_bytes + 8192));
  out += "{\"revision\":";
  append_number(out, page.revision.value);
  out += ",\"items\":[";
  const std::size_t shown = append_items(out, page, parameters);
  out += ']';
  if (shown != 0 && (page.more || shown < page.items.size())) {
    out += ",\"cursor\":\"";
    out += encode_cursor({page.revision, page.items[shown - 1].key}, parameters.start, parameters.end);
    out += '"';
  }
  out += "}\n";
  to.close_body();
}

void list_now(Exchange& exchange) {
  const Parameters& parameters = exchange.parameters;
  storage::kv::ListRequest request;
  request.start = exchange.key.empty() ? parameters.start : exchange.key;
  request.end = parameters.end;
  request.at = parameters.revision;
  request.limit = parameters.limit;
  request.max_bytes = parameters.max_bytes;
  request.keys_only = parameters.keys_only;
  const auto page = exchange.service().node.reader()->list(request);
  if (!page) {
    answer(exchange, problem_of(page.error()));
    return;
  }
  answer_page(exchange, *page);
}

void list(Exchange& exchange) {
  when_readable(exchange, list_now);
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

void delete_range(Exchange& exchange) {
  const Parameters& parameters = exchange.parameters;
  storage::pb::Command command;
  command.set_apply_version(storage::kApplyVersion);
  storage::pb::DeleteRange& range = *command.mutable_delete_range();
  range.set_start(parameters.start);
  range.set_end(parameters.end);
  range.set_max_keys(parameters.max_keys);
  exchange.write(std::move(command), delete_done);
}

// The cursor fixes the revision, and the key that the page begins at (kept in Exchange::key).
std::optional<Problem> apply_cursor(Exchange& exchange) {
  Parameters& parameters = exchange.parameters;
  if (!parameters.has(Name::kCursor)) {
    return std::nullopt;
  }
  const auto cursor = decode_cursor(parameters.cursor, parameters.start, parameters.end);
  if (!cursor || (parameters.revision && *parameters.revision != cursor->revision)) {
    return Problem{.code = Code::bad_parameter,
                   .detail = "cursor: was not given out for this list; repeat prefix, start and end as they were",
                   .parameter = "cursor"};
  }
  parameters.revision = cursor->revision;
  exchange.key = cursor->after;
  exchange.key += '\0';  // the very next key that there can be
  return std::nullopt;
}

// Nobody means "everything" by an empty shell variable. `as_given`: before resolve_range() has filled in the rest.
std::optional<Problem> require_range(const Parameters& as_given) {
  std::string_view empty;
  if (as_given.has(Name::kPrefix) && as_given.prefix.empty()) {
    empty = "prefix";
  } else if (as_given.has(Name::kStart) && as_given.start.empty()) {
    empty = "start";
  } else if (as_given.has(Name::kEnd) && as_given.end.empty()) {
    empty = "end";
  } else if (as_given.has(Name::kPrefix) || as_given.has(Name::kStart) || as_given.has(Name::kEnd)) {
    return std::nullopt;
  }
  return Problem{.code = Code::bad_parameter,
                 .detail = "a range delete needs a prefix, start or end, and none of them empty",
                 .parameter = empty.empty() ? "prefix" : empty};
}

}  // namespace

void check_kv_range(Exchange& exchange) {
  const Request& request = exchange.request;
  Parameters& parameters = exchange.parameters;
  const bool deletes = request.method == Method::del;
  constexpr std::uint32_t range = Name::kPrefix | Name::kStart | Name::kEnd | Name::kTimeout;
  const std::uint32_t allowed = deletes ? range | Name::kMaxKeys
                                        : range | Name::kConsistency | Name::kRevision | Name::kMinRevision |
                                              Name::kLimit | Name::kMaxBytes | Name::kCursor | Name::kKeysOnly;
  if (!take_parameters(exchange, allowed)) {
    return;
  }
  if (request.has_if_match || request.has_if_none_match || request.has_other_precondition) {
    answer(exchange, {.code = Code::bad_precondition, .detail = "a range takes no preconditions"});
    return;
  }
  auto problem = deletes ? require_range(parameters) : std::nullopt;
  if (!problem) {
    problem = resolve_range(parameters);
  }
  if (!problem && !deletes) {
    problem = apply_cursor(exchange);
  }
  if (problem) {
    answer(exchange, *problem);
    return;
  }
  exchange.serve = deletes ? delete_range : list;
}

}  // namespace tenaz::server::http
