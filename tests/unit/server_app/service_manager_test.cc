// What the service manager is told, read from a socket of the test's own.
#include "server/service_manager.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "tests/unit/server_app/notify_socket.h"

namespace tenaz::server {
namespace {

// Where this process's messages go.
class OwnSocket : public NotifySocket {
 public:
  explicit OwnSocket(const std::string& name) : NotifySocket(name) { ::setenv("NOTIFY_SOCKET", name.c_str(), 1); }
  ~OwnSocket() { ::unsetenv("NOTIFY_SOCKET"); }
};

std::string unique_name() {
  return "tenaz-notify-" + std::to_string(::getpid()) + "-" +
         ::testing::UnitTest::GetInstance()->current_test_info()->name();
}

bool readable(int fd) {
  pollfd waited{fd, POLLIN, 0};
  return ::poll(&waited, 1, 0) == 1;
}

TEST(ServiceManager, TellsALifeInOrder) {
  OwnSocket socket(testing::TempDir() + unique_name());
  ServiceManager manager;
  EXPECT_EQ(socket.received(), "") << "nothing before there is something to say";
  manager.starting("opening /var/lib/tenaz");
  EXPECT_EQ(socket.received(), "STATUS=opening /var/lib/tenaz");
  manager.standing("follower, term 1, no leader");
  EXPECT_EQ(socket.received(), "") << "only the main thread sends";
  manager.ready();
  EXPECT_EQ(socket.received(), "READY=1\nSTATUS=follower, term 1, no leader");
  manager.standing("leader, term 2");
  ASSERT_TRUE(readable(manager.wake_fd()));
  manager.pass_on();
  EXPECT_EQ(socket.received(), "STATUS=leader, term 2");
  manager.stopping("SIGTERM");
  EXPECT_EQ(socket.received(), "STOPPING=1\nSTATUS=SIGTERM");
  EXPECT_EQ(socket.received(), "");
}

TEST(ServiceManager, AnAbstractSocket) {
  OwnSocket socket("@" + unique_name());
  ServiceManager manager;
  manager.standing("leader, term 1");
  manager.ready();
  EXPECT_EQ(socket.received(), "READY=1\nSTATUS=leader, term 1");
}

// Type=notify-reload wants the moment of reloading, and would take an earlier READY=1 for the answer otherwise.
TEST(ServiceManager, AReloadSaysWhenItBeganAndThatItIsOver) {
  OwnSocket socket(testing::TempDir() + unique_name());
  ServiceManager manager;
  manager.standing("leader, term 3");
  manager.ready();
  socket.received();
  timespec before{};
  ::clock_gettime(CLOCK_MONOTONIC, &before);
  manager.reloading();
  const std::string began = socket.received();
  const std::string mark = "RELOADING=1\nMONOTONIC_USEC=";
  ASSERT_TRUE(began.starts_with(mark)) << began;
  const std::size_t end = began.find('\n', mark.size());
  EXPECT_EQ(began.substr(end), "\nSTATUS=reading the configuration again");
  const std::uint64_t then =
      static_cast<std::uint64_t>(before.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(before.tv_nsec) / 1000;
  EXPECT_GE(std::stoull(began.substr(mark.size(), end - mark.size())), then);
  manager.standing("follower, term 4, no leader");
  manager.ready();
  EXPECT_EQ(socket.received(), "READY=1\nSTATUS=follower, term 4, no leader");
}

TEST(ServiceManager, TheNewestStandingIsPassedOnOnce) {
  OwnSocket socket(testing::TempDir() + unique_name());
  ServiceManager manager;
  manager.ready();
  socket.received();
  for (const char* text : {"candidate, term 7, no leader", "follower, term 7, leader node 2", "leader, term 8"})
    manager.standing(text);
  manager.pass_on();
  EXPECT_EQ(socket.received(), "STATUS=leader, term 8");
  EXPECT_FALSE(readable(manager.wake_fd()));
  manager.pass_on();
  EXPECT_EQ(socket.received(), "");
  manager.standing("leader, term 8");
  manager.pass_on();
  EXPECT_EQ(socket.received(), "") << "the same again is no news";
}

// Whatever would be the end of a line begins another assignment.
TEST(ServiceManager, ATextIsOneLine) {
  OwnSocket socket(testing::TempDir() + unique_name());
  ServiceManager manager;
  manager.starting("cannot start:\nREADY=1");
  EXPECT_EQ(socket.received(), "STATUS=cannot start: READY=1");
}

// Sending blocks while the manager reads nothing. The replica's thread must not wait for it.
TEST(ServiceManager, AManagerThatReadsNothingHoldsUpNobodyElse) {
  OwnSocket socket(testing::TempDir() + unique_name());
  ServiceManager manager;
  std::thread main_thread([&] {
    for (int i = 0; i < 2000; ++i) manager.starting("more than the socket's queue takes");
  });
  for (int i = 0; i < 100'000; ++i) manager.standing("leader, term " + std::to_string(i));
  int messages = 0;
  while (messages < 2000) messages += socket.received().empty() ? 0 : 1;
  main_thread.join();
  manager.pass_on();
  EXPECT_EQ(socket.received(), "STATUS=leader, term 99999");
}

TEST(ServiceManager, WithoutOneNothingHappens) {
  ::unsetenv("NOTIFY_SOCKET");
  ServiceManager manager;
  manager.starting("x");
  manager.standing("y");
  manager.ready();
  manager.pass_on();
  manager.reloading();
  manager.stopping("z");
  ::setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
  manager.ready();
  ::unsetenv("NOTIFY_SOCKET");
}

}  // namespace
}  // namespace tenaz::server
