// POST /v1/compact {"revision":N}: the history below revision N is forgotten. It goes through the log like a write, and
// the store decides when it is applied: every node refuses the same ones.
#include "server/http/json_value.h"
#include "server/http/resources.h"
#include "storage/command.h"

namespace tenaz::server::http {
namespace {

namespace json = boost::json;

// The one member "revision". Nothing: refused and answered.
std::optional<std::uint64_t> take_revision(Exchange& exchange) {
  const auto body = take_json_object(exchange);
  if (!body) {
    return std::nullopt;
  }
  const json::value* given = nullptr;
  std::string fault;
  for (const auto& [name, value] : *body) {
    if (name == "revision") {
      given = &value;
    } else {
      fault = "there is no member \"" + std::string(name) + "\" here";
    }
  }
  std::uint64_t revision = 0;
  if (given != nullptr && given->is_int64() && given->get_int64() > 0) {
    revision = static_cast<std::uint64_t>(given->get_int64());
  } else if (given != nullptr && given->is_uint64()) {
    revision = given->get_uint64();
  }
  if (fault.empty() && revision == 0) {
    fault = given == nullptr ? "\"revision\" is missing" : "\"revision\" must be a whole number from 1";
  }
  if (!fault.empty()) {
    answer(exchange, {.code = Code::bad_json, .detail = std::move(fault)});
    return std::nullopt;
  }
  return revision;
}

void compacted(Exchange& exchange) {
  const WriteResult& written = exchange.write_result;
  // Applied here: the state that is read now has forgotten it too.
  const std::uint64_t oldest = exchange.service().node.reader()->compact_revision().value;
  if (!written.failure && written.result.code == storage::CommandResult::Code::compacted) {
    answer(exchange, {.code = Code::compacted,
                      .detail = "already compacted that far; the oldest revision held is " + std::to_string(oldest),
                      .members = ",\"compact_revision\":" + std::to_string(oldest)});
  } else if (!written.failure && written.result.code == storage::CommandResult::Code::future_revision) {
    answer(exchange, {.code = Code::future_revision,
                      .detail = "that revision does not exist yet; the store is at " +
                                std::to_string(written.result.revision.value)});
  } else if (!answer_failed_write(exchange)) {
    answer_json(exchange, 200, json::object{{"revision", written.result.revision.value}, {"compact_revision", oldest}});
  }
}

void compact(Exchange& exchange) {
  if (const auto revision = take_revision(exchange)) {
    storage::pb::Command command;
    command.set_apply_version(storage::kApplyVersion);
    command.mutable_compact()->set_revision(*revision);
    exchange.write(std::move(command), compacted);
  }
}

}  // namespace

void check_compact(Exchange& exchange) {
  if (require_json(exchange) && take_parameters(exchange, Parameters::kTimeout)) {
    exchange.serve = compact;
  }
}

}  // namespace tenaz::server::http
