#include "server/http/router.h"

#include <array>
#include <charconv>

#include "server/http/resources.h"

namespace tenaz::server::http {
namespace {

constexpr unsigned bit(Method method) {
  return 1U << static_cast<unsigned>(method);
}
constexpr unsigned kGetHead = bit(Method::get) | bit(Method::head);

// What follows behind Call::path.
enum class Rest {
  nothing,
  key,
  id,          // of a node
  id_promote,  // and "/promote"
};
constexpr std::string_view kPromote = "/promote";

struct Call {
  std::string_view path;
  Rest rest;
  Route route;
  unsigned methods;
  std::string_view allow;
  bool teaching;
  void (*check)(Exchange&);
};

constexpr std::array kCalls{
    Call{"/v1/kv/", Rest::key, Route::kv, kGetHead | bit(Method::put) | bit(Method::del), "GET, HEAD, PUT, DELETE",
         false, check_kv},
    Call{"/v1/kv", Rest::nothing, Route::kv_range, kGetHead | bit(Method::del), "GET, HEAD, DELETE", false,
         check_kv_range},
    Call{"/v1/status", Rest::nothing, Route::status, kGetHead, "GET, HEAD", false, check_status},
    Call{"/v1/leadership", Rest::nothing, Route::leadership, bit(Method::post), "POST", false, check_leadership},
    Call{"/v1/members", Rest::nothing, Route::members, kGetHead | bit(Method::post), "GET, HEAD, POST", false,
         check_members},
    Call{"/v1/members/", Rest::id, Route::member, bit(Method::del), "DELETE", false, check_member},
    Call{"/v1/members/", Rest::id_promote, Route::promotion, bit(Method::post), "POST", false, check_promotion},
    Call{"/v1/settings", Rest::nothing, Route::settings, kGetHead | bit(Method::put), "GET, HEAD, PUT", false,
         check_settings},
    Call{"/v1/compact", Rest::nothing, Route::compact, bit(Method::post), "POST", false, check_compact},
    Call{"/v1/backup", Rest::nothing, Route::backup, bit(Method::get), "GET", false, check_backup},
    Call{"/livez", Rest::nothing, Route::livez, kGetHead, "GET, HEAD", false, check_livez},
    Call{"/readyz", Rest::nothing, Route::readyz, kGetHead, "GET, HEAD", false, check_readyz},
    Call{"/metrics", Rest::nothing, Route::metrics, kGetHead, "GET, HEAD", false, check_metrics},
    Call{"/client_request", Rest::nothing, Route::client_request, bit(Method::post), "POST", true,
         check_client_request},
    Call{"/status", Rest::nothing, Route::teaching_status, kGetHead, "GET, HEAD", true, check_teaching_status},
    Call{"/get/", Rest::key, Route::teaching_get, kGetHead, "GET, HEAD", true, check_teaching_get},
    Call{"/set", Rest::nothing, Route::teaching_set, bit(Method::post), "POST", true, check_teaching_set},
    Call{"/ping", Rest::nothing, Route::ping, kGetHead, "GET, HEAD", true, check_ping},
};

bool fits(const Call& call, std::string_view path, bool teaching) {
  if (call.teaching && !teaching) {
    return false;
  }
  if (!path.starts_with(call.path)) {
    return false;
  }
  const std::string_view rest = path.substr(call.path.size());
  switch (call.rest) {
    case Rest::nothing:
      return rest.empty();
    case Rest::key:
      return true;
    case Rest::id:
      return !rest.empty() && rest.find('/') == std::string_view::npos;
    case Rest::id_promote:
      return rest.size() > kPromote.size() && rest.find('/') == rest.size() - kPromote.size() &&
             rest.ends_with(kPromote);
  }
  return false;
}

// False: no lawful key; answered.
bool decode_key(Exchange& exchange, std::string_view text) {
  std::string detail;
  if (!percent_decode(text, exchange.key)) {
    detail = "the key has malformed percent-encoding";
  } else if (exchange.key.empty()) {
    detail = "the key is empty";
  } else if (exchange.key.size() > storage::kv::kMaxKeyBytes) {
    detail = "the key is longer than " + std::to_string(storage::kv::kMaxKeyBytes) + " bytes";
  } else {
    return true;
  }
  answer(exchange, {.code = Code::bad_key, .detail = std::move(detail)});
  return false;
}

// False: no id that a node can have; answered.
bool decode_id(Exchange& exchange, std::string_view text) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  // One spelling for each: "01" may be a slip for 10.
  const bool plain = error == std::errc{} && end == text.data() + text.size() && text.front() != '0';
  if (plain && id <= kMaxNodeId) {
    exchange.member = raft::NodeId{id};
    return true;
  }
  answer(exchange, {.code = Code::bad_parameter,
                    .detail = "id: must be a whole number from 1 to " + std::to_string(kMaxNodeId),
                    .parameter = "id"});
  return false;
}

// False: refused and answered.
bool decode_rest(Exchange& exchange, const Call& call) {
  std::string_view rest = exchange.request.path.substr(call.path.size());
  switch (call.rest) {
    case Rest::nothing:
      return true;
    case Rest::key:
      return decode_key(exchange, rest);
    case Rest::id_promote:
      rest.remove_suffix(kPromote.size());
      return decode_id(exchange, rest);
    case Rest::id:
      return decode_id(exchange, rest);
  }
  return false;
}

// Nothing: there is no such call.
const Call* identify(Exchange& exchange) {
  split_target(exchange.request);
  const Call* found = nullptr;
  for (const Call& call : kCalls) {
    if (fits(call, exchange.request.path, exchange.service().options.teaching_routes)) {
      found = &call;
      break;
    }
  }
  const Method method = exchange.request.method;
  exchange.route = found != nullptr ? found->route : Route::other;
  exchange.is_write = method != Method::get && method != Method::head && exchange.route != Route::leadership;
  return found;
}

}  // namespace

void identify_request(Exchange& exchange) {
  identify(exchange);
}

void route_request(Exchange& exchange) {
  const Call* found = identify(exchange);
  if (found == nullptr) {
    answer(exchange, {.code = Code::no_such_route, .detail = "this address means nothing here"});
    return;
  }
  const Method method = exchange.request.method;
  if ((found->methods & bit(method)) == 0 || method == Method::other) {
    std::string detail = "this address takes " + std::string(found->allow);
    answer(exchange, {.code = Code::method_not_allowed, .detail = std::move(detail), .allow = found->allow});
    return;
  }
  if (decode_rest(exchange, *found)) {
    found->check(exchange);
  }
}

}  // namespace tenaz::server::http
