#include "storage/watermark.h"

#include <utility>

#include "storage/bytes.h"
#include "storage/command.h"

namespace tenaz::storage {
namespace {

constexpr std::string_view kMagic{"tnzsync\x01", 8};
constexpr std::size_t kBytes = 8 + 16 + 4 * 8 + 4;

}  // namespace

std::string encode(const Synced& synced) {
  std::string out(kMagic);
  out += synced.storage_id;
  bytes::put_le(out, synced.count, 8);
  bytes::put_le(out, synced.last_index.value, 8);
  bytes::put_le(out, synced.last_term.value, 8);
  bytes::put_le(out, synced.term.value, 8);
  bytes::put_le(out, crc32c(out), 4);
  return out;
}

std::optional<Synced> decode_synced(std::string_view in) {
  if (in.size() != kBytes || in.substr(0, kMagic.size()) != kMagic) return {};
  const auto stored = static_cast<std::uint32_t>(bytes::get_le(in.data() + kBytes - 4, 4));
  if (crc32c(in.substr(0, kBytes - 4)) != stored) return {};
  auto number = [&](std::size_t i) { return bytes::get_le(in.data() + 24 + 8 * i, 8); };
  return Synced{std::string(in.substr(8, 16)), number(0), raft::Index(number(1)), raft::Term(number(2)),
                raft::Term(number(3))};
}

std::optional<Synced> Watermark::read(const std::filesystem::path& directory, Platform& platform) {
  const auto bytes = platform.read(directory / kFileName, 0, kBytes + 1);
  return bytes ? decode_synced(*bytes) : std::nullopt;
}

Result<Watermark> Watermark::open(const std::filesystem::path& directory, Platform& platform) {
  auto file = platform.open(directory / kFileName, false);
  if (!file) return file.error();
  return Watermark(std::move(*file));
}

}  // namespace tenaz::storage
