// Forgetting history: what is dropped, what must stay, and that the space comes back.
#include "storage/kv/compaction.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "storage/state_machine.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

std::uint64_t bytes_of(const fs::path& directory) {
  std::uint64_t sum = 0;
  for (const auto& table : files_with(directory, ".sst")) {
    std::error_code gone;  // RocksDB deletes files meanwhile
    const auto size = fs::file_size(table, gone);
    if (!gone) sum += size;
  }
  return sum;
}

kv::ListRequest up_to(std::size_t limit, std::optional<Revision> at = {}) {
  kv::ListRequest request;
  request.limit = limit;
  request.at = at;
  return request;
}

class CompactionTest : public testing::Test {
 protected:
  void SetUp() override { state_ = must(StateMachine::open(directory(), small_options())); }
  fs::path directory() const { return dir_.path() / "state"; }
  bool reclaiming() const {
    for (const auto& figure : state_->figures())
      if (std::string_view(figure.name) == "reclaiming") return figure.value != 0;
    ADD_FAILURE() << "no such figure";
    return false;
  }

  CommandResult apply(const pb::Command& c) {
    const auto e = entry(state_->applied_index().value + 1, {c});
    return must(state_->apply({&e, 1}, kSelf)).replies[0].result;
  }
  std::string random_value(std::size_t size) {
    std::string value(size, '\0');
    for (auto& c : value) c = static_cast<char>(random_());
    return value;
  }

  std::mt19937_64 random_{1};
  TempDir dir_;
  std::unique_ptr<StateMachine> state_;
};

// Deletes make room on a full disk.
TEST_F(CompactionTest, SpaceOfOverwrittenAndDeletedKeysComesBack) {
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 1000; ++i) apply(put("key" + std::to_string(i), random_value(2000)));
  }
  must(state_->flush());
  EXPECT_GT(bytes_of(directory()), 7U << 20);

  apply(compact(4000));
  must(state_->flush());
  EXPECT_TRUE(eventually([&] { return bytes_of(directory()) < (3U << 20); })) << bytes_of(directory());
  EXPECT_EQ(must(state_->reader().list(up_to(10000))).items.size(), 1000U);

  apply(del_range("", ""));
  apply(compact(4001));
  must(state_->flush());
  EXPECT_TRUE(eventually([&] { return bytes_of(directory()) < (64U << 10); })) << bytes_of(directory());
  EXPECT_TRUE(must(state_->reader().list({})).items.empty());
  EXPECT_EQ(apply(put("key1", "again")).version, 1U);
}

// Stopped in the middle of it, a node goes on with it when it is started, without another compaction.
TEST_F(CompactionTest, SpaceComesBackAfterARestartToo) {
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 1000; ++i) apply(put("key" + std::to_string(i), random_value(2000)));
  }
  apply(compact(4000));
  must(state_->flush());
  state_.reset();
  state_ = must(StateMachine::open(directory(), small_options()));
  EXPECT_TRUE(eventually([&] { return !reclaiming(); }));
  EXPECT_TRUE(eventually([&] { return bytes_of(directory()) < (3U << 20); })) << bytes_of(directory());
  apply(put("key1", "x"));
  {
    const Busy no_flushes(rocksdb::Env::HIGH);
    apply(compact(4001));
    EXPECT_TRUE(reclaiming()) << "known as soon as it is applied";
  }
  must(state_->flush());
  EXPECT_TRUE(eventually([&] { return !reclaiming(); }));
}

