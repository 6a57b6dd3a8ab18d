#include "storage/ordered_names.h"

#include <gtest/gtest.h>
#include <rocksdb/file_system.h>

#include <string>
#include <utility>
#include <vector>

namespace tenaz::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(std::vector<std::string>& calls, std::string path, IOStatus answer)
      : calls_(calls), path_(std::move(path)), answer_(std::move(answer)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    calls_.push_back("sync " + path_);
    return answer_;
  }

 private:
  std::vector<std::string>& calls_;
  std::string path_;
  IOStatus answer_;
};

// Notes what is asked of it, and does nothing.
class Below final : public rocksdb::FileSystemWrapper {
 public:
  Below() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "test"; }
  IOStatus NewDirectory(const std::string& path, const IOOptions&, std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext*) override {
    *result = std::make_unique<Directory>(calls, path, sync_answers);
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&, IODebugContext*) override {
    calls.push_back("rename " + from + " to " + to);
    return IOStatus::OK();
  }

  std::vector<std::string> calls;
  IOStatus sync_answers = IOStatus::OK();
};

TEST(OrderedNames, WhatCurrentNamesIsDurableBeforeIt) {
  const auto below = std::make_shared<Below>();
  const auto files = with_ordered_names(below);
  ASSERT_TRUE(files->RenameFile("/d/raft/7.dbtmp", "/d/raft/CURRENT", {}, nullptr).ok());
  EXPECT_EQ(below->calls, (std::vector<std::string>{"sync /d/raft", "rename /d/raft/7.dbtmp to /d/raft/CURRENT"}));
}

TEST(OrderedNames, NothingIsRenamedWhenTheSyncFails) {
  const auto below = std::make_shared<Below>();
  below->sync_answers = IOStatus::IOError("no");
  EXPECT_TRUE(with_ordered_names(below)->RenameFile("/d/7.dbtmp", "/d/CURRENT", {}, nullptr).IsIOError());
  EXPECT_EQ(below->calls, std::vector<std::string>{"sync /d"});
}

TEST(OrderedNames, OtherNamesCostNothing) {
  const auto below = std::make_shared<Below>();
  ASSERT_TRUE(with_ordered_names(below)->RenameFile("/d/a", "/d/b", {}, nullptr).ok());
  EXPECT_EQ(below->calls, std::vector<std::string>{"rename /d/a to /d/b"});
}

}  // namespace
}  // namespace tenaz::storage
