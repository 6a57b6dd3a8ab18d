// Which call a request means.
#pragma once

namespace tenaz::server::http {

class Exchange;

// The headers are in. Finds the call, decodes the key, runs the call's check: afterwards either Exchange::serve is set,
// or the request is refused and answered.
void route_request(Exchange& exchange);

}  // namespace tenaz::server::http
