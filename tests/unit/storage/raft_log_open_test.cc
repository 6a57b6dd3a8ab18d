// Founding, identity, and what is found at open.
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <set>

#include "storage/platform.h"
#include "storage/raft_log.h"
#include "storage/raft_log_format.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

Error open_error(const fs::path& dir, const Identity& identity = kIdentity) {
  auto opened = RaftLog::open(dir, identity, one_member(), small_options());
  if (opened) throw std::runtime_error("it opened");
  return opened.error();
}

TEST(RaftLogOpen, FoundsOnceAndRaisesTheIncarnation) {
  TempDir dir;
  std::string storage_id;
  for (std::uint64_t n = 1; n <= 3; ++n) {
    const auto log = open_log(dir.path() / "deep" / "data");
    EXPECT_EQ(log->incarnation(), n);
    EXPECT_EQ(log->storage_id().size(), 16U);
    if (n > 1) {
      EXPECT_EQ(log->storage_id(), storage_id);
    }
    storage_id = log->storage_id();
    EXPECT_EQ(log->first_index(), raft::Index(1));
    EXPECT_EQ(log->last_index(), raft::Index(0));
    EXPECT_EQ(log->hard_state(), raft::HardState{});
    EXPECT_EQ(log->state_directory(), "state-0-0");
  }
  TempDir other;
  EXPECT_NE(open_log(other.path())->storage_id(), storage_id);
}

// Else all of a new node could be gone after a power loss, however durable its files are.
TEST(RaftLogOpen, TheNamesOfAllNewDirectoriesAreDurable) {
  struct Noting final : Platform {
    Result<void> sync_directory(const fs::path& path) override {
      synced.insert(path);
      return Platform::sync_directory(path);
    }
    std::set<fs::path> synced;
  };
  for (const std::string end : {"", "/", "/.", "//"}) {
    TempDir dir;
    Noting platform;
    Options options = small_options();
    options.platform = &platform;
    must(RaftLog::open(dir.path() / "one" / ("two" + end), kIdentity, one_member(), options)).reset();
    for (const fs::path& path : {dir.path(), dir.path() / "one", dir.path() / "one" / "two"})
      EXPECT_TRUE(platform.synced.contains(path)) << path << " with \"" << end << "\" at the end";
  }
}

TEST(RaftLogOpen, RemembersABootForEachOfTheLastStarts) {
  TempDir dir;
  std::vector<std::uint64_t> boots;
  for (std::size_t start = 0; start < RaftLog::kBootsKept + 5; ++start) {
    const auto log = open_log(dir.path());
    ASSERT_EQ(log->boots().size(), std::min(start + 1, RaftLog::kBootsKept));
    boots.insert(boots.begin(), log->boots().front());
    boots.resize(std::min(boots.size(), RaftLog::kBootsKept));
    EXPECT_EQ(log->boots(), boots);
  }
  EXPECT_EQ(std::set<std::uint64_t>(boots.begin(), boots.end()).size(), boots.size()) << "random, so never the same";
}

