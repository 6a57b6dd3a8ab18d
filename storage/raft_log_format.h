// The bytes of the Raft log's RocksDB instance (<data_dir>/raft). Pure functions; any thread. Changing any of this
// needs a new kRaftFormat: tests/unit/storage/raft_log_format_test.cc holds the bytes down.
//
// One column family; the first byte of a key says what it is. Numbers in keys are big-endian, in values little-endian.
//
//   key                                      value
//   00 'i'                                   identity: format u32, cluster id 16, node id u64, storage id 16
//   00 'n'                                   incarnation u64: opens of this directory; then their boots u64, at most
//                                            kBootsKept, the latest first
//   00 'f'                                   why this disk is fenced, in words; absent: it is not
//   00 'r'                                   that this node was removed, in words; absent: it was not
//   00 'o'                                   cluster id (16 bytes) that the configuration of this node has, where it is
//                                            not the one in 'i': the cluster came from a backup; absent: it is
//   00 's'                                   count of synced batches u64; part of every batch (see watermark.h)
//   00 'p' node u64                          a peer's pin: incarnation u64, boot u64, storage id (16 bytes)
//   01 group u32 'b'                         bounds: first u64, term before first u64, last u64, last term u64
//   01 group u32 'h'                         hard state: term u64, vote u64; then, only if not 0, promise in ns u64
//   01 group u32 'c'                         configuration at first - 1: index u64, raft::encode(Configuration)
//   01 group u32 'd'                         name of the state directory in force
//   02 group u32 index u64                   an entry: version 1, term u64, kind u8, CRC-32C u32, payload
//
// The CRC covers index u64, term u64, kind u8 and the payload, so that an entry's bytes found under another index, or
// under another term, are damage and not an entry.
//
// Example: the leader of term 2 writes entry 5, kind commands, payload "abc", to the group 1:
//   key   02  00 00 00 01  00 00 00 00 00 00 00 05
//   value 01  02 00 00 00 00 00 00 00  01  <crc32c(05 00.. 02 00.. 01 "abc")>  61 62 63
// and the same batch sets  01 00 00 00 01 'b' -> first 1, before 0, last 5, term 2  and  00 's' -> count + 1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "raft/types.h"
#include "storage/raft_log.h"

namespace tenaz::storage::format {

inline constexpr std::uint32_t kRaftFormat = 1;

struct IdentityRecord {
  std::uint32_t format = kRaftFormat;
  std::string cluster_id;
  raft::NodeId node_id;
  std::string storage_id;
};

// Which entries the log holds. Invariant: first <= last + 1; with first == last + 1 the log is empty and
// last_term == before_term.
struct Bounds {
  raft::Index first{1};
  raft::Term before_term;
  raft::Index last;
  raft::Term last_term;

  bool operator==(const Bounds&) const = default;
};

// How often this directory was opened, and a random number of each of the last times, the latest first.
struct Starts {
  std::uint64_t incarnation = 0;
  std::vector<std::uint64_t> boots;
};

inline constexpr std::string_view kIdentityKey{"\0i", 2};
inline constexpr std::string_view kIncarnationKey{"\0n", 2};
inline constexpr std::string_view kCountKey{"\0s", 2};
inline constexpr std::string_view kFencedKey{"\0f", 2};      // why this disk is fenced, in words
inline constexpr std::string_view kRemovedKey{"\0r", 2};     // who said that this node was removed, in words
inline constexpr std::string_view kConfiguredKey{"\0o", 2};  // what the configuration has for a cluster id
inline constexpr std::string_view kPinPrefix{"\0p", 2};

std::string pin_key(raft::NodeId node);
enum class GroupField : char { bounds = 'b', hard_state = 'h', configuration = 'c', state_directory = 'd' };
std::string group_key(raft::GroupId group, GroupField field);
std::string entry_key(raft::GroupId group, raft::Index index);
// Nothing if the key is not one of an entry of this group.
std::optional<raft::Index> entry_index(raft::GroupId group, std::string_view key);

std::string encode(const IdentityRecord& record);
std::string encode(const Bounds& bounds);
std::string encode(const raft::HardState& state);
std::string encode(const PeerPin& pin);
std::string encode(const Starts& starts);
std::string encode_number(std::uint64_t number);
std::string encode_configuration(raft::Index index, const raft::Configuration& configuration);

// Each gives nothing if the bytes are not well-formed. The identity of a newer format is read for its format alone.
std::optional<IdentityRecord> decode_identity(std::string_view bytes);
std::optional<Bounds> decode_bounds(std::string_view bytes);
std::optional<raft::HardState> decode_hard_state(std::string_view bytes);
std::optional<PeerPin> decode_pin(std::string_view key, std::string_view value);
std::optional<Starts> decode_starts(std::string_view bytes);
std::optional<std::uint64_t> decode_number(std::string_view bytes);

struct PlacedConfiguration {
  raft::Index index;
  raft::Configuration configuration;
};
std::optional<PlacedConfiguration> decode_configuration(std::string_view bytes);

// An entry's value is its header followed by its payload, so that the payload is not copied to be written.
inline constexpr std::size_t kEntryHeaderBytes = 14;
std::string entry_header(const raft::Entry& entry);
// Nothing if the value is not the entry `index`: wrong version, kind or checksum.
std::optional<raft::Entry> decode_entry(raft::Index index, std::string_view value);
// Its term alone, checked in the same way.
std::optional<raft::Term> check_entry(raft::Index index, std::string_view value);

}  // namespace tenaz::storage::format
