// One request as it came, and what its target says. Reused from request to request so that nothing is allocated anew.
#pragma once

#include <string>
#include <string_view>

#include "server/metrics.h"

namespace tenaz::server::http {

struct Request {
  Method method = Method::other;
  bool http_1_1 = true;
  bool keep_alive = true;
  bool expects_continue = false;
  bool accepts_json = false;  // Accept names application/json
  bool json_body = false;     // Content-Type is application/json

  bool has_if_match = false;
  bool has_if_none_match = false;
  bool has_other_precondition = false;  // If-Modified-Since and its kin
  std::string if_match;                 // all lines of the field, joined by commas
  std::string if_none_match;

  std::string target;      // as received
  std::string_view path;   // into target, still encoded
  std::string_view query;  // behind the '?', still encoded
  std::string body;

  void clear();
};

// Sets method and target from as much of a request line as has come.
void take_request_line(Request& request, std::string_view text);

// Sets path and query from target. An absolute form loses scheme and authority (RFC 9112 section 3.2.2).
void split_target(Request& request);

// Decodes %xx once, into `out`; everything else, '+' included, stands for itself. False: a malformed escape.
bool percent_decode(std::string_view text, std::string& out);

// A field value of Accept: does it name application/json, and not with q=0?
bool accepts_json(std::string_view accept);
// A field value of Content-Type: application/json, whatever its parameters.
bool is_json(std::string_view content_type);

}  // namespace tenaz::server::http
