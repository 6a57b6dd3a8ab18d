#include "server/disk_watch.h"

#include <gtest/gtest.h>

namespace tenaz::server {
namespace {

using raft::Instant;
using std::chrono::milliseconds;
using std::chrono::seconds;

class DiskWatchTest : public ::testing::Test {
 protected:
  bool stalled_at(milliseconds time) {
    watch_.look(at(time));
    return watch_.stalled();
  }
  static Instant at(milliseconds time) { return Instant(seconds(100)) + time; }

  DiskWatch watch_{milliseconds(400)};
};

TEST_F(DiskWatchTest, NothingAskedNothingStalls) {
  EXPECT_EQ(watch_.due(), Instant::max());
  EXPECT_FALSE(stalled_at(seconds(50)));
}

TEST_F(DiskWatchTest, CountsFromTheOldestThatWaits) {
  watch_.asked(at(milliseconds(0)));
  watch_.asked(at(milliseconds(390)));
  EXPECT_EQ(watch_.due(), at(milliseconds(400)));
  EXPECT_FALSE(stalled_at(milliseconds(399)));
  EXPECT_TRUE(stalled_at(milliseconds(400)));
  EXPECT_EQ(watch_.due(), Instant::max());
}

TEST_F(DiskWatchTest, EachAnswerBeginsANewWait) {
  watch_.asked(at(milliseconds(0)));
  watch_.answered(at(milliseconds(300)), true);
  EXPECT_FALSE(stalled_at(milliseconds(699)));
  EXPECT_TRUE(stalled_at(milliseconds(700)));
  watch_.answered(at(milliseconds(800)), true);
  EXPECT_FALSE(watch_.stalled());
  watch_.answered(at(milliseconds(900)), false);
  EXPECT_FALSE(stalled_at(seconds(9)));
}

// After SIGCONT the timer may come before the answer that has lain there for long.
TEST_F(DiskWatchTest, ALateLookIsNotTheDisksFault) {
  watch_.asked(at(milliseconds(0)));
  EXPECT_FALSE(stalled_at(seconds(10)));
  EXPECT_EQ(watch_.due(), at(milliseconds(10'100))) << "a moment more";
  EXPECT_TRUE(stalled_at(milliseconds(10'100)));
}

// A loop that is always late must not hide a disk that does not answer.
TEST_F(DiskWatchTest, ButOnlyOncePerWait) {
  watch_.asked(at(milliseconds(0)));
  EXPECT_FALSE(stalled_at(seconds(1)));
  EXPECT_TRUE(stalled_at(seconds(2)));
}

}  // namespace
}  // namespace tenaz::server
