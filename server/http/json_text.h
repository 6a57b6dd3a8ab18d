// JSON and base64 written straight into a growing text, for the answers that are big or frequent. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tenaz::server::http {

// Strict: no overlong forms, no surrogates, nothing past U+10FFFF.
bool valid_utf8(std::string_view bytes);

void append_number(std::string& out, std::uint64_t number);

// RFC 4648 section 4, padded.
void append_base64(std::string& out, std::string_view bytes);

// RFC 4648 section 5, without padding: what cursors are made of.
std::string base64url(std::string_view bytes);
// Nothing unless `text` is exactly what base64url() makes of some bytes.
std::optional<std::string> from_base64url(std::string_view text);

// A JSON string with its quotes; `text` must be valid UTF-8.
void append_json_string(std::string& out, std::string_view text);

// "name":"bytes" if they are valid UTF-8, else "name_base64":"…".
void append_json_bytes(std::string& out, std::string_view name, std::string_view bytes);

}  // namespace tenaz::server::http
