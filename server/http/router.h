// Which call a request means.
#pragma once

namespace tenaz::server::http {

class Exchange;

// Sets Exchange::route and is_write from as much of the request as is known. What may be a write counts as one.
void identify_request(Exchange& exchange);

// The headers are in. Finds the call, decodes the key, runs the call's check: afterwards either Exchange::serve is set,
// or the request is refused and answered.
void route_request(Exchange& exchange);

}  // namespace tenaz::server::http
