// RocksDB's own warnings, in the file LOG of its directory. Private to this room.
//
// Not RocksDB's logger: that one goes through its file writer, which stops the process (Debian builds it with its
// assertions) when it is used again after a write failed. So a full disk would end a node by a signal, for the sake of
// a line in a log.
#pragma once

#include <rocksdb/env.h>

#include <filesystem>
#include <memory>

namespace tenaz::storage::rocks {

// Lines of RocksDB's level WARN and above. The file is made with the first of them, bounded (LOG.old holds the ones
// before), and what cannot be written is dropped. Any thread.
std::shared_ptr<rocksdb::Logger> info_log(const std::filesystem::path& directory);

}  // namespace tenaz::storage::rocks
