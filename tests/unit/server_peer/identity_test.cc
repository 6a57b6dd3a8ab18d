#include "server/peer/identity.h"

#include <gtest/gtest.h>

namespace tenaz::server::peer {
namespace {

TEST(LocalIdentityTest, KnowsTheBootsOfItsLastStarts) {
  LocalIdentity who;
  who.incarnation = 9;
  who.boot = 90;
  who.earlier_boots = {80, 70};
  EXPECT_EQ(who.boot_of(9), 90U);
  EXPECT_EQ(who.boot_of(8), 80U);
  EXPECT_EQ(who.boot_of(7), 70U);
  EXPECT_EQ(who.boot_of(6), std::nullopt);
  EXPECT_EQ(who.boot_of(10), std::nullopt);
}

// Node 3 was last met at its fourth start, which drew 40.
class PinnedDisk : public testing::Test {
 protected:
  PinnedDisk() {
    shown.node = raft::NodeId{3};
    shown.storage_id = std::string(16, 's');
    start(4, 40, {30, 20, 10});
    pinned = pin_of(shown);
  }
  void start(std::uint64_t number, std::uint64_t boot, std::vector<std::uint64_t> earlier) {
    shown.incarnation = number;
    shown.boot = boot;
    shown.earlier_boots = std::move(earlier);
  }
  std::string why() const { return why_not_the_same_disk(pinned, shown).value_or(""); }

  LocalIdentity shown;
  storage::PeerPin pinned;
};

TEST_F(PinnedDisk, IsTheSameAtTheSameStartAndAtLaterOnes) {
  EXPECT_EQ(why(), "");
  start(5, 50, {40, 30, 20, 10});
  EXPECT_EQ(why(), "");
  start(7, 70, {60, 50, 40});
  EXPECT_EQ(why(), "");
}

TEST_F(PinnedDisk, WithAnotherStorageIdWasEmptiedOrReplaced) {
  shown.storage_id = std::string(16, 't');
  start(1, 11, {});
  EXPECT_NE(why().find("disk replaced: node 3"), std::string::npos) << why();
}

TEST_F(PinnedDisk, WithFewerStartsWasPutBack) {
  start(3, 31, {20, 10});
  EXPECT_NE(why().find("disk rolled back: node 3 has been started 4 times"), std::string::npos) << why();
}

TEST_F(PinnedDisk, ThatRemembersAnotherStartWasPutBack) {
  start(4, 41, {30, 20, 10});  // the copy was made before start 4
  EXPECT_NE(why().find("start 4 of node 3 was another one"), std::string::npos) << why();
  start(6, 61, {51, 41, 30, 20, 10});  // and has been started a few times since
  EXPECT_NE(why().find("start 4 of node 3 was another one"), std::string::npos) << why();
}

TEST_F(PinnedDisk, ThatWasDistrustedStaysSo) {
  pinned.incarnation = storage::PeerPin::kDistrusted;
  start(9, 90, {80, 70, 60, 50, 40, 30, 20, 10});
  EXPECT_NE(why().find("has lost entries that it had acknowledged"), std::string::npos) << why();
}

}  // namespace
}  // namespace tenaz::server::peer
