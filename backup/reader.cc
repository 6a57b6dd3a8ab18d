#include "backup/reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <set>

#include "backup/hash.h"

namespace tenaz::backup {
namespace {

std::uint64_t number(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) value = (value << 8) | static_cast<unsigned char>(bytes[i - 1]);
  return value;
}

// One run over a source. Every step returns false once fault_ is set.
class Run {
 public:
  Run(const Source& source, Visitor& visitor) : source_(source), visitor_(visitor) {}

  std::variant<Summary, Fault> all() {
    if (!preamble()) return *fault_;
    while (!ended_)
      if (!record()) return *fault_;
    char extra = 0;
    const std::int64_t more = source_(&extra, 1);
    if (more < 0) return Fault{Fault::Kind::io, "it cannot be read"};
    if (more > 0) return Fault{Fault::Kind::damaged, "something follows its end"};
    return Summary{std::move(*header_), bytes_, to_hex(hash_.value())};
  }

 private:
  bool fail(std::string message, Fault::Kind kind = Fault::Kind::damaged) {
    fault_ = Fault{kind, std::move(message)};
    return false;
  }

  // `size` bytes behind what `into` holds.
  bool take(std::string& into, std::size_t size) {
    const std::size_t before = into.size();
    into.resize(before + size);
    const std::int64_t got = source_(into.data() + before, size);
    if (got < 0) return fail("it cannot be read", Fault::Kind::io);
    bytes_ += static_cast<std::uint64_t>(got);
    if (static_cast<std::uint64_t>(got) < size)
      return fail("it ends after " + std::to_string(bytes_) + " bytes, in the middle: it is truncated");
    return true;
  }

  bool preamble() {
    std::string start;
    if (!take(start, kPreambleBytes)) return false;
    if (!start.starts_with(kMagic)) return fail("it is no backup of tenaz");
    const std::uint64_t format = number(std::string_view(start).substr(kMagic.size()));
    if (format > kFormat)
      return fail("it has format " + std::to_string(format) + ", this version of tenaz knows up to " +
                      std::to_string(kFormat) + ": use the newer version",
                  Fault::Kind::newer_format);
    if (format != kFormat) return fail("its format is unknown");
    hash_.update(start);
    return true;
  }

  bool record() {
    record_.clear();
    const std::uint64_t at = bytes_;
    if (!take(record_, kRecordHeadBytes)) return false;
    const std::uint64_t size = number(std::string_view(record_).substr(1));
    if (size > kMaxPayload) return damaged(at);
    if (!take(record_, static_cast<std::size_t>(size) + kSumBytes)) return false;
    const std::string_view whole = record_;
    const std::string_view payload = whole.substr(kRecordHeadBytes, static_cast<std::size_t>(size));
    const bool end = whole[0] == static_cast<char>(Kind::end);
    const std::string before = end ? hash_.value() : std::string();
    hash_.update(whole.substr(0, whole.size() - kSumBytes));
    if (hash_.value().compare(0, kSumBytes, whole.substr(whole.size() - kSumBytes)) != 0) return damaged(at);
    hash_.update(whole.substr(whole.size() - kSumBytes));
    return handle(whole[0], payload, before) ||
           (!fault_ && fail("its record at byte " + std::to_string(at) + " does not belong there"));
  }

  bool damaged(std::uint64_t at) {
    return fail("the record at byte " + std::to_string(at) + " does not match its checksum: it is damaged");
  }

  // False without a fault: the record is well-formed, but not where it should be.
  bool handle(char kind, std::string_view payload, const std::string& hash_before) {
    switch (static_cast<Kind>(kind)) {
      case Kind::header:
        return on_header(payload);
      case Kind::file:
        return on_file(payload);
      case Kind::data:
        return on_data(payload);
      case Kind::end:
        return on_end(payload, hash_before);
    }
    return false;
  }

  bool on_header(std::string_view payload) {
    if (header_) return false;
    header_ = decode_header(payload);
    return header_ && header_->term >= header_->applied_term && go_on(visitor_.header(*header_));
  }

  bool on_file(std::string_view payload) {
    if (!header_ || missing_ != 0 || payload.size() < 8) return false;
    missing_ = number(payload.substr(0, 8));
    const std::string name(payload.substr(8));
    if (!safe_name(name) || !names_.insert(name).second) return false;
    return go_on(visitor_.file(name, missing_));
  }

  bool on_data(std::string_view payload) {
    if (payload.empty() || payload.size() > missing_) return false;
    missing_ -= payload.size();
    file_bytes_ += payload.size();
    return go_on(visitor_.data(payload));
  }

  bool on_end(std::string_view payload, const std::string& hash_before) {
    if (!header_ || missing_ != 0 || payload.size() != kEndPayloadBytes) return false;
    if (names_.size() != header_->files || file_bytes_ != header_->file_bytes) return false;
    if (number(payload.substr(0, 8)) != bytes_ || payload.substr(8) != hash_before) return false;
    ended_ = true;
    return true;
  }

  bool go_on(bool wanted) { return wanted || fail("it was not wanted any more", Fault::Kind::stopped); }

  const Source& source_;
  Visitor& visitor_;
  Hash hash_;
  std::string record_;
  std::optional<Header> header_;
  std::set<std::string> names_;
  std::uint64_t bytes_ = 0;
  std::uint64_t missing_ = 0;  // of the current file
  std::uint64_t file_bytes_ = 0;
  bool ended_ = false;
  std::optional<Fault> fault_;
};

}  // namespace

std::variant<Summary, Fault> read(const Source& source, Visitor& visitor) {
  return Run(source, visitor).all();
}

std::variant<Summary, Fault> read_file(const std::string& path, Visitor& visitor) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Fault{Fault::Kind::io, path + " cannot be opened: " + std::strerror(errno)};
  int failed = 0;
  auto result = read(
      [fd, &failed](char* data, std::size_t size) -> std::int64_t {
        std::size_t have = 0;
        while (have < size) {
          const ssize_t n = ::read(fd, data + have, size - have);
          if (n < 0 && errno == EINTR) continue;
          if (n < 0) {
            failed = errno;
            return -1;
          }
          if (n == 0) break;
          have += static_cast<std::size_t>(n);
        }
        return static_cast<std::int64_t>(have);
      },
      visitor);
  ::close(fd);
  if (auto* fault = std::get_if<Fault>(&result)) {
    fault->message = fault->kind == Fault::Kind::io ? path + " cannot be read: " + std::strerror(failed)
                                                    : path + ": " + fault->message;
  }
  return result;
}

std::variant<Summary, Fault> check_file(const std::string& path) {
  Visitor nobody;
  return read_file(path, nobody);
}

}  // namespace tenaz::backup
