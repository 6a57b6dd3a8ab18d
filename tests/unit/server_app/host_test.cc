// A node of its own, without HTTP.
#include "server/host.h"

#include <gtest/gtest.h>

#include <future>

#include "raft/membership.h"

namespace tenaz::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kPatience{60};

class HostTest : public ::testing::Test {
 protected:
  // `join`: addresses; none: it founds a cluster of one.
  HostOptions options(const std::vector<std::string>& join = {}) {
    HostOptions options;
    options.self = raft::NodeId{1};
    options.data_dir = directory_;
    options.join = join;
    if (join.empty()) {
      options.cluster_id = std::string(32, '1');
      options.founding = raft::founding_configuration({{options.self, "", "", "", ""}});
    }
    options.standing = [this](const std::string& text) { standings_.push_back(text); };
    options.peer.listen = "127.0.0.1:0";
    return options;
  }
  auto open(const HostOptions& options) {
    return Host::open(options, metrics_, [](const storage::Error& error) { FAIL() << error.message; });
  }
  void start(const std::vector<std::string>& join = {}) {
    auto opened = open(options(join));
    ASSERT_TRUE(opened) << opened.error().message;
    host_ = std::move(*opened);
    ASSERT_TRUE(host_->start());
  }
  ~HostTest() override {
    host_.reset();
    std::filesystem::remove_all(directory_);
  }

  WriteResult put() {
    storage::pb::Command command;
    command.set_apply_version(storage::kApplyVersion);
    command.mutable_put()->set_key("k");
    std::promise<WriteResult> answered;
    host_->write(command, kPatience, [&](const WriteResult& result) { answered.set_value(result); });
    return answered.get_future().get();
  }
  bool stopping() {
    std::promise<bool> answered;
    host_->status([&](const NodeStatus& status) { answered.set_value(status.stopping); });
    return answered.get_future().get();
  }

  const std::filesystem::path directory_ = testing::TempDir() + "tenaz-host-" + std::to_string(::getpid()) + "-" +
                                           testing::UnitTest::GetInstance()->current_test_info()->name();
  Metrics metrics_;
  std::vector<std::string> standings_;  // the replica's thread, until stop()
  std::unique_ptr<Host> host_;
};

TEST_F(HostTest, OnTheWayOutItServesUntilItDrains) {
  start();
  EXPECT_FALSE(put().failure);
  EXPECT_FALSE(stopping());
  host_->hand_over(kPatience);
  EXPECT_TRUE(stopping());
  EXPECT_FALSE(put().failure);

  std::promise<ReadResult> revision;  // one that never comes
  host_->wait_revision(storage::Revision{1000}, kPatience,
                       [&](const ReadResult& result) { revision.set_value(result); });
  host_->drain(milliseconds(1));
  EXPECT_EQ(revision.get_future().get().failure, Failure::stopping);
  const WriteResult refused = put();
  EXPECT_EQ(refused.failure, Failure::stopping);
  EXPECT_TRUE(refused.not_applied);
  EXPECT_TRUE(stopping());
  host_->stop();
}

TEST_F(HostTest, HowItStandsIsToldFromTheStart) {
  start();
  EXPECT_FALSE(put().failure);
  host_->stop();
  ASSERT_FALSE(standings_.empty());
  EXPECT_EQ(standings_.front(), "follower, term 0, no leader");
  EXPECT_EQ(standings_.back(), "leader, term 1");
}

TEST_F(HostTest, WhoWaitsToBeAdmittedSaysSo) {
  start({"127.0.0.1:1"});
  EXPECT_FALSE(stopping());  // the replica's thread has begun
  host_->stop();
  EXPECT_EQ(standings_, std::vector<std::string>{"waiting to be admitted to the cluster"});
}

// By a single entry, which is what a log is shorter by that has lost its last synced batch.
TEST_F(HostTest, AStateAheadOfTheLogIsNotServed) {
  start();
  EXPECT_FALSE(put().failure);
  host_->stop();
  host_.reset();
  {
    const auto state = storage::StateMachine::open(directory_ / "state-0-0", {});
    ASSERT_TRUE(state) << state.error().message;
    storage::PayloadBuilder builder;
    const raft::Entry more{(*state)->applied_term(), (*state)->applied_index().next(), raft::EntryKind::commands,
                           builder.finish(0)};
    ASSERT_TRUE((*state)->apply({&more, 1}, raft::NodeId{1}));
    ASSERT_TRUE((*state)->flush());
  }
  const auto opened = open(options());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, storage::ErrorCode::corruption);
  EXPECT_NE(opened.error().message.find("must not vote under this identity again"), std::string::npos)
      << opened.error().message;
}

TEST_F(HostTest, BothDatabasesShowTheirFigures) {
  start();
  EXPECT_FALSE(put().failure);
  const std::string text = metrics_.text({});
  for (const char* name :
       {"state_bytes", "write_buffer_bytes", "compaction_pending_bytes", "writes_stopped", "writes_delayed_rate_bytes",
        "block_cache_bytes", "log_bytes", "log_entries_bytes", "log_write_buffer_bytes", "log_compaction_pending_bytes",
        "log_writes_stopped", "log_writes_delayed_rate_bytes"}) {
    EXPECT_NE(text.find("\ntenaz_storage_" + std::string(name) + " "), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace tenaz::server
