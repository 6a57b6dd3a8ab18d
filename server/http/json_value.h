// Small JSON answers and request bodies, by Boost.JSON.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string_view>

#include "server/http/exchange.h"

namespace tenaz::server::http {

void answer_json(Exchange& exchange, unsigned status, const boost::json::value& value);
void answer_json_text(Exchange& exchange, unsigned status, std::string text);

// The body as a JSON object; nothing: refused as unsupported_media_type or bad_json, and answered.
std::optional<boost::json::object> take_json_object(Exchange& exchange);

// The text of that member's value as it stands in `object`, the text of a JSON object that has been parsed; of the last
// one if there are several. Empty: there is none.
std::string_view member_text(std::string_view object, std::string_view name);

// Refuses before the body is read what is not declared as JSON.
bool require_json(Exchange& exchange);

}  // namespace tenaz::server::http
