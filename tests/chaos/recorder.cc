#include "tests/chaos/recorder.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace tenaz::chaos {

namespace json = boost::json;
using harness::HttpAnswer;
using model::Guard;
using model::Kind;
using model::Operation;
using model::Outcome;

namespace {

// A node that holds its answer back past the request's own deadline is as good as none.
constexpr std::chrono::milliseconds kGrace{800};
constexpr int kPage = 5;  // small, so that lists have several

std::uint64_t number(const json::value& body, const char* field) {
  if (!body.is_object()) return 0;
  const json::value* value = body.as_object().if_contains(field);
  boost::system::error_code ec;
  const auto result = value == nullptr ? 0 : value->to_number<std::uint64_t>(ec);
  return ec ? 0 : result;
}

std::string text(const json::value& body, const char* field) {
  if (!body.is_object()) return {};
  const json::value* value = body.as_object().if_contains(field);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::uint64_t number_of(const std::string& digits) {
  return digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos ? 0 : std::stoull(digits);
}

std::uint64_t etag(const HttpAnswer& answer) {
  const std::string tag = answer.header("ETag");
  return tag.size() > 2 ? number_of(tag.substr(1, tag.size() - 2)) : 0;
}

std::uint64_t store_revision(const HttpAnswer& answer) {
  return number_of(answer.header("Tenaz-Revision"));
}

// Keys of the tests are plain; '/' and '~' need no escape in a query either.
std::string range(const Operation& operation) {
  return "start=" + operation.key + (operation.range_end.empty() ? "" : "&end=" + operation.range_end);
}

}  // namespace

model::Time now() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

Recorder::Recorder(harness::Address node, std::chrono::milliseconds timeout)
    : node_(std::move(node)), timeout_(timeout), client_(node_, timeout + kGrace) {}

std::optional<HttpAnswer> Recorder::ask(const std::string& method, const std::string& target, const std::string& body,
                                        const harness::Headers& headers) {
  auto answer = client_.request(method, target, body, headers);
  connected_ = client_.connected();
  if (!answer) remark_ = connected_ ? "no answer" : "nobody listens";
  return answer;
}

std::string Recorder::query(const Operation& operation, std::uint64_t at) const {
  std::string text = "timeout=" + std::to_string(timeout_.count()) + "ms";
  if (operation.any_time && at == 0) text += "&consistency=local";
  if (at != 0) text += "&revision=" + std::to_string(at);
  if (operation.least_revision != 0) text += "&min_revision=" + std::to_string(operation.least_revision);
  return text;
}

bool Recorder::perform(Operation& operation, std::uint64_t at) {
  remark_.clear();
  nonsense_ = false;
  operation.outcome = Outcome::unknown;
  operation.answered = model::kNever;
  operation.called = now();
  switch (operation.kind) {
    case Kind::get:
      perform_get(operation, at);
      break;
    case Kind::list:
      perform_list(operation, at);
      break;
    case Kind::put:
    case Kind::remove:
    case Kind::remove_range:
      perform_write(operation);
      break;
  }
  return connected_;
}

// Of an answer that is neither success nor a failed condition.
void Recorder::not_done(const HttpAnswer& answer, Operation& operation) {
  remark_ = std::to_string(answer.status) + " " + answer.code();
  const bool refused = answer.outcome() == "not_applied";
  if (refused) operation.outcome = Outcome::not_applied;
  const bool write = !(operation.kind == Kind::get || operation.kind == Kind::list);
  const bool expected = answer.status == 503 || answer.status == 504 || answer.status == 507 || answer.status == 429 ||
                        answer.status == 500 || (answer.status == 410 && !write);
  nonsense_ = !expected || (write && !refused && answer.outcome() != "unknown");
  if (nonsense_) remark_ += " " + answer.body;
}

void Recorder::perform_get(Operation& operation, std::uint64_t at) {
  const auto answer = ask("GET", "/v1/kv/" + operation.key + "?" + query(operation, at), {}, {});
  if (!answer) return;
  if (answer->status != 200 && !(answer->status == 404 && answer->code() == "not_found"))
    return not_done(*answer, operation);
  operation.answered = now();
  operation.outcome = Outcome::done;
  operation.existed = answer->status == 200;
  operation.revision = at != 0 ? at : store_revision(*answer);
  if (!*operation.existed) return;
  operation.value = answer->body;
  operation.mod_revision = etag(*answer);
}

// All pages; they speak of one revision.
void Recorder::perform_list(Operation& operation, std::uint64_t at) {
  std::string cursor;
  do {
    const std::string page = "&limit=" + std::to_string(kPage) + (cursor.empty() ? "" : "&cursor=" + cursor);
    const auto answer = ask("GET", "/v1/kv?" + range(operation) + "&" + query(operation, at) + page, {}, {});
    if (!answer) return;
    if (answer->status != 200) return not_done(*answer, operation);
    const json::value body = answer->json();
    const std::uint64_t revision = number(body, "revision");
    const bool first = cursor.empty();
    if (!body.is_object() || !body.as_object().contains("items") || (!first && revision != operation.revision) ||
        (first && at != 0 && revision != at)) {
      nonsense_ = true;
      remark_ = "page of a list: " + answer->body;
      return;
    }
    operation.revision = revision;
    for (const json::value& item : body.at("items").as_array())
      operation.items.push_back({text(item, "key"), text(item, "value"), number(item, "mod_revision")});
    cursor = text(body, "cursor");
  } while (!cursor.empty());
  operation.answered = now();
  operation.outcome = Outcome::done;
}

void Recorder::perform_write(Operation& operation) {
  harness::Headers headers;
  switch (operation.guard) {
    case Guard::none:
      break;
    case Guard::must_exist:
      headers.emplace_back("If-Match", "*");
      break;
    case Guard::must_not_exist:
      headers.emplace_back("If-None-Match", "*");
      break;
    case Guard::mod_revision:
      headers.emplace_back("If-Match", "\"" + std::to_string(operation.expected) + "\"");
      break;
  }
  const std::string target =
      operation.kind == Kind::remove_range ? "/v1/kv?" + range(operation) + "&" : "/v1/kv/" + operation.key + "?";
  const auto answer =
      ask(operation.kind == Kind::put ? "PUT" : "DELETE", target + query(operation, 0), operation.value, headers);
  if (!answer) return;
  const json::value body = answer->json();
  if (answer->status == 412 && operation.guard != Guard::none) {
    operation.answered = now();
    operation.outcome = Outcome::precondition_failed;
    operation.mod_revision = etag(*answer);
    operation.existed = operation.mod_revision != 0;
    operation.revision = store_revision(*answer);
    return;
  }
  if (answer->status != 200 && answer->status != 201) return not_done(*answer, operation);
  operation.answered = now();
  operation.outcome = Outcome::done;
  operation.revision = number(body, "revision");
  operation.existed = operation.kind == Kind::put ? answer->status == 200 : number(body, "deleted") != 0;
}

}  // namespace tenaz::chaos
