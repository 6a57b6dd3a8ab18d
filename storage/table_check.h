// Tables (RocksDB's *.sst files) that come from elsewhere, or go there. A checksum over the file as it lies on a disk
// vouches for its way only: where a block has rotted, that travels along. Each block carries a checksum from when it
// was written; this checks all that answers come from: parts of filters are left out, which cost a lookup in vain where
// they cannot be read. Reads the file; any thread.
#pragma once

#include <filesystem>
#include <string_view>

#include "storage/platform.h"
#include "storage/status.h"

namespace tenaz::storage {

bool is_table(std::string_view name);

// Errors: corruption (names the file), io.
Result<void> check_table(const std::filesystem::path& path, Platform& platform = Platform::system());

}  // namespace tenaz::storage
