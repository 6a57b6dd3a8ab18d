// The bytes of the state's RocksDB instance (<data_dir>/state-...). Pure functions; any thread. Changing any of this
// needs a new kStateFormat: tests/unit/storage/key_encoding_test.cc holds the bytes down.
//
// Three column families; numbers in keys are big-endian, fixed numbers in values little-endian, `v` is a varint
// (LEB128).
//
//   data      one entry per version of a key, newest first, without the value:
//     key     escaped user key, 00 01, ~revision u64
//     value   flags u8 (1: delete marker, 2: has a lease), create revision v, version v, sub v, value size v, [lease v]
//   changes   one entry per change, in the order in which they happened, with the value:
//     key     revision u64, sub u32 (position among the changes of that revision)
//     value   flags u8 (1: delete marker), Raft index v, key length v, user key, value (to the end)
//   default   what stands for the whole:
//     "applied"        index u64, term u64, revision u64
//     "compact"        compact revision u64
//     "configuration"  index u64, raft::encode(Configuration): the latest that was applied
//     "format"         u32
//
// Escaping: a byte 00 of a user key becomes 00 FF; 00 01 ends the key. So no key is a prefix of another one, byte order
// is key order, and all versions of a key lie together.
//
// The value stands in `changes` because those keys only ever rise: their files never overlap, so a value is written
// once and moved from level to level by name alone, where values among the versions in `data` would be rewritten at
// every level. See docs/benchmarks.md for the measurement. What a list must merge and skip is then small: about 30
// bytes per version.
//
// Example. Three puts and a delete, as the Raft entries 5 to 8:
//   put a = "x"     revision 1   (version 1, create 1)
//   put a = "yy"    revision 2   (version 2, create 1)
//   put b = "z"     revision 3   (version 1, create 3)
//   delete a        revision 4
// data, in its order (~4 is FF FF FF FF FF FF FF FB):
//   61 00 01  FF FF FF FF FF FF FF FB    01  00 00 00 00       a deleted at 4
//   61 00 01  FF FF FF FF FF FF FF FD    00  01 02 00 02       a at 2: create 1, version 2, sub 0, 2 bytes
//   61 00 01  FF FF FF FF FF FF FF FE    00  01 01 00 01       a at 1
//   62 00 01  FF FF FF FF FF FF FF FC    00  03 01 00 01       b at 3
// changes:
//   00 00 00 00 00 00 00 01  00 00 00 00    00  05  01 61  78
//   00 00 00 00 00 00 00 02  00 00 00 00    00  06  01 61  79 79
//   00 00 00 00 00 00 00 03  00 00 00 00    00  07  01 62  7A
//   00 00 00 00 00 00 00 04  00 00 00 00    01  08  01 61
// To read a at revision 3: seek 61 00 01 ~3; the first entry at or after it is ~2: sub 0; read changes (2, 0): "yy".
// After compaction at 3, revision 1 of a can go: revision 2 is what a reader at 3 sees. After compaction at 4, all of a
// can.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "raft/types.h"
#include "storage/kv/store.h"

namespace tenaz::storage::kv {

inline constexpr std::uint32_t kStateFormat = 1;

// What `data` knows of one version of a key.
struct Version {
  std::uint64_t mod = 0;  // its revision; 0: there is no version
  std::uint64_t create = 0;
  std::uint64_t version = 0;
  std::uint64_t value_bytes = 0;
  std::uint64_t lease = 0;
  std::uint32_t sub = 0;
  bool live = false;  // false: a delete marker, or no version at all

  bool operator==(const Version&) const = default;
};

// --- data
// ---------------------------------------------------------------------------------------------------------------
inline constexpr std::size_t kRevisionBytes = 8;
inline constexpr std::size_t kTerminatorBytes = 2;

void append_escaped(std::string& out, std::string_view user_key);
// Where the keys >= user_key begin: the escaped key alone.
std::string data_bound(std::string_view user_key);
// What all versions of a key begin with: the escaped key and its terminator.
std::string data_prefix(std::string_view user_key);
// The first version at or before `revision` is at or after this key.
std::string data_key(std::string_view user_key, std::uint64_t revision);
void append_revision(std::string& prefix, std::uint64_t revision);

// The parts of a `data` key. Requires is_data_key.
inline bool is_data_key(std::string_view key) {
  return key.size() >= kRevisionBytes + kTerminatorBytes;
}
inline std::string_view data_prefix_of(std::string_view key) {
  return key.substr(0, key.size() - kRevisionBytes);
}
std::uint64_t data_revision_of(std::string_view key);
// The user key behind a prefix; false if it is not well-formed.
bool unescape(std::string_view prefix, std::string& user_key);

void append_data_value(std::string& out, const Version& version);
// `mod` is taken from the key. Nothing if the bytes are not well-formed.
std::optional<Version> decode_data_value(std::uint64_t mod, std::string_view value);

// --- changes
// ------------------------------------------------------------------------------------------------------------
inline constexpr std::size_t kChangeKeyBytes = 12;

struct Change {
  bool marker = false;
  raft::Index index;
  std::string_view key;
  std::string_view value;
};

std::string change_key(std::uint64_t revision, std::uint32_t sub);
std::uint64_t change_revision_of(std::string_view key);
// All but the value.
std::string change_header(bool marker, raft::Index index, std::string_view user_key);
// Views into `value`. Nothing if the bytes are not well-formed.
std::optional<Change> decode_change(std::string_view value);

// --- default
// ------------------------------------------------------------------------------------------------------------
inline constexpr std::string_view kAppliedKey = "applied";
inline constexpr std::string_view kCompactKey = "compact";
inline constexpr std::string_view kConfigurationKey = "configuration";
inline constexpr std::string_view kFormatKey = "format";

struct Applied {
  raft::Index index;
  raft::Term term;
  std::uint64_t revision = 0;
};
std::string encode_applied(const Applied& applied);
std::optional<Applied> decode_applied(std::string_view bytes);

}  // namespace tenaz::storage::kv
