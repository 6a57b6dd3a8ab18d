// Where a list goes on. Opaque to clients: base64url of
//
//   byte 0       version, 1
//   bytes 1..8   revision of the list, little-endian
//   bytes 9..12  CRC-32C of the range, so that a cursor is not taken for another list
//   bytes 13..   the last key that was returned
//   last 4       CRC-32C of everything before
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/kv/store.h"

namespace tenaz::server::http {

struct Cursor {
  storage::Revision revision;
  std::string after;
};

std::string encode_cursor(const Cursor& cursor, std::string_view start, std::string_view end);

// Nothing if it was not made by encode_cursor() for this very range.
std::optional<Cursor> decode_cursor(std::string_view text, std::string_view start, std::string_view end);

}  // namespace tenaz::server::http
