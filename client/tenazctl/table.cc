#include "client/tenazctl/table.h"

#include <algorithm>

namespace tenaz::client {

namespace {

// Length of the UTF-8 sequence at the start of `text`; 0 if it is none (surrogates and overlong forms included).
std::size_t utf8_length(std::string_view text) {
  auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  auto follows = [&](std::size_t i) { return (at(i) & 0xc0U) == 0x80U; };
  const unsigned a = at(0), b = at(1);
  if (a < 0x80) return 1;
  if (a >= 0xc2 && a <= 0xdf && follows(1)) return 2;
  if (a >= 0xe0 && a <= 0xef && follows(1) && follows(2)) {
    return (a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) ? 0 : 3;
  }
  if (a >= 0xf0 && a <= 0xf4 && follows(1) && follows(2) && follows(3)) {
    return (a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f) ? 0 : 4;
  }
  return 0;
}

// Characters, not bytes: what a terminal shows side by side (wide characters aside).
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out.append(row[i]);
      if (i + 1 < row.size()) out.append(widths[i] - width(row[i]) + 2, ' ');
    }
    out.push_back('\n');
  }
  return out;
}

std::string printable(std::string_view bytes, std::size_t limit) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < bytes.size();) {
    if (limit != 0 && i >= limit) return out.append("...");
    const std::size_t length = utf8_length(bytes.substr(i));
    const auto byte = static_cast<unsigned char>(bytes[i]);
    // U+0080 to U+009F are control characters too.
    const bool control =
        byte < 0x20 || byte == 0x7f || (byte == 0xc2 && length == 2 && static_cast<unsigned char>(bytes[i + 1]) < 0xa0);
    if (length == 0 || control) {
      for (std::size_t j = 0; j < std::max<std::size_t>(length, 1); ++j) {
        const auto b = static_cast<unsigned char>(bytes[i + j]);
        out.append({'\\', 'x', kDigits[b >> 4], kDigits[b & 15]});
      }
    } else if (byte == '\\') {
      out.append("\\\\");
    } else {
      out.append(bytes.substr(i, length));
    }
    i += std::max<std::size_t>(length, 1);
  }
  return out;
}

}  // namespace tenaz::client
