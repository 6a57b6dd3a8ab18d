// Backups of the state for clients to read: made and read on a thread of its own, piece by piece as they are asked for.
// Calls from any thread return at once.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "server/backup_port.h"
#include "storage/backup.h"

namespace tenaz::server {

class BackupSource {
 public:
  // Each holds back the files of an old state from being removed: few at a time. One more is refused as overloaded.
  static constexpr std::size_t kMost = 2;

  explicit BackupSource(std::filesystem::path data_dir);
  // What is owed is answered as stopping. Backups that are still held give nothing any more.
  ~BackupSource();

  void open(std::shared_ptr<storage::StateMachine> state, storage::BackupOrigin origin,
            std::function<void(BackupResult)> done);

 private:
  struct Shared;
  class Open;
  static void run(Shared& shared);

  const std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace tenaz::server
