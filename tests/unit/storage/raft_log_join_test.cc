// A node that joins has a disk before it knows its cluster; one that was removed does not forget it.
#include <gtest/gtest.h>

#include "storage/raft_log.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

const Identity kJoining{"", kSelf};

std::unique_ptr<RaftLog> join(const fs::path& dir) {
  return must(RaftLog::open(dir, kJoining, {}, small_options()));
}

TEST(RaftLogJoin, TheClusterIsLearnedOnceAndKept) {
  TempDir dir;
  std::string storage_id;
  {
    const auto log = join(dir.path());
    EXPECT_EQ(log->cluster_id(), std::string(16, '\0'));
    EXPECT_TRUE(log->configuration().members.empty());
    storage_id = log->storage_id();
  }
  {
    const auto log = join(dir.path());
    EXPECT_EQ(log->cluster_id(), std::string(16, '\0')) << "it may wait for long";
    must(log->set_cluster(kIdentity.cluster_id));
    EXPECT_EQ(log->cluster_id(), kIdentity.cluster_id);
  }
  const auto log = join(dir.path());
  EXPECT_EQ(log->cluster_id(), kIdentity.cluster_id);
  EXPECT_EQ(log->storage_id(), storage_id);
}

TEST(RaftLogJoin, AfterwardsTheDirectoryBelongsToThatClusterAndNode) {
  TempDir dir;
  must(join(dir.path())->set_cluster(kIdentity.cluster_id));
  EXPECT_TRUE(RaftLog::open(dir.path(), kIdentity, one_member(), small_options()));
  auto opened = RaftLog::open(dir.path(), {"another cluster!", kSelf}, one_member(), small_options());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::wrong_identity);
  opened = RaftLog::open(dir.path(), {"", raft::NodeId{7}}, {}, small_options());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::wrong_identity);
  EXPECT_NE(opened.error().message.find("says node 7"), std::string::npos) << opened.error().message;
}

TEST(RaftLogJoin, AFoundedDirectoryNeedsNoMembersToBeOpened) {
  TempDir dir;
  open_log(dir.path()).reset();
  EXPECT_EQ(join(dir.path())->cluster_id(), kIdentity.cluster_id);
}

TEST(RaftLogJoin, WhoWasRemovedIsToldAtEachStart) {
  TempDir dir;
  must(open_log(dir.path())->retire("says node 2"));
  for (int start = 0; start < 3; ++start) {
    const auto opened = RaftLog::open(dir.path(), kIdentity, one_member(), small_options());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::removed);
    EXPECT_NE(opened.error().message.find("node 1 was removed from its cluster (says node 2)"), std::string::npos)
        << opened.error().message;
  }
}

}  // namespace
}  // namespace tenaz::storage
