// A file system for RocksDB that does not rely on the order in which a directory's changes become durable.
//
// RocksDB creates MANIFEST-7, syncs its content, renames a new file CURRENT, which names MANIFEST-7, into place, and
// only then syncs the directory. POSIX lets a power loss keep the rename and lose the creation: the database would not
// open again, though nothing that was acknowledged is gone. ext4 and XFS keep the order; others need not. So the
// directory is synced before anything is renamed to CURRENT: once for each start and each new manifest.
//
// Threads: as the file system below it.
#pragma once

#include <memory>

namespace rocksdb {
class FileSystem;
}

namespace tenaz::storage {

std::shared_ptr<rocksdb::FileSystem> with_ordered_names(std::shared_ptr<rocksdb::FileSystem> below);

}  // namespace tenaz::storage
