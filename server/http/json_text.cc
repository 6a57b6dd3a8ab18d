#include "server/http/json_text.h"

#include <array>
#include <charconv>
#include <cstring>

namespace tenaz::server::http {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Twelve bits to two characters: half the look-ups and stores of one table of 64.
struct PairTable {
  std::array<char, 2 * 4096> pairs{};
  constexpr explicit PairTable(std::string_view alphabet) {
    for (std::size_t i = 0; i < 4096; ++i) {
      pairs[2 * i] = alphabet[i >> 6];
      pairs[2 * i + 1] = alphabet[i & 63];
    }
  }
};
constexpr PairTable kPairs{kBase64};

constexpr std::array<std::int8_t, 256> url_values() {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kBase64Url.size(); ++i) {
    values[static_cast<unsigned char>(kBase64Url[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}
constexpr auto kUrlValues = url_values();

constexpr std::array<bool, 256> plain_characters() {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0; c < 256; ++c) {
    plain[c] = c >= 0x20 && c != '"' && c != '\\';
  }
  return plain;
}
constexpr auto kPlain = plain_characters();

bool continues(unsigned char c) {
  return (c & 0xC0) == 0x80;
}

void append_escape(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      constexpr std::string_view hex = "0123456789abcdef";
      out += "\\u00";
      out += hex[c >> 4];
      out += hex[c & 15];
  }
}

}  // namespace

bool valid_utf8(std::string_view bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* const end = p + bytes.size();
  while (p != end) {
    if (end - p >= 8) {
      std::uint64_t eight = 0;
      std::memcpy(&eight, p, 8);
      if ((eight & 0x8080808080808080U) == 0) {
        p += 8;
        continue;
      }
    }
    const unsigned char lead = *p;
    const auto left = end - p;
    if (lead < 0x80) {
      p += 1;
    } else if (lead >= 0xC2 && lead <= 0xDF) {
      if (left < 2 || !continues(p[1])) {
        return false;
      }
      p += 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      if (left < 3 || !continues(p[1]) || !continues(p[2]) || (lead == 0xE0 && p[1] < 0xA0) ||
          (lead == 0xED && p[1] > 0x9F)) {
        return false;
      }
      p += 3;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      if (left < 4 || !continues(p[1]) || !continues(p[2]) || !continues(p[3]) || (lead == 0xF0 && p[1] < 0x90) ||
          (lead == 0xF4 && p[1] > 0x8F)) {
        return false;
      }
      p += 4;
    } else {
      return false;
    }
  }
  return true;
}

void append_number(std::string& out, std::uint64_t number) {
  char text[20];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  static_cast<void>(error);  // twenty digits hold every 64-bit number
  out.append(text, static_cast<std::size_t>(end - text));
}

void append_base64(std::string& out, std::string_view bytes) {
  const std::size_t before = out.size();
  out.resize(before + (bytes.size() + 2) / 3 * 4);
  char* to = out.data() + before;
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t left = bytes.size();
  for (; left >= 3; left -= 3, p += 3, to += 4) {
    const std::size_t first = (std::size_t{p[0]} << 4) | (p[1] >> 4);
    const std::size_t second = ((std::size_t{p[1]} & 15) << 8) | p[2];
    std::memcpy(to, &kPairs.pairs[2 * first], 2);
    std::memcpy(to + 2, &kPairs.pairs[2 * second], 2);
  }
  if (left == 1) {
    to[0] = kBase64[p[0] >> 2];
    to[1] = kBase64[(p[0] & 3U) << 4];
    to[2] = to[3] = '=';
  } else if (left == 2) {
    to[0] = kBase64[p[0] >> 2];
    to[1] = kBase64[((p[0] & 3U) << 4) | (p[1] >> 4)];
    to[2] = kBase64[(p[1] & 15U) << 2];
    to[3] = '=';
  }
}

std::string base64url(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  append_base64(out, bytes);
  while (!out.empty() && out.back() == '=') {
    out.pop_back();
  }
  for (char& c : out) {
    c = c == '+' ? '-' : c == '/' ? '_' : c;
  }
  return out;
}

std::optional<std::string> from_base64url(std::string_view text) {
  if (text.size() % 4 == 1) {
    return std::nullopt;
  }
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const int value = kUrlValues[static_cast<unsigned char>(c)];
    if (value < 0) {
      return std::nullopt;
    }
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>((bits >> held) & 0xFF);
    }
  }
  if ((bits & ((1U << held) - 1)) != 0) {
    return std::nullopt;
  }
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (kPlain[c]) {
      continue;
    }
    out.append(text, from, i - from);
    append_escape(out, c);
    from = i + 1;
  }
  out.append(text, from);
  out += '"';
}

void append_json_bytes(std::string& out, std::string_view name, std::string_view bytes) {
  out += '"';
  out += name;
  if (valid_utf8(bytes)) {
    out += "\":";
    append_json_string(out, bytes);
  } else {
    out += "_base64\":\"";
    append_base64(out, bytes);
    out += '"';
  }
}

}  // namespace tenaz::server::http
