#include "storage/kv/history_clock.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "storage/command.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;
using kv::HistoryClock;

TEST(HistoryClock, TheExampleInItsHeader) {
  HistoryClock clock;
  std::vector<HistoryClock::Mark> marks;
  std::uint64_t revision = 0;
  std::vector<std::uint64_t> stood;
  for (const std::uint64_t wall : {100'000U, 100'200U, 105'000U, 90'000U, 9'999'000U}) {
    if (const auto mark = clock.advance(wall, revision++)) marks.push_back(*mark);
    stood.push_back(clock.now_ms());
  }
  EXPECT_EQ(stood, (std::vector<std::uint64_t>{0, 200, 5000, 5000, 65'000}));
  EXPECT_EQ(marks, (std::vector<HistoryClock::Mark>{{0, 0}, {2, 5000}, {4, 65'000}}));
  EXPECT_EQ(clock.revision_at(4999), 0U);
  EXPECT_EQ(clock.revision_at(5000), 2U);
  EXPECT_EQ(clock.revision_at(64'999), 2U);
  EXPECT_EQ(clock.revision_at(1'000'000), 4U);
}

TEST(HistoryClock, AJumpOfTheWallClockIsAMinuteAtMost) {
  HistoryClock clock;
  clock.advance(1'000'000, 0);
  clock.advance(1'000'000 + 31'536'000'000, 1);  // a year ahead
  EXPECT_EQ(clock.now_ms(), HistoryClock::kMaxStepMs);
  clock.advance(1'000'500, 2);  // mended: no year has to pass before it goes on
  EXPECT_EQ(clock.now_ms(), HistoryClock::kMaxStepMs);
  clock.advance(1'001'500, 3);
  EXPECT_EQ(clock.now_ms(), HistoryClock::kMaxStepMs + 1000);
  clock.advance(0, 4);  // no clock at all
  clock.advance(1'002'500, 5);
  EXPECT_EQ(clock.now_ms(), HistoryClock::kMaxStepMs + 1000);
}

// Nothing is ever taken for older than a true record of all times would say, and ten years of writes take few marks.
TEST(HistoryClock, FewMarksThatNeverMakeARevisionOlder) {
  HistoryClock clock;
  std::mt19937_64 random(3);
  std::map<std::uint64_t, std::uint64_t> truth;  // time -> the revision in force then
  std::uint64_t wall = 1, revision = 0;
  std::size_t marks = 0;
  for (int i = 0; i < 200'000; ++i) {
    wall += random() % 30'000;
    marks += clock.advance(wall, revision).has_value() ? 1 : 0;
    truth.try_emplace(clock.now_ms(), revision);
    ++revision;
    if (i % 997 == 0) {
      const std::uint64_t when = random() % (clock.now_ms() + 1);
      const auto after = truth.upper_bound(when);
      EXPECT_LE(clock.revision_at(when), after == truth.begin() ? 0 : std::prev(after)->second);
    }
  }
  EXPECT_LT(marks, 20'000U);
  EXPECT_GT(marks, 1000U);
  // A thousandth of the whole is how coarse they may be.
  const std::uint64_t when = clock.now_ms() / 2;
  EXPECT_GT(clock.revision_at(when), std::prev(truth.upper_bound(when - clock.now_ms() / 500))->second);
}

TEST(HistoryClock, ForgetsWhatIsCompacted) {
  HistoryClock clock;
  for (std::uint64_t i = 0; i < 10; ++i) clock.advance(1 + i * 2000, i);
  EXPECT_EQ(clock.forget(3), (std::vector<std::uint64_t>{0, 1, 2, 3}));
  EXPECT_EQ(clock.revision_at(7999), 0U);
  EXPECT_EQ(clock.revision_at(8000), 4U);
  EXPECT_EQ(clock.forget(3), std::vector<std::uint64_t>{});
}

raft::Entry entry_at(std::uint64_t index, std::uint64_t wall_ms, const pb::Command& command) {
  PayloadBuilder builder;
  builder.add(command.SerializeAsString());
  return {raft::Term(1), raft::Index(index), raft::EntryKind::commands, builder.finish(wall_ms)};
}

// The clock is part of the state: the same whichever way the entries are cut, and there again after a restart.
TEST(HistoryClock, IsStateLikeAnyOther) {
  std::vector<raft::Entry> entries;
  std::mt19937_64 random(5);
  std::uint64_t wall = 1'700'000'000'000;
  for (std::uint64_t i = 1; i <= 300; ++i) {
    wall += random() % 5000 - 500;
    entries.push_back(entry_at(i, wall, i == 150 ? compact(40) : put("k" + std::to_string(i % 7), "v")));
  }
  TempDir one_dir, other_dir;
  auto one = must(StateMachine::open(one_dir.path() / "state-0-0", small_options()));
  auto other = must(StateMachine::open(other_dir.path() / "state-0-0", small_options()));
  must(one->apply(entries, kSelf));
  for (std::size_t from = 0; from < entries.size();) {
    const std::size_t n = std::min<std::size_t>(1 + random() % 9, entries.size() - from);
    must(other->apply({&entries[from], n}, kSelf));
    from += n;
  }
  const auto expect_same = [&] {
    EXPECT_EQ(one->history_clock_ms(), other->history_clock_ms());
    for (std::uint64_t at = 0; at <= one->history_clock_ms() + 1000; at += 500)
      ASSERT_EQ(one->revision_at(at), other->revision_at(at)) << at;
  };
  EXPECT_GT(one->history_clock_ms(), 500'000U);
  EXPECT_GT(one->revision_at(one->history_clock_ms()), Revision(290));
  EXPECT_EQ(one->revision_at(0), Revision(0));
  expect_same();

  must(other->flush());
  other.reset();
  other = must(StateMachine::open(other_dir.path() / "state-0-0", small_options()));
  expect_same();
}

}  // namespace
}  // namespace tenaz::storage
