#include "server/http/cursor.h"

#include "server/http/json_text.h"
#include "storage/command.h"

namespace tenaz::server::http {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kHeadBytes = 13;
constexpr std::size_t kTailBytes = 4;

void put_little_endian(std::string& out, std::uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    out += static_cast<char>((number >> (8 * i)) & 0xFF);
  }
}

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    number |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return number;
}

std::uint32_t range_checksum(std::string_view start, std::string_view end) {
  std::string both;
  put_little_endian(both, start.size(), 4);
  both += start;
  both += end;
  return storage::crc32c(both);
}

}  // namespace

std::string encode_cursor(const Cursor& cursor, std::string_view start, std::string_view end) {
  std::string bytes(1, kVersion);
  put_little_endian(bytes, cursor.revision.value, 8);
  put_little_endian(bytes, range_checksum(start, end), 4);
  bytes += cursor.after;
  put_little_endian(bytes, storage::crc32c(bytes), 4);
  return base64url(bytes);
}

std::optional<Cursor> decode_cursor(std::string_view text, std::string_view start, std::string_view end) {
  const auto bytes = from_base64url(text);
  if (!bytes || bytes->size() <= kHeadBytes + kTailBytes || bytes->front() != kVersion) {
    return std::nullopt;
  }
  const std::string_view all = *bytes;
  const std::string_view body = all.substr(0, all.size() - kTailBytes);
  if (little_endian(all.substr(body.size())) != storage::crc32c(body) ||
      little_endian(all.substr(9, 4)) != range_checksum(start, end)) {
    return std::nullopt;
  }
  return Cursor{storage::Revision{little_endian(all.substr(1, 8))}, std::string(body.substr(kHeadBytes))};
}

}  // namespace tenaz::server::http
