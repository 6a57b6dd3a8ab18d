// RocksDB's view of a FileTree. One thread at a time.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>

#include "tests/sim/file_tree.h"

namespace tenaz::sim {

// `tree` must outlive it, and all files that it has opened.
std::shared_ptr<rocksdb::FileSystem> make_file_system(FileTree& tree);

}  // namespace tenaz::sim
