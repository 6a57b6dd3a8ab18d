#include "storage/raft_log_format.h"

#include "raft/membership.h"
#include "storage/bytes.h"
#include "storage/command.h"

namespace tenaz::storage::format {
namespace {

constexpr char kEntryVersion = 1;
constexpr std::size_t kIdBytes = 16;
constexpr std::size_t kEntryKeyBytes = 13;

std::uint64_t u64(std::string_view bytes, std::size_t at) {
  return bytes::get_le(bytes.data() + at, 8);
}

std::uint32_t entry_checksum(raft::Index index, raft::Term term, char kind, std::string_view payload) {
  std::string covered;
  bytes::put_le(covered, index.value, 8);
  bytes::put_le(covered, term.value, 8);
  covered.push_back(kind);
  return crc32c(payload, crc32c(covered));
}

}  // namespace

std::string pin_key(raft::NodeId node) {
  std::string key(kPinPrefix);
  bytes::put_be(key, node.value, 8);
  return key;
}

std::string group_key(raft::GroupId group, GroupField field) {
  std::string key(1, '\x01');
  bytes::put_be(key, group.value, 4);
  key.push_back(static_cast<char>(field));
  return key;
}

std::string entry_key(raft::GroupId group, raft::Index index) {
  std::string key(1, '\x02');
  bytes::put_be(key, group.value, 4);
  bytes::put_be(key, index.value, 8);
  return key;
}

std::optional<raft::Index> entry_index(raft::GroupId group, std::string_view key) {
  if (key.size() != kEntryKeyBytes || key[0] != '\x02' || bytes::get_be(key.data() + 1, 4) != group.value) return {};
  return raft::Index(bytes::get_be(key.data() + 5, 8));
}

std::string encode(const IdentityRecord& record) {
  std::string out;
  bytes::put_le(out, record.format, 4);
  out += record.cluster_id;
  bytes::put_le(out, record.node_id.value, 8);
  out += record.storage_id;
  return out;
}

std::string encode(const Bounds& bounds) {
  std::string out;
  bytes::put_le(out, bounds.first.value, 8);
  bytes::put_le(out, bounds.before_term.value, 8);
  bytes::put_le(out, bounds.last.value, 8);
  bytes::put_le(out, bounds.last_term.value, 8);
  return out;
}

std::string encode(const raft::HardState& state) {
  std::string out;
  bytes::put_le(out, state.term.value, 8);
  bytes::put_le(out, state.vote.value, 8);
  if (state.promise > raft::Duration::zero()) bytes::put_le(out, static_cast<std::uint64_t>(state.promise.count()), 8);
  return out;
}

std::string encode(const PeerPin& pin) {
  std::string out;
  bytes::put_le(out, pin.incarnation, 8);
  bytes::put_le(out, pin.boot, 8);
  out += pin.storage_id;
  return out;
}

std::string encode(const Starts& starts) {
  std::string out = encode_number(starts.incarnation);
  for (const std::uint64_t boot : starts.boots) bytes::put_le(out, boot, 8);
  return out;
}

std::string encode_number(std::uint64_t number) {
  std::string out;
  bytes::put_le(out, number, 8);
  return out;
}

std::string encode_configuration(raft::Index index, const raft::Configuration& configuration) {
  return encode_number(index.value) + raft::encode(configuration);
}

std::optional<IdentityRecord> decode_identity(std::string_view bytes) {
  if (bytes.size() < 4) return {};
  IdentityRecord record;
  record.format = static_cast<std::uint32_t>(bytes::get_le(bytes.data(), 4));
  if (record.format > kRaftFormat) return record;
  if (bytes.size() != 4 + kIdBytes + 8 + kIdBytes) return {};
  record.cluster_id = bytes.substr(4, kIdBytes);
  record.node_id = raft::NodeId(u64(bytes, 4 + kIdBytes));
  record.storage_id = bytes.substr(4 + kIdBytes + 8);
  return record;
}

std::optional<Bounds> decode_bounds(std::string_view bytes) {
  if (bytes.size() != 32) return {};
  Bounds bounds{raft::Index(u64(bytes, 0)), raft::Term(u64(bytes, 8)), raft::Index(u64(bytes, 16)),
                raft::Term(u64(bytes, 24))};
  if (!bounds.first || bounds.first > bounds.last.next()) return {};
  return bounds;
}

std::optional<raft::HardState> decode_hard_state(std::string_view bytes) {
  if (bytes.size() != 16 && bytes.size() != 24) return {};
  raft::HardState state{raft::Term(u64(bytes, 0)), raft::NodeId(u64(bytes, 8))};
  if (bytes.size() == 16) return state;
  state.promise = raft::Duration(static_cast<std::int64_t>(u64(bytes, 16)));
  if (state.promise <= raft::Duration::zero()) return {};
  return state;
}

std::optional<PeerPin> decode_pin(std::string_view key, std::string_view value) {
  if (key.size() != kPinPrefix.size() + 8 || value.size() != 16 + kIdBytes) return {};
  return PeerPin{raft::NodeId(bytes::get_be(key.data() + kPinPrefix.size(), 8)), std::string(value.substr(16)),
                 u64(value, 0), u64(value, 8)};
}

std::optional<Starts> decode_starts(std::string_view bytes) {
  if (bytes.size() < 8 || bytes.size() % 8 != 0) return {};
  Starts starts{u64(bytes, 0), {}};
  for (std::size_t at = 8; at < bytes.size(); at += 8) starts.boots.push_back(u64(bytes, at));
  return starts;
}

std::optional<std::uint64_t> decode_number(std::string_view bytes) {
  if (bytes.size() != 8) return {};
  return u64(bytes, 0);
}

std::optional<PlacedConfiguration> decode_configuration(std::string_view bytes) {
  if (bytes.size() < 8) return {};
  auto configuration = raft::decode_configuration(bytes.substr(8));
  if (!configuration) return {};
  return PlacedConfiguration{raft::Index(u64(bytes, 0)), std::move(*configuration)};
}

std::string entry_header(const raft::Entry& entry) {
  std::string header(1, kEntryVersion);
  const char kind = static_cast<char>(entry.kind);
  bytes::put_le(header, entry.term.value, 8);
  header.push_back(kind);
  bytes::put_le(header, entry_checksum(entry.index, entry.term, kind, *entry.payload), 4);
  return header;
}

std::optional<raft::Term> check_entry(raft::Index index, std::string_view value) {
  if (value.size() < kEntryHeaderBytes || value[0] != kEntryVersion) return {};
  const raft::Term term(u64(value, 1));
  const char kind = value[9];
  if (static_cast<unsigned char>(kind) > static_cast<unsigned char>(raft::EntryKind::configuration)) return {};
  const auto stored = static_cast<std::uint32_t>(bytes::get_le(value.data() + 10, 4));
  if (entry_checksum(index, term, kind, value.substr(kEntryHeaderBytes)) != stored) return {};
  return term;
}

std::optional<raft::Entry> decode_entry(raft::Index index, std::string_view value) {
  const auto term = check_entry(index, value);
  if (!term) return {};
  return raft::Entry{*term, index, static_cast<raft::EntryKind>(value[9]),
                     raft::make_payload(std::string(value.substr(kEntryHeaderBytes)))};
}

}  // namespace tenaz::storage::format
