#include "server/http/json_value.h"

#include "server/http/problem.h"

namespace tenaz::server::http {

void answer_json(Exchange& exchange, unsigned status, const boost::json::value& value) {
  std::string text = boost::json::serialize(value);
  text += '\n';
  exchange.answer().begin(status);
  exchange.answer().body("application/json", text);
}

bool require_json(Exchange& exchange) {
  if (exchange.request.json_body) {
    return true;
  }
  answer(exchange, {.code = Code::unsupported_media_type, .detail = "this call takes Content-Type: application/json"});
  return false;
}

std::optional<boost::json::object> take_json_object(Exchange& exchange) {
  boost::system::error_code ec;
  boost::json::value value = boost::json::parse(exchange.request.body, ec);
  std::string detail;
  if (ec) {
    detail = "the body is not JSON: " + ec.message();
  } else if (!value.is_object()) {
    detail = "the body must be a JSON object";
  } else {
    return std::move(value.as_object());
  }
  answer(exchange, {.code = Code::bad_json, .detail = std::move(detail)});
  return std::nullopt;
}

}  // namespace tenaz::server::http
