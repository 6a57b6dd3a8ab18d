// What the production storage code stands on in the real-storage tier: files on a FileTree, a virtual clock, random
// numbers from the seed, and a RocksDB environment without threads, whose background work waits until somebody runs it.
//
// One thread at a time.
#pragma once

#include <memory>

#include "storage/platform.h"
#include "tests/sim/file_tree.h"
#include "tests/sim/random.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

class QueueingEnv;

class Platform final : public storage::Platform {
 public:
  // Both must outlive it; it must outlive all that was opened with it.
  Platform(World& world, FileTree& tree, Random random);
  ~Platform() override;

  // Background work of RocksDB that waits.
  std::size_t queued() const;
  // The first of it.
  void run_one();
  // Called before each write: RocksDB makes writers wait while too many memory tables wait to be written out, and
  // nobody else would do that. Whatever waits at two calls in a row is carried out.
  void keep_up() {
    if (queued() == 0 || ++calls_with_work_ < 2) return;
    run_queued();
    calls_with_work_ = 0;
  }

  bool exists(const std::filesystem::path& path) override;
  storage::Result<std::vector<std::string>> list(const std::filesystem::path& directory) override;
  storage::Result<void> make_directories(const std::filesystem::path& path) override;
  storage::Result<void> remove_tree(const std::filesystem::path& path) override;
  storage::Result<void> rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  storage::Result<void> sync_directory(const std::filesystem::path& path) override;
  storage::Result<std::unique_ptr<storage::File>> open(const std::filesystem::path& path, bool empty) override;
  storage::Result<std::string> read(const std::filesystem::path& path, std::uint64_t offset,
                                    std::size_t bytes) override;
  storage::Result<std::uint64_t> free_bytes(const std::filesystem::path& path) override;
  storage::Result<storage::DataLock> lock(const std::filesystem::path& data_dir) override;
  rocksdb::Env* env() override;
  std::shared_ptr<rocksdb::Logger> info_log(const std::filesystem::path& directory) override;
  bool has_threads() const override { return false; }
  void run_queued() override;
  storage::Result<std::string> random_bytes(std::size_t count) override;

 private:
  FileTree& tree_;
  Random random_;
  unsigned calls_with_work_ = 0;
  std::unique_ptr<QueueingEnv> env_;
};

}  // namespace tenaz::sim
