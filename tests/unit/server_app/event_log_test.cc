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

}  // namespace
}  // namespace tenaz::server
