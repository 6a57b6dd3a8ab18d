#include "storage/kv/key_encoding.h"

#include "storage/bytes.h"

namespace tenaz::storage::kv {
namespace {

constexpr char kMarkerFlag = 1;
constexpr char kLeaseFlag = 2;

}  // namespace

void append_history_key(std::string& out, std::string_view user_key, std::uint64_t revision) {
  for (std::size_t zero = user_key.find('\0'); zero != std::string_view::npos; zero = user_key.find('\0')) {
    out.append(user_key.substr(0, zero + 1));
    out.push_back('\xFF');
    user_key.remove_prefix(zero + 1);
  }
  out.append(user_key);
  out.append("\0\x01", kTerminatorBytes);
  bytes::put_be(out, ~revision, kRevisionBytes);
}

std::string history_key(std::string_view user_key, std::uint64_t revision) {
  std::string out;
  out.reserve(user_key.size() + kTerminatorBytes + kRevisionBytes);
  append_history_key(out, user_key, revision);
  return out;
}

namespace {

char flags_of(const Version& version) {
  return static_cast<char>((version.live ? 0 : kMarkerFlag) | (version.lease != 0 ? kLeaseFlag : 0));
}

void append_fields(std::string& out, const Version& version) {
  bytes::put_varint(out, version.create);
  bytes::put_varint(out, version.version);
  bytes::put_varint(out, version.sub);
  bytes::put_varint(out, version.value_bytes);
  if (version.lease != 0) bytes::put_varint(out, version.lease);
}

bool take_flags(std::string_view& in, Version& version, bool& leased) {
  if (in.empty() || (in[0] & ~(kMarkerFlag | kLeaseFlag)) != 0) return false;
  version.live = (in[0] & kMarkerFlag) == 0;
  leased = (in[0] & kLeaseFlag) != 0;
  in.remove_prefix(1);
  return true;
}

bool take_fields(std::string_view& in, Version& version, bool leased) {
  std::uint64_t sub = 0, value_bytes = 0;
  if (!bytes::take_varint(in, version.create) || !bytes::take_varint(in, version.version) ||
      !bytes::take_varint(in, sub) || !bytes::take_varint(in, value_bytes) || sub > UINT32_MAX ||
      value_bytes > UINT32_MAX || (leased && !bytes::take_varint(in, version.lease))) {
    return false;
  }
  version.sub = static_cast<std::uint32_t>(sub);
  version.value_bytes = static_cast<std::uint32_t>(value_bytes);
  return true;
}

}  // namespace

void append_version(std::string& out, const Version& version) {
  out.push_back(flags_of(version));
  bytes::put_varint(out, version.mod);
  append_fields(out, version);
}

std::optional<Version> decode_version(std::string_view value) {
  Version version;
  bool leased = false;
  if (!take_flags(value, version, leased) || !bytes::take_varint(value, version.mod) ||
      !take_fields(value, version, leased) || !value.empty()) {
    return {};
  }
  return version;
}

void append_past(std::string& out, const Past& past) {
  out.push_back(flags_of(past.version));
  append_fields(out, past.version);
  bytes::put_varint(out, past.end);
}

std::optional<Past> decode_past(std::string_view key, std::string_view value) {
  Past past;
  bool leased = false;
  if (!is_history_key(key) || !take_flags(value, past.version, leased) || !take_fields(value, past.version, leased) ||
      !bytes::take_varint(value, past.end) || !value.empty()) {
    return {};
  }
  past.version.mod = ~bytes::get_be(key.data() + key.size() - kRevisionBytes, kRevisionBytes);
  return past;
}

std::string change_key(std::uint64_t revision, std::uint32_t sub) {
  std::string key;
  bytes::put_be(key, revision, 8);
  bytes::put_be(key, sub, 4);
  return key;
}

std::uint64_t change_revision_of(std::string_view key) {
  return bytes::get_be(key.data(), 8);
}

std::string change_header(bool marker, raft::Index index, std::string_view user_key) {
  std::string out;
  out.reserve(user_key.size() + 16);
  out.push_back(marker ? kMarkerFlag : '\0');
  bytes::put_varint(out, index.value);
  bytes::put_varint(out, user_key.size());
  out.append(user_key);
  return out;
}

std::optional<Change> decode_change(std::string_view value) {
  if (value.empty() || (value[0] & ~kMarkerFlag) != 0) return {};
  Change change;
  change.marker = value[0] != 0;
  value.remove_prefix(1);
  std::uint64_t index = 0, key_bytes = 0;
  if (!bytes::take_varint(value, index) || !bytes::take_varint(value, key_bytes) || key_bytes > value.size()) return {};
  change.index = raft::Index(index);
  change.key = value.substr(0, key_bytes);
  change.value = value.substr(key_bytes);
  return change;
}

std::string mark_key(std::uint64_t revision) {
  std::string key(kMarkPrefix);
  bytes::put_be(key, revision, 8);
  return key;
}

std::optional<std::uint64_t> mark_revision_of(std::string_view key) {
  if (key.size() != kMarkPrefix.size() + 8 || !key.starts_with(kMarkPrefix)) return {};
  return bytes::get_be(key.data() + kMarkPrefix.size(), 8);
}

std::string encode_number(std::uint64_t number) {
  std::string out;
  bytes::put_le(out, number, 8);
  return out;
}

std::string encode_applied(const Applied& applied) {
  std::string out;
  bytes::put_le(out, applied.index.value, 8);
  bytes::put_le(out, applied.term.value, 8);
  bytes::put_le(out, applied.revision, 8);
  return out;
}

std::optional<Applied> decode_applied(std::string_view in) {
  if (in.size() != 24) return {};
  return Applied{raft::Index(bytes::get_le(in.data(), 8)), raft::Term(bytes::get_le(in.data() + 8, 8)),
                 bytes::get_le(in.data() + 16, 8)};
}

}  // namespace tenaz::storage::kv
