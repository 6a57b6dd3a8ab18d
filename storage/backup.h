// A backup of the whole state while the node serves: a checkpoint (hard links), whose files are read one after the
// other and made into the bytes of backup/format.h. Threads: one at a time; the checkpoint itself waits for the disk.
//
// Below the data directory: images/<id>/, as those of snapshots; removed with the object, or at the next start.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backup/writer.h"
#include "raft/types.h"
#include "storage/state_machine.h"
#include "storage/status.h"

namespace tenaz::storage {

// What the state does not know of itself.
struct BackupOrigin {
  std::string cluster_id;  // 16 raw bytes
  std::string cluster_name;
  raft::NodeId node;
  raft::Term term;  // of the node
  // In force at the log's beginning, read BEFORE the state: it counts if the state holds no configuration of its own.
  raft::Configuration configuration;
  raft::Index configuration_index;
  std::uint64_t wall_ms = 0;
  std::string version;  // of tenaz
};

class BackupImage {
 public:
  // Makes images/<id> from the state machine: everything that was applied before the call is in it. `id`: a fresh name
  // of letters, digits and '-'.
  static Result<std::unique_ptr<BackupImage>> create(StateMachine& state, const std::filesystem::path& data_dir,
                                                     const std::string& id, const BackupOrigin& origin);
  ~BackupImage();  // removes the directory
  BackupImage(const BackupImage&) = delete;
  BackupImage& operator=(const BackupImage&) = delete;

  const backup::Header& header() const { return header_; }
  std::uint64_t bytes() const { return bytes_; }  // of the whole backup

  // The next bytes, a little over 1 MiB at most; empty once all were given. After an error there are no more.
  // corruption: a table of the state is damaged.
  Result<std::string> next();

 private:
  struct File {
    std::string name;
    std::uint64_t bytes = 0;
  };
  BackupImage() = default;
  Result<void> list_files();
  Result<void> read_piece(std::string& out);

  std::filesystem::path directory_;
  backup::Header header_;
  std::vector<File> files_;
  std::uint64_t bytes_ = 0;

  backup::Writer writer_;
  std::size_t current_ = 0;   // of files_
  std::uint64_t offset_ = 0;  // in it
  int fd_ = -1;               // of it
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace tenaz::storage
