// The bytes of a backup file: what GET /v1/backup streams, `tenazctl backup` keeps and `tenazd --restore` reads. Pure
// functions; any thread. Changing any of this needs a new kFormat: tests/unit/backup holds the bytes down.
//
// Numbers are little-endian; a text is its length u32 and its bytes.
//
//   "tenazbak"                     8 bytes
//   format u32                     1
//   records, one after the other:
//     kind u8, length u32 (of the payload, at most kMaxPayload), payload, sum (8 bytes)
//
// A record's sum is the first 8 bytes of the SHA-256 of ALL bytes of the file before the sum, from the very first on.
// So a byte that was changed, lost, added or moved anywhere makes the next sum wrong, and each piece can be trusted as
// soon as its record is complete. The records, in this order:
//
//   'H'   the header, once:
//           cluster id 16 bytes, node id u64 (whose state this is), applied index u64, applied term u64, term u64 (of
//           the node), revision u64, compact revision u64, made u64 (milliseconds since 1970, for display),
//           files u32, bytes of all files u64, cluster name text, version of tenaz text,
//           configuration index u64, configuration text (raft::encode; removed ids are in it)
//   'F'   a file begins: its size u64, its name (to the end of the payload)
//   'D'   the next bytes of that file, at least 1 and at most kMaxData; as many records as it takes
//   'E'   the end, once: the length of the whole backup u64, SHA-256 of all bytes before this record (32 bytes)
//
// Nothing follows 'E'. The files are those of a RocksDB checkpoint of the state (storage/kv/key_encoding.h).
//
// Example: the end record of a backup of 4,096 bytes, which begins at byte 4,043:
//   45  28 00 00 00  00 10 00 00 00 00 00 00  <32 bytes: SHA-256 of bytes 0 to 4,042>  <8 bytes: sum>
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tenaz::backup {

inline constexpr std::string_view kMagic = "tenazbak";
inline constexpr std::uint32_t kFormat = 1;
inline constexpr std::size_t kPreambleBytes = 12;  // magic and format
inline constexpr std::size_t kRecordHeadBytes = 5;
inline constexpr std::size_t kSumBytes = 8;
inline constexpr std::size_t kHashBytes = 32;
inline constexpr std::size_t kEndPayloadBytes = 8 + kHashBytes;
inline constexpr std::size_t kMaxData = 1 << 20;
inline constexpr std::size_t kMaxPayload = kMaxData;

enum class Kind : char { header = 'H', file = 'F', data = 'D', end = 'E' };

// What a backup says of itself.
struct Header {
  std::string cluster_id;  // 16 raw bytes
  std::uint64_t node_id = 0;
  std::uint64_t applied_index = 0;
  std::uint64_t applied_term = 0;
  std::uint64_t term = 0;  // >= applied_term
  std::uint64_t revision = 0;
  std::uint64_t compact_revision = 0;
  std::uint64_t made_ms = 0;
  std::uint32_t files = 0;
  std::uint64_t file_bytes = 0;
  std::string cluster_name;
  std::string version;
  std::uint64_t configuration_index = 0;
  std::string configuration;  // opaque here

  bool operator==(const Header&) const = default;
};

std::string encode(const Header& header);
// Nothing if the bytes are not well-formed.
std::optional<Header> decode_header(std::string_view payload);

std::string record_head(Kind kind, std::size_t payload_bytes);
// How many bytes a record of that payload takes.
constexpr std::uint64_t record_bytes(std::uint64_t payload_bytes) {
  return kRecordHeadBytes + payload_bytes + kSumBytes;
}

// A name that can be a file's: no path, not "." or "..", 1 to 255 bytes.
bool safe_name(std::string_view name);

std::string to_hex(std::string_view bytes);

}  // namespace tenaz::backup
