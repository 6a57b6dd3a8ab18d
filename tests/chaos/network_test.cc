// What gets lost between two hosts is what was asked for, one way or both, and nothing else.
#include "tests/chaos/network.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/integration/harness/process.h"

namespace tenaz::chaos {
namespace {

using harness::Process;

constexpr const char* kListen =
    "import socket\n"
    "s = socket.create_server(('', 7490))\n"
    "while True: s.accept()[0].close()\n";

class TwoHosts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!network_.possible()) GTEST_SKIP() << network_.why_not();
    for (const int host : {1, 2}) {
      listeners_.push_back(std::make_unique<Process>(network_.inside(host, {"python3", "-c", kListen}),
                                                     directory_.path() / "listener.log"));
      ASSERT_TRUE(harness::eventually([&] { return attempt({}, host) == "connected"; }))
          << harness::read_file(directory_.path() / "listener.log");
    }
  }

  // How a connection to the peer port of `to` fares, dialed from the hub or from a host.
  std::string attempt(std::optional<int> from, int to) const {
    std::vector<std::string> command{"timeout", "1", "bash", "-c", "echo > /dev/tcp/" + network_.address(to) + "/7490"};
    if (from) command = network_.inside(*from, command);
    const int code = harness::run(command).exit.code;
    return code == 0 ? "connected" : code == 124 ? "no answer" : "refused";
  }
  std::string there_and_back() const { return attempt(1, 2) + ", " + attempt(2, 1); }

  harness::TempDirectory directory_{"network"};
  Network network_{2, directory_.path() / "network"};
  std::vector<std::unique_ptr<Process>> listeners_;
};

TEST_F(TwoHosts, LoseWhatWasAskedFor) {
  EXPECT_TRUE(network_.connected(1, 2));
  EXPECT_EQ(there_and_back(), "connected, connected");

  network_.lose(1, 2, kDropMessages);
  EXPECT_TRUE(network_.connected(1, 2)) << "nothing was applied yet";
  network_.apply();
  EXPECT_FALSE(network_.connected(1, 2));
  EXPECT_EQ(there_and_back(), "no answer, connected");

  network_.lose(1, 2, kResetMessages);
  network_.apply();
  EXPECT_EQ(there_and_back(), "refused, connected");

  network_.lose(1, 2, kDropPackets);
  network_.apply();
  EXPECT_EQ(there_and_back(), "no answer, no answer");

  network_.lose_both_ways(1, 2, kResetMessages);
  network_.apply();
  EXPECT_EQ(there_and_back(), "refused, refused");

  network_.lose_both_ways(1, 2, {Loss::What::packets, Loss::How::sometimes, 100});
  network_.apply();
  EXPECT_EQ(there_and_back(), "no answer, no answer");
  EXPECT_EQ(attempt({}, 1), "connected") << "clients are never cut off";

  network_.mend_all();
  network_.apply();
  EXPECT_TRUE(network_.connected(1, 2));
  EXPECT_EQ(there_and_back(), "connected, connected");
}

}  // namespace
}  // namespace tenaz::chaos
