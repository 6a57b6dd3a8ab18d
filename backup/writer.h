// Makes the bytes of a backup, record by record; the caller carries them away. The calls come in the order of the
// format: begin, then for each file file() and as many data() as it takes, then end(). One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backup/format.h"
#include "backup/hash.h"

namespace tenaz::backup {

class Writer {
 public:
  // Each appends to `out`, which may be emptied between the calls.
  void begin(std::string& out, const Header& header);
  void file(std::string& out, std::string_view name, std::uint64_t bytes);
  void data(std::string& out, std::string_view bytes);  // 1 to kMaxData
  void end(std::string& out);

  std::uint64_t bytes() const { return bytes_; }  // made so far

 private:
  void record(std::string& out, Kind kind, std::string_view payload);
  void add(std::string& out, std::string_view bytes);

  Hash hash_;
  std::uint64_t bytes_ = 0;
};

// What file() and the data() of one file make, if each data() but the last takes kMaxData.
std::uint64_t bytes_of_file(std::string_view name, std::uint64_t bytes);
// What begin() and end() make.
std::uint64_t bytes_of_frame(const Header& header);

}  // namespace tenaz::backup
