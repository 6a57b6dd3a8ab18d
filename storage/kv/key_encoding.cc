#include "storage/kv/key_encoding.h"

#include "storage/bytes.h"

namespace tenaz::storage::kv {
namespace {

constexpr char kMarkerFlag = 1;
constexpr char kLeaseFlag = 2;

}  // namespace

void append_escaped(std::string& out, std::string_view user_key) {
  for (std::size_t zero = user_key.find('\0'); zero != std::string_view::npos; zero = user_key.find('\0')) {
    out.append(user_key.substr(0, zero + 1));
    out.push_back('\xFF');
    user_key.remove_prefix(zero + 1);
  }
  out.append(user_key);
}

std::string data_bound(std::string_view user_key) {
  std::string out;
  append_escaped(out, user_key);
  return out;
}

std::string data_prefix(std::string_view user_key) {
  std::string out;
  out.reserve(user_key.size() + kTerminatorBytes + kRevisionBytes);
  append_escaped(out, user_key);
  out.append("\0\x01", 2);
  return out;
}

void append_revision(std::string& prefix, std::uint64_t revision) {
  bytes::put_be(prefix, ~revision, 8);
}

std::string data_key(std::string_view user_key, std::uint64_t revision) {
  std::string out = data_prefix(user_key);
  append_revision(out, revision);
  return out;
}

std::uint64_t data_revision_of(std::string_view key) {
  return ~bytes::get_be(key.data() + key.size() - kRevisionBytes, 8);
}

bool unescape(std::string_view prefix, std::string& user_key) {
  user_key.clear();
  if (prefix.size() < kTerminatorBytes || !prefix.ends_with(std::string_view("\0\x01", 2))) return false;
  prefix.remove_suffix(kTerminatorBytes);
  for (std::size_t zero = prefix.find('\0'); zero != std::string_view::npos; zero = prefix.find('\0')) {
    if (zero + 1 >= prefix.size() || prefix[zero + 1] != '\xFF') return false;
    user_key.append(prefix.substr(0, zero + 1));
    prefix.remove_prefix(zero + 2);
  }
  user_key.append(prefix);
  return true;
}

void append_data_value(std::string& out, const Version& version) {
  out.push_back(static_cast<char>((version.live ? 0 : kMarkerFlag) | (version.lease != 0 ? kLeaseFlag : 0)));
  bytes::put_varint(out, version.create);
  bytes::put_varint(out, version.version);
  bytes::put_varint(out, version.sub);
  bytes::put_varint(out, version.value_bytes);
  if (version.lease != 0) bytes::put_varint(out, version.lease);
}

std::optional<Version> decode_data_value(std::uint64_t mod, std::string_view value) {
  if (value.empty() || (value[0] & ~(kMarkerFlag | kLeaseFlag)) != 0) return {};
  Version version;
  version.mod = mod;
  version.live = (value[0] & kMarkerFlag) == 0;
  const bool leased = (value[0] & kLeaseFlag) != 0;
  value.remove_prefix(1);
  std::uint64_t sub = 0;
  if (!bytes::take_varint(value, version.create) || !bytes::take_varint(value, version.version) ||
      !bytes::take_varint(value, sub) || sub > UINT32_MAX || !bytes::take_varint(value, version.value_bytes) ||
      (leased && !bytes::take_varint(value, version.lease)) || !value.empty()) {
    return {};
  }
  version.sub = static_cast<std::uint32_t>(sub);
  return version;
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
