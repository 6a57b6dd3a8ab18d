// The file <data_dir>/raft/SYNCED: how far this node's synced writes had come, told apart from RocksDB's own files.
//
// RocksDB cannot notice that its newest write-ahead log was cut at the end of a record: it opens as if what followed
// had never been written, and the node would have forgotten entries that it acknowledged, or a vote (hazards M34). So
// each synced batch carries a count, and after the batch is durable the same count is written here, in place and
// without a sync. At open:
//   count in RocksDB <  count here   synced writes are lost: the node must not vote under this identity again
//   count in RocksDB == count here   last index, last term and term must agree too
//   count in RocksDB >  count here   a crash came between the sync and this file, or a power loss took this file's
//   pages no file, or its checksum is off  a power loss while it was written: says nothing, and is written anew
//
// It catches a log cut, emptied, deleted or restored from an older copy while this file stayed (a file system repaired
// after a crash, an operator's hand, a disk that lost a block in the log), after kill -9 always and after a power loss
// if this file's page had reached the disk, which takes the kernel some seconds. It does not catch a whole raft/
// directory set back to an earlier time, this file included: peers notice that, since such a node's log is shorter than
// what it acknowledged.
//
// Bytes: "tnzsync" 01, storage id 16, count u64, last index u64, last term u64, hard state's term u64, CRC-32C of all
// before.
//
// Threads: as the log writer's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "raft/types.h"
#include "storage/platform.h"
#include "storage/status.h"

namespace tenaz::storage {

struct Synced {
  std::string storage_id;  // 16 raw bytes
  std::uint64_t count = 0;
  raft::Index last_index;
  raft::Term last_term;
  raft::Term term;

  bool operator==(const Synced&) const = default;
};

std::string encode(const Synced& synced);

class Watermark {
 public:
  static constexpr const char* kFileName = "SYNCED";

  // What the file says; nothing if it is missing, torn or of an unknown format.
  static std::optional<Synced> read(const std::filesystem::path& directory, Platform& platform = Platform::system());
  // Opens the file for writing, creates it if need be.
  static Result<Watermark> open(const std::filesystem::path& directory, Platform& platform = Platform::system());

  // One write over the old content.
  Result<void> write(const Synced& synced) { return file_->write(0, encode(synced)); }
  Result<void> sync() { return file_->sync(); }

 private:
  explicit Watermark(std::unique_ptr<File> file) : file_(std::move(file)) {}
  std::unique_ptr<File> file_;
};

std::optional<Synced> decode_synced(std::string_view bytes);

}  // namespace tenaz::storage