TEST_F(CompactionTest, WhatAReaderAtTheCompactRevisionSeesStays) {
  // Revisions 1..40: each key is written four times; then 41..45 delete some of them.
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 10; ++i) apply(put("k" + std::to_string(i), std::to_string(round)));
    must(state_->flush());
  }
  for (int i = 0; i < 5; ++i) apply(del("k" + std::to_string(i)));
  must(state_->flush());
  apply(compact(25));  // in the third round: keys 0..4 are at "2", 5..9 at "1"
  must(state_->flush());
  const auto check = [&](const StateMachine& state) {
    for (int i = 0; i < 10; ++i) {
      const std::string key = "k" + std::to_string(i);
      EXPECT_EQ(must(state.reader().get(key, Revision(25))).found->value, i < 5 ? "2" : "1");
      EXPECT_EQ(must(state.reader().get(key, Revision(40))).found->value, "3");
      EXPECT_EQ(must(state.reader().get(key, {})).found.has_value(), i >= 5);
      EXPECT_EQ(state.reader().get(key, Revision(24)).error().code, ErrorCode::compacted);
    }
    EXPECT_EQ(must(state.reader().list(up_to(100, Revision(25)))).items.size(), 10U);
    EXPECT_EQ(must(state.reader().list({})).items.size(), 5U);
  };
  for (int i = 0; i < 20; ++i) check(*state_);  // while the compaction runs
  ASSERT_TRUE(eventually([&] { return !reclaiming(); }));
  check(*state_);
  state_.reset();
  state_ = must(StateMachine::open(directory(), small_options()));
  check(*state_);
}

// Hazards M36: a Compact that was lost in a crash must not have taken anything with it.
TEST_F(CompactionTest, ACompactRevisionThatIsNotDurableDropsNothing) {
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) apply(put("k" + std::to_string(i), std::to_string(round)));
    must(state_->flush());
  }
  const Busy no_flushes(rocksdb::Env::HIGH);
  apply(compact(600));
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));  // time for what must not happen
  // Not flushed. Reopening makes RocksDB look at its files; the crash brings the store back to revision 600, compact 0.
  copy_tree(directory(), dir_.path() / "crashed");
  const auto crashed = must(StateMachine::open(dir_.path() / "crashed", small_options()));
  EXPECT_EQ(crashed->reader().compact_revision(), Revision(0));
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(must(crashed->reader().get("k" + std::to_string(i), Revision(200))).found->value, "0");
    EXPECT_EQ(must(crashed->reader().get("k" + std::to_string(i), Revision(400))).found->value, "1");
  }
}

// A deleted key whose marker is dropped must not come back from an older file.
TEST_F(CompactionTest, DeletedKeysStayDeleted) {
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 300; ++i) apply(put("k" + std::to_string(i), random_value(1000)));
    must(state_->flush());
    for (int i = round; i < 300; i += 2) apply(del("k" + std::to_string(i)));
    must(state_->flush());
    apply(compact(state_->reader().revision().value));
    must(state_->flush());
    for (int i = 0; i < 300; ++i) {
      const bool deleted = i >= round && (i - round) % 2 == 0;
      EXPECT_EQ(must(state_->reader().get("k" + std::to_string(i), {})).found.has_value(), !deleted);
    }
  }
  state_.reset();
  state_ = must(StateMachine::open(directory(), small_options()));
  EXPECT_EQ(must(state_->reader().list(up_to(1000))).items.size(), 300U - (300U - 5U + 1U) / 2U);
}

// Reads of the latest revision never fail because history is dropped under them; reads of an old one say "compacted".
TEST_F(CompactionTest, ReadersRunBesideCompaction) {
  for (int i = 0; i < 200; ++i) apply(put("k" + std::to_string(i), random_value(500)));
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      const auto list = state_->reader().list(up_to(1000));
      ASSERT_TRUE(list) << list.error().message;
      ASSERT_EQ(list->items.size(), 200U);
      const auto past = state_->reader().list(up_to(1000, list->revision));
      if (past) {
        ASSERT_EQ(past->items.size(), 200U);
      } else {
        ASSERT_EQ(past.error().code, ErrorCode::compacted) << past.error().message;
      }
    }
  });
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 200; ++i) apply(put("k" + std::to_string(i), random_value(500)));
    apply(compact(state_->reader().revision().value));
    must(state_->flush());
  }
  done = true;
  reader.join();
}

}  // namespace
}  // namespace tenaz::storage
