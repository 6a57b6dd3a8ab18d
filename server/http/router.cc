#include "server/http/router.h"

#include <array>

#include "server/http/resources.h"

namespace tenaz::server::http {
namespace {

constexpr unsigned bit(Method method) {
  return 1U << static_cast<unsigned>(method);
}
constexpr unsigned kGetHead = bit(Method::get) | bit(Method::head);

struct Call {
  std::string_view path;  // ends in '/': a key follows
  Route route;
  unsigned methods;
  std::string_view allow;
  bool teaching;
  void (*check)(Exchange&);
};

constexpr std::array kCalls{
    Call{"/v1/kv/", Route::kv, kGetHead | bit(Method::put) | bit(Method::del), "GET, HEAD, PUT, DELETE", false,
         check_kv},
    Call{"/v1/kv", Route::kv_range, kGetHead | bit(Method::del), "GET, HEAD, DELETE", false, check_kv_range},
    Call{"/v1/status", Route::status, kGetHead, "GET, HEAD", false, check_status},
    Call{"/v1/leadership", Route::leadership, bit(Method::post), "POST", false, check_leadership},
    Call{"/livez", Route::livez, kGetHead, "GET, HEAD", false, check_livez},
    Call{"/readyz", Route::readyz, kGetHead, "GET, HEAD", false, check_readyz},
    Call{"/metrics", Route::metrics, kGetHead, "GET, HEAD", false, check_metrics},
    Call{"/client_request", Route::client_request, bit(Method::post), "POST", true, check_client_request},
    Call{"/status", Route::teaching_status, kGetHead, "GET, HEAD", true, check_teaching_status},
    Call{"/get/", Route::teaching_get, kGetHead, "GET, HEAD", true, check_teaching_get},
    Call{"/set", Route::teaching_set, bit(Method::post), "POST", true, check_teaching_set},
    Call{"/ping", Route::ping, kGetHead, "GET, HEAD", true, check_ping},
};

bool fits(const Call& call, std::string_view path, bool teaching) {
  if (call.teaching && !teaching) {
    return false;
  }
  return call.path.back() == '/' ? path.starts_with(call.path) : path == call.path;
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
  const std::string_view path = exchange.request.path;
  const Method method = exchange.request.method;
  if ((found->methods & bit(method)) == 0 || method == Method::other) {
    std::string detail = "this address takes " + std::string(found->allow);
    answer(exchange, {.code = Code::method_not_allowed, .detail = std::move(detail), .allow = found->allow});
    return;
  }
  if (found->path.back() == '/' && !decode_key(exchange, path.substr(found->path.size()))) {
    return;
  }
  found->check(exchange);
}

}  // namespace tenaz::server::http
