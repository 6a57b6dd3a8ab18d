// What this room stands on: files, RocksDB's environment, random bytes. By default they are the operating system's. The
// simulator puts a disk in memory, which fails as disks do, in their place (tests/sim/platform.h).
//
// Threads: the operating system's, any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/data_lock.h"
#include "storage/options.h"
#include "storage/status.h"

namespace rocksdb {
class Env;
class Logger;
}  // namespace rocksdb

namespace tenaz::storage {

// A file that grows is handed to the disk in pieces of this size while it is being written. Otherwise all of it goes
// there with its sync, and the syncs of the log wait for that.
inline constexpr std::size_t kWriteOutBytes = 1 << 20;

// Absolute, without "." and "..", and without a slash at its end, behind which parent_path() would be the directory
// itself.
std::filesystem::path resolved(const std::filesystem::path& path);

// Open for writing.
class File {
 public:
  virtual ~File() = default;
  // All of it. Errors: io, no_space.
  virtual Result<void> write(std::uint64_t offset, std::string_view bytes) = 0;
  // Makes what was written durable; of the file's name see Platform::sync_directory.
  virtual Result<void> sync() = 0;
};

// Errors of all calls: io, no_space.
class Platform {
 public:
  static Platform& system();
  static Platform& of(const Options& options) { return options.platform ? *options.platform : system(); }

  virtual ~Platform() = default;

  // --- files --------------------------------------------------------------------------------------------------------
  virtual bool exists(const std::filesystem::path& path);
  // Names, in any order.
  virtual Result<std::vector<std::string>> list(const std::filesystem::path& directory);
  // Also those above it, which may exist. The names of those that are made are durable, but for that of `path` itself.
  virtual Result<void> make_directories(const std::filesystem::path& path);
  // No error if it is not there.
  virtual Result<void> remove_tree(const std::filesystem::path& path);
  virtual Result<void> rename(const std::filesystem::path& from, const std::filesystem::path& to);
  // Makes a directory's entries durable.
  virtual Result<void> sync_directory(const std::filesystem::path& path);
  // A file that is created if need be, and emptied if `empty`.
  virtual Result<std::unique_ptr<File>> open(const std::filesystem::path& path, bool empty);
  // Fewer bytes at the end of the file.
  virtual Result<std::string> read(const std::filesystem::path& path, std::uint64_t offset, std::size_t bytes);
  virtual Result<std::uint64_t> free_bytes(const std::filesystem::path& path);
  // See DataLock::take.
  virtual Result<DataLock> lock(const std::filesystem::path& data_dir);

  // --- RocksDB ------------------------------------------------------------------------------------------------------
  virtual rocksdb::Env* env();
  virtual std::shared_ptr<rocksdb::Logger> info_log(const std::filesystem::path& directory);
  // Whether env() has threads for RocksDB's background work. If it has none, that work queues until run_queued()
  // carries it out on the calling thread, and nobody may wait for it in any other way.
  virtual bool has_threads() const { return true; }
  virtual void run_queued() {}

  // --- the rest -----------------------------------------------------------------------------------------------------
  virtual Result<std::string> random_bytes(std::size_t count);
};

}  // namespace tenaz::storage
