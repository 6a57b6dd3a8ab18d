#include "storage/ordered_names.h"

#include <rocksdb/file_system.h>

#include <filesystem>
#include <string>
#include <utility>

namespace tenaz::storage {
namespace {

class OrderedNames final : public rocksdb::FileSystemWrapper {
 public:
  using rocksdb::FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "tenaz.ordered-names"; }

  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    const std::filesystem::path path(to);
    if (path.filename() == "CURRENT") {
      std::unique_ptr<rocksdb::FSDirectory> directory;
      auto status = target()->NewDirectory(path.parent_path().string(), options, &directory, debug);
      if (status.ok()) status = directory->Fsync(options, debug);
      if (!status.ok()) return status;
    }
    return target()->RenameFile(from, to, options, debug);
  }
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> with_ordered_names(std::shared_ptr<rocksdb::FileSystem> below) {
  return std::make_shared<OrderedNames>(std::move(below));
}

}  // namespace tenaz::storage