TEST(RaftLogOpen, AnotherNodeOrClusterIsRefused) {
  TempDir dir;
  open_log(dir.path()).reset();
  auto error = open_error(dir.path(), {kIdentity.cluster_id, raft::NodeId(2)});
  EXPECT_EQ(error.code, ErrorCode::wrong_identity);
  EXPECT_NE(error.message.find("belongs to node 1"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("says node 2"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find(dir.path().string()), std::string::npos) << error.message;
  error = open_error(dir.path(), {"another cluster!", kSelf});
  EXPECT_EQ(error.code, ErrorCode::wrong_identity);
  EXPECT_EQ(open_log(dir.path())->incarnation(), 2U) << "a refused open leaves no trace";
}

TEST(RaftLogOpen, AFencedDirectoryIsRefusedEachTime) {
  TempDir dir;
  must(open_log(dir.path())->fence("node 2 refuses it: disk rolled back"));
  for (int start = 0; start < 3; ++start) {
    const auto error = open_error(dir.path());
    EXPECT_EQ(error.code, ErrorCode::wrong_identity);
    EXPECT_NE(error.message.find("is fenced"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("node 2 refuses it: disk rolled back"), std::string::npos) << error.message;
  }
}

TEST(RaftLogOpen, ASecondProcessIsRefused) {
  TempDir dir;
  const auto log = open_log(dir.path());
  const auto error = open_error(dir.path());
  EXPECT_EQ(error.code, ErrorCode::locked);
  EXPECT_NE(error.message.find("pid " + std::to_string(::getpid())), std::string::npos) << error.message;
}

TEST(RaftLogOpen, ANewerFormatIsRefused) {
  TempDir dir;
  open_log(dir.path()).reset();
  {
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), (dir.path() / "raft").string(), &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    const std::string record("\x02\0\0\0 a later record", 20);
    ASSERT_TRUE(db->Put({}, rocksdb::Slice("\0i", 2), record).ok());
  }
  const auto error = open_error(dir.path());
  EXPECT_EQ(error.code, ErrorCode::newer_format);
  EXPECT_NE(error.message.find("format 2"), std::string::npos) << error.message;
}

TEST(RaftLogOpen, AStateWithoutALogIsNotFoundedAnew) {
  for (const bool empty_directory : {false, true}) {
    TempDir dir;
    open_log(dir.path()).reset();
    fs::create_directories(dir.path() / "state-0-0");
    fs::remove_all(dir.path() / "raft");
    if (empty_directory) fs::create_directories(dir.path() / "raft");
    const auto error = open_error(dir.path());
    EXPECT_EQ(error.code, ErrorCode::corruption);
    EXPECT_NE(error.message.find("remove it from the cluster"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find(dir.path().string()), std::string::npos) << error.message;
    EXPECT_FALSE(fs::exists(dir.path() / "raft" / "CURRENT")) << "nothing was founded";
  }
}

TEST(RaftLogOpen, AnEmptyDirectoryFounds) {
  TempDir dir;
  const std::string before = open_log(dir.path())->storage_id();
  for (const auto& file : fs::directory_iterator(dir.path())) fs::remove_all(file.path());
  const auto log = open_log(dir.path());
  EXPECT_NE(log->storage_id(), before) << "peers tell the disks apart by this";
  EXPECT_EQ(log->incarnation(), 1U);
}

// Wherever a crash interrupts the founding, the next open founds or finds.
TEST(RaftLogOpen, AnInterruptedFoundingIsRecovered) {
  // What a crash right after RocksDB's own founding leaves: a database without our identity.
  TempDir dir;
  {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, (dir.path() / "raft").string(), &opened).ok());
    delete opened;
  }
  EXPECT_EQ(open_log(dir.path())->incarnation(), 1U);
  // And one before the watermark was made.
  TempDir second;
  open_log(second.path()).reset();
  fs::remove(second.path() / "raft" / "SYNCED");
  EXPECT_EQ(open_log(second.path())->incarnation(), 2U);
  EXPECT_TRUE(fs::exists(second.path() / "raft" / "SYNCED"));
  // And one in which RocksDB had not come as far as its CURRENT file.
  TempDir third;
  fs::create_directories(third.path() / "raft");
  write_file(third.path() / "raft" / "MANIFEST-000001", "");
  EXPECT_EQ(open_log(third.path())->incarnation(), 1U);
}

// What was written before the process was killed is there; the copy stands for the disk at that moment.
TEST(RaftLogOpen, AllThatWasAcknowledgedSurvivesAKill) {
  TempDir dir, copies;
  auto log = open_log(dir.path());
  for (std::uint64_t index = 1; index <= 30; ++index) {
    const auto write =
        persist(raft::HardState{raft::Term(index), kSelf}, {noop(index, index, std::string(index, 'x'))});
    must(log->write({&write, 1}));
    copy_tree(dir.path(), copies.path() / "copy");
    const auto copy = open_log(copies.path() / "copy");
    ASSERT_EQ(copy->last_index(), raft::Index(index));
    ASSERT_EQ(copy->hard_state().term, raft::Term(index));
    ASSERT_EQ(copy->entries(raft::Index(index), raft::Index(index), 1)[0].payload->size(), index);
  }
}

}  // namespace
}  // namespace tenaz::storage
