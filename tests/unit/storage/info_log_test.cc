#include "storage/info_log.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/storage/support.h"

namespace tenaz::storage {

namespace {

namespace fs = std::filesystem;

TEST(InfoLog, KeepsWarningsInAFile) {
  const test::TempDir directory;
  const auto log = rocks::info_log(directory.path());
  rocksdb::Log(rocksdb::INFO_LEVEL, log, "not of interest");
  EXPECT_FALSE(fs::exists(directory.path() / "LOG"));
  rocksdb::Log(rocksdb::WARN_LEVEL, log, "something %d", 7);
  rocksdb::Log(rocksdb::ERROR_LEVEL, log, "%s", std::string(100'000, 'x').c_str());
  const std::string text = test::read_file(directory.path() / "LOG");
  EXPECT_NE(text.find("something 7\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("not of interest"), std::string::npos);
  EXPECT_LT(text.size(), 5'000u);
  EXPECT_EQ(text.back(), '\n');
}

TEST(InfoLog, IsBounded) {
  const test::TempDir directory;
  const auto log = rocks::info_log(directory.path());
  const std::string line(1000, 'x');
  for (int i = 0; i < 5'000; ++i) rocksdb::Log(rocksdb::WARN_LEVEL, log, "%s %d", line.c_str(), i);
  EXPECT_LE(fs::file_size(directory.path() / "LOG"), 1u << 20);
  EXPECT_LE(fs::file_size(directory.path() / "LOG.old"), 1u << 20);
  EXPECT_NE(test::read_file(directory.path() / "LOG").find("x 4999\n"), std::string::npos);
}

// RocksDB's own logger stops the process at the second line.
TEST(InfoLog, AFullDiskIsNoReasonToStop) {
  const test::TempDir directory;
  fs::create_symlink("/dev/full", directory.path() / "LOG");
  const auto log = rocks::info_log(directory.path());
  for (int i = 0; i < 3; ++i) rocksdb::Log(rocksdb::ERROR_LEVEL, log, "no room %d", i);
  const auto nowhere = rocks::info_log(directory.path() / "does" / "not" / "exist");
  rocksdb::Log(rocksdb::ERROR_LEVEL, nowhere, "nobody reads this");
}

}  // namespace
}  // namespace tenaz::storage
