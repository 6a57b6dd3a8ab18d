#include "storage/watermark.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "storage/bytes.h"
#include "storage/command.h"
#include "storage/rocks.h"

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

std::optional<Synced> Watermark::read(const std::filesystem::path& directory) {
  const int fd = ::open((directory / kFileName).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::array<char, kBytes + 1> buffer;
  const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), 0);
  ::close(fd);
  if (n < 0) return {};
  return decode_synced({buffer.data(), static_cast<std::size_t>(n)});
}

Result<Watermark> Watermark::open(const std::filesystem::path& directory) {
  const auto path = directory / kFileName;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return rocks::system_error("cannot open", path, errno);
  return Watermark(fd, path);
}

Watermark::Watermark(Watermark&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

Watermark& Watermark::operator=(Watermark&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

Watermark::~Watermark() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> Watermark::write(const Synced& synced) {
  const std::string out = encode(synced);
  const ssize_t n = ::pwrite(fd_, out.data(), out.size(), 0);
  if (n < 0) return rocks::system_error("cannot write", path_, errno);
  if (static_cast<std::size_t>(n) != out.size()) return rocks::system_error("cannot write all of", path_, ENOSPC);
  return {};
}

Result<void> Watermark::sync() {
  if (::fdatasync(fd_) != 0) return rocks::system_error("cannot sync", path_, errno);
  return {};
}

}  // namespace tenaz::storage
