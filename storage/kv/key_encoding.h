// The bytes of the state's RocksDB instance (<data_dir>/state-...). Pure functions; any thread. Changing any of this
// needs a new kStateFormat: tests/unit/storage/key_encoding_test.cc holds the bytes down.
//
// Four column families; numbers in keys are big-endian, fixed numbers in values little-endian, `v` is a varint
// (LEB128).
//
//   latest    the newest version of each key, or the marker that it was deleted; no value
//     key     user key
//     value   flags u8 (1: deleted, 2: has a lease), mod revision v, create revision v, version v, sub v,
//             value size v, [lease v]
//   history   the versions that were overwritten or deleted; no value
//     key     escaped user key, 00 01, ~mod revision u64: newest first
//     value   the same as in `latest` without mod, then the revision that ended this version v: it was in force in
//             [mod, end)
//   changes   one entry per change, in the order in which they happened, with the value
//     key     revision u64, sub u32 (position among the changes of that revision)
//     value   flags u8 (1: deleted), Raft index v, key length v, user key, value (to the end)
//   default   what stands for the whole
//     "applied"        index u64, term u64, revision u64
//     "compact"        compact revision u64
//     "clock"          the history clock (history_clock.h): where it stands u64, the wall time that it saw last u64
//     "mark" R         R big-endian u64: where that clock stood u64 when revision R was in force
//     "configuration"  index u64, raft::encode(Configuration): the latest that was applied
//     "format"         u32
//     "reclaimed"      u64: the space of all that lies below this revision has been reclaimed from the files here; this
//                      alone differs between replicas
//
// Escaping: a byte 00 of a user key becomes 00 FF; 00 01 ends the key. So no key is a prefix of another one, byte order
// is key order, and all versions of a key lie together.
//
// Why so. A value stands in `changes` alone: those keys only ever rise, so their files never overlap, and a value is
// written once and moved from level to level by name. Lists walk over `latest`, which is as small as there are keys,
// and never step over old versions. A version moves to `history` when its end is known, so that it can be dropped by
// what it says itself.
//
// Example. Three puts and a delete, as the Raft entries 5 to 8:
//   put a = "x"     revision 1   (version 1, create 1)
//   put a = "yy"    revision 2   (version 2, create 1)
//   put b = "z"     revision 3   (version 1, create 3)
//   delete a        revision 4
// latest afterwards:
//   61     01  04 00 00 00 00      a: deleted at 4
//   62     00  03 03 01 00 01      b: mod 3, create 3, version 1, sub 0, 1 byte
// history, in its order (~2 is FF FF FF FF FF FF FF FD):
//   61 00 01  FF FF FF FF FF FF FF FD    00  01 02 00 02  04         a at 2, until 4
//   61 00 01  FF FF FF FF FF FF FF FE    00  01 01 00 01  02         a at 1, until 2
// changes:
//   00 00 00 00 00 00 00 01  00 00 00 00    00  05  01 61  78
//   00 00 00 00 00 00 00 02  00 00 00 00    00  06  01 61  79 79
//   00 00 00 00 00 00 00 03  00 00 00 00    00  07  01 62  7A
//   00 00 00 00 00 00 00 04  00 00 00 00    01  08  01 61
// To read a at revision 3: `latest` says 4, too new; seek 61 00 01 ~3 in `history`; the first one at or after it is ~2,
// in force until 4: sub 0; read changes (2, 0): "yy". At revision 4 and later a is absent.
// After compaction at 2, revision 1 of a can go: it ended by then. After compaction at 4, all of a, its marker
// included.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "raft/types.h"
#include "storage/kv/store.h"

namespace tenaz::storage::kv {

inline constexpr std::uint32_t kStateFormat = 1;

// One version of a key, without its value.
struct Version {
  std::uint64_t mod = 0;  // its revision; 0: there is no version
  std::uint64_t create = 0;
  std::uint64_t version = 0;
  std::uint64_t lease = 0;
  std::uint32_t value_bytes = 0;
  std::uint32_t sub = 0;
  bool live = false;  // false: a delete marker, or no version at all

  bool operator==(const Version&) const = default;
};

// latest
void append_version(std::string& out, const Version& version);
// Nothing if the bytes are not well-formed.
std::optional<Version> decode_version(std::string_view value);

// history
inline constexpr std::size_t kRevisionBytes = 8;
inline constexpr std::size_t kTerminatorBytes = 2;

// The first version at or before `revision` is at or after this key.
void append_history_key(std::string& out, std::string_view user_key, std::uint64_t revision);
std::string history_key(std::string_view user_key, std::uint64_t revision);
inline bool is_history_key(std::string_view key) {
  return key.size() >= kRevisionBytes + kTerminatorBytes;
}
// What all versions of a key begin with. Requires is_history_key.
inline std::string_view history_prefix_of(std::string_view key) {
  return key.substr(0, key.size() - kRevisionBytes);
}

struct Past {
  Version version;
  std::uint64_t end = 0;  // the revision that overwrote or deleted it
};
void append_past(std::string& out, const Past& past);
// `mod` is in the key. Nothing if the bytes are not well-formed.
std::optional<Past> decode_past(std::string_view key, std::string_view value);

// changes
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

// default
inline constexpr std::string_view kAppliedKey = "applied";
inline constexpr std::string_view kCompactKey = "compact";
inline constexpr std::string_view kClockKey = "clock";
inline constexpr std::string_view kMarkPrefix = "mark";
inline constexpr std::string_view kConfigurationKey = "configuration";
inline constexpr std::string_view kReclaimedKey = "reclaimed";
inline constexpr std::string_view kFormatKey = "format";

std::string mark_key(std::uint64_t revision);
// Nothing: not the key of a mark.
std::optional<std::uint64_t> mark_revision_of(std::string_view key);
std::string encode_number(std::uint64_t number);

struct Applied {
  raft::Index index;
  raft::Term term;
  std::uint64_t revision = 0;
};
std::string encode_applied(const Applied& applied);
std::optional<Applied> decode_applied(std::string_view bytes);

}  // namespace tenaz::storage::kv
