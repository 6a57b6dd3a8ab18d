#include "server/event_log.h"

#include <gmock/gmock.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

namespace tenaz::server {
namespace {

class EventLogTest : public ::testing::Test {
 protected:
  EventLogTest() {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text_);
    auto logger = std::make_shared<spdlog::logger>("", std::move(sink));
    logger->set_pattern("%v");
    spdlog::set_default_logger(std::move(logger));
  }
  ~EventLogTest() override { spdlog::set_default_logger(before_); }

  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::ostringstream text_;
  Probe next_;
  EventLog log_{next_};
};

TEST_F(EventLogTest, OneLinePerElection) {
  log_.role_changed(raft::Role::leader, raft::Term{3});
  log_.leader_changed(raft::NodeId{1}, raft::Term{3});
  EXPECT_EQ(text_.str(), "raft: this node leads term 3\n");
  text_.str("");
  log_.role_changed(raft::Role::follower, raft::Term{4});
  log_.leader_changed(raft::NodeId{}, raft::Term{4});
  log_.leader_changed(raft::NodeId{2}, raft::Term{4});
  EXPECT_EQ(text_.str(), "raft: no leader is known in term 4\nraft: node 2 leads term 4\n");
}

TEST_F(EventLogTest, TheStandingSaysRoleTermAndLeader) {
  std::vector<std::string> told;
  EventLog log(next_, [&](const std::string& text) { told.push_back(text); });
  log.waits_for_state();
  log.waits_for_admission();
  log.standing_changed(raft::Role::follower, raft::Term{4}, raft::NodeId{2});
  log.standing_changed(raft::Role::pre_candidate, raft::Term{4}, raft::NodeId{});
  log.standing_changed(raft::Role::leader, raft::Term{5}, raft::NodeId{1});
  log.standing_changed(raft::Role::learner, raft::Term{6}, raft::NodeId{3});
  EXPECT_THAT(told, testing::ElementsAre("the state is missing: fetching it from another node",
                                         "waiting to be admitted to the cluster", "follower, term 4, leader node 2",
                                         "pre_candidate, term 4, no leader", "leader, term 5",
                                         "learner, term 6, leader node 3"));
}

}  // namespace
}  // namespace tenaz::server
