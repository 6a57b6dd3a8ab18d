// What both RocksDB instances share: translation of errors, and options that bound logs and threads. Private to this
// room. Pure functions; any thread.
#pragma once

#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/status.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "storage/platform.h"
#include "storage/status.h"

namespace tenaz::storage::rocks {

inline rocksdb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}
inline std::string_view view(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

// `what` was tried, e.g. "cannot open the Raft log in /var/lib/tenaz/raft"; `advice` says what an operator can do about
// damage, and is added to errors of corruption.
Error error(const rocksdb::Status& status, std::string_view what, std::string_view advice);

// Paranoid checks, few threads.
void common_options(rocksdb::DBOptions& options, Platform& platform, const std::filesystem::path& directory);

// An Error from errno.
Error system_error(std::string_view what, const std::filesystem::path& path, int number);

}  // namespace tenaz::storage::rocks
