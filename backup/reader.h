// Reads a backup from its first byte to its last and checks all of it. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "backup/format.h"

namespace tenaz::backup {

// Why a backup was not read.
struct Fault {
  enum class Kind {
    damaged,       // truncated, changed, or no backup at all
    newer_format,  // made by a later version of tenaz
    io,            // the file cannot be read
    stopped,       // the visitor did not want to go on
  };
  Kind kind = Kind::damaged;
  std::string message;  // a sentence for an operator
};

struct Summary {
  Header header;
  std::uint64_t bytes = 0;
  std::string sha256;  // of the whole file, 64 hex digits: what sha256sum prints
};

// What is read, as it goes by; each piece has been checked. To return false is to stop.
class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual bool header(const Header&) { return true; }
  virtual bool file(const std::string& /*name*/, std::uint64_t /*bytes*/) { return true; }
  virtual bool data(std::string_view /*bytes*/) { return true; }
};

// Fills `data` with the next bytes, as many as there are up to `size`, and returns how many: fewer only at the end.
// Below 0: they cannot be read.
using Source = std::function<std::int64_t(char* data, std::size_t size)>;

// Holds one record in memory at a time.
std::variant<Summary, Fault> read(const Source& source, Visitor& visitor);
// The file at `path`; the fault names it.
std::variant<Summary, Fault> read_file(const std::string& path, Visitor& visitor);
// Checks it only.
std::variant<Summary, Fault> check_file(const std::string& path);

}  // namespace tenaz::backup
