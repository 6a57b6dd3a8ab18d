// Raw bytes and their lower-case hex digits.
#pragma once

#include <string>
#include <string_view>

namespace tenaz::server {

inline std::string to_hex(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

// Requires an even number of valid digits; anything else counts as zero.
inline std::string from_hex(std::string_view digits) {
  const auto value = [](char c) { return c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0'; };
  std::string out;
  out.reserve(digits.size() / 2);
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    out += static_cast<char>((value(digits[i]) << 4) | value(digits[i + 1]));
  return out;
}

}  // namespace tenaz::server
