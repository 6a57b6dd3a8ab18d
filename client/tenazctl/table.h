// Text in columns, for people.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tenaz::client {

// Columns as wide as their widest cell, two spaces apart, one line per row.
std::string table(const std::vector<std::vector<std::string>>& rows);

// Bytes as something that a terminal shows: control characters and what is not UTF-8 as \xNN, a backslash doubled, cut
// after `limit` bytes (0: never).
std::string printable(std::string_view bytes, std::size_t limit = 0);

}  // namespace tenaz::client
