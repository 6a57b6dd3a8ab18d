#include "tests/sim/file_system.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace tenaz::sim {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using NodePtr = FileTree::NodePtr;

IOStatus missing(const std::string& path) {
  return IOStatus::PathNotFound(path, "there is no such file");
}

// Into `scratch`: what a reader holds does not change when the file does.
Slice read(const FileTree::Node& file, std::uint64_t offset, std::size_t bytes, char* scratch) {
  if (offset >= file.data.size()) return {scratch, 0};
  const auto most = std::min(bytes, file.data.size() - static_cast<std::size_t>(offset));
  std::memcpy(scratch, file.data.data() + offset, most);
  return {scratch, most};
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(NodePtr file) : file_(std::move(file)) {}
  IOStatus Read(std::size_t n, const IOOptions&, Slice* result, char* scratch, IODebugContext*) override {
    *result = read(*file_, at_, n, scratch);
    at_ += result->size();
    return IOStatus::OK();
  }
  IOStatus Skip(std::uint64_t n) override {
    at_ += n;
    return IOStatus::OK();
  }

 private:
  const NodePtr file_;
  std::uint64_t at_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(NodePtr file) : file_(std::move(file)) {}
  IOStatus Read(std::uint64_t offset, std::size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    *result = read(*file_, offset, n, scratch);
    return IOStatus::OK();
  }

 private:
  const NodePtr file_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(FileTree& tree, NodePtr file) : tree_(tree), file_(std::move(file)) {}
  using rocksdb::FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    tree_.write(*file_, file_->data.size(), {data.data(), data.size()});
    return IOStatus::OK();
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions&, IODebugContext*) override {
    if (size != file_->data.size()) tree_.truncate(*file_, size);
    return IOStatus::OK();
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    return tree_.sync(*file_) ? IOStatus::OK() : IOStatus::IOError("the disk failed to write");
  }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return file_->data.size(); }
  // No space is set aside.
  void PrepareWrite(std::size_t, std::size_t, const IOOptions&, IODebugContext*) override {}

 private:
  FileTree& tree_;
  const NodePtr file_;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(FileTree& tree, NodePtr node) : tree_(tree), node_(std::move(node)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return tree_.sync(*node_) ? IOStatus::OK() : IOStatus::IOError("the disk failed to write");
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  FileTree& tree_;
  const NodePtr node_;
};

class Lock final : public rocksdb::FileLock {};

class TreeFileSystem final : public rocksdb::FileSystem {
 public:
  explicit TreeFileSystem(FileTree& tree) : tree_(tree) {}
  const char* Name() const override { return "tenaz.file-tree"; }

  IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result, IODebugContext*) override {
    auto file = tree_.find_file(path);
    if (!file) return missing(path);
    *result = std::make_unique<SequentialFile>(std::move(file));
    return IOStatus::OK();
  }
  IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result, IODebugContext*) override {
    auto file = tree_.find_file(path);
    if (!file) return missing(path);
    *result = std::make_unique<RandomAccessFile>(std::move(file));
    return IOStatus::OK();
  }
  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext*) override {
    auto file = tree_.create_file(path);
    if (!file) return missing(path);
    *result = std::make_unique<WritableFile>(tree_, std::move(file));
    return IOStatus::OK();
  }
  IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* context) override {
    auto file = tree_.find_file(path);
    if (!file) return NewWritableFile(path, options, result, context);
    *result = std::make_unique<WritableFile>(tree_, std::move(file));
    return IOStatus::OK();
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&, std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext*) override {
    auto node = tree_.find_directory(path);
    if (!node) return missing(path);
    *result = std::make_unique<Directory>(tree_, std::move(node));
    return IOStatus::OK();
  }
  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    return tree_.find(path) ? IOStatus::OK() : IOStatus::NotFound(path);
  }
  IOStatus GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* result,
                       IODebugContext*) override {
    result->clear();
    const auto node = tree_.find_directory(path);
    if (!node) return IOStatus::NotFound(path);
    for (const auto& [name, child] : node->names) result->push_back(name);
    return IOStatus::OK();
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return tree_.find_file(path) && tree_.remove(path) ? IOStatus::OK() : missing(path);
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    if (tree_.find(path)) return IOStatus::IOError(path, "it exists");
    return tree_.create_directory(path) ? IOStatus::OK() : missing(path);
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&, IODebugContext*) override {
    return tree_.create_directory(path) ? IOStatus::OK() : missing(path);
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    const auto node = tree_.find_directory(path);
    if (!node) return missing(path);
    if (!node->names.empty()) return IOStatus::IOError(path, "it is not empty");
    return tree_.remove(path) ? IOStatus::OK() : missing(path);
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, std::uint64_t* size, IODebugContext*) override {
    const auto file = tree_.find_file(path);
    if (!file) return missing(path);
    *size = file->data.size();
    return IOStatus::OK();
  }
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, std::uint64_t* time,
                                   IODebugContext*) override {
    *time = 0;
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&, IODebugContext*) override {
    return tree_.rename(from, to) ? IOStatus::OK() : missing(from);
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&, IODebugContext*) override {
    return tree_.link(from, to) ? IOStatus::OK() : missing(from);
  }
  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** lock, IODebugContext*) override {
    if (!tree_.find_file(path) && !tree_.create_file(path)) return missing(path);
    *lock = new Lock();
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    delete lock;
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    path->assign(1, '/');
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* absolute, IODebugContext*) override {
    *absolute = path;
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is, IODebugContext*) override {
    const auto node = tree_.find(path);
    if (!node) return missing(path);
    *is = node->directory;
    return IOStatus::OK();
  }

 private:
  FileTree& tree_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> make_file_system(FileTree& tree) {
  return std::make_shared<TreeFileSystem>(tree);
}

}  // namespace tenaz::sim
