#include "raft/log.h"

#include <gtest/gtest.h>

#include <random>

#include "raft/membership.h"
#include "raft/writes.h"
#include "tests/unit/raft/support/memory_log.h"

namespace tenaz::raft {
namespace {

using test::MemoryLog;
using test::voters;

Entry entry(std::uint64_t index, std::uint64_t term, std::string bytes = "") {
  return {Term{term}, Index{index}, EntryKind::commands, make_payload(std::move(bytes))};
}

// The log against a plain vector, over random appends, conflicts, writes that become durable late, compaction and
// restarts.
class Twins {
 public:
  explicit Twins(unsigned seed) : rng_(seed), disk_(voters(3)), cache_(seed % 3 == 0 ? 0 : rng_() % 2000) { open(); }

  void step() {
    switch (rng_() % 8) {
      case 0:
      case 1:
      case 2:
        return append();
      case 3:
        return truncate();
      case 4:
        return write();
      case 5:
        return finish_write();
      case 6:
        return compact();
      default:
        if (rng_() % 20 == 0) restart();
    }
  }

  void compare() {
    ASSERT_EQ(log_->base().value, base_);
    ASSERT_EQ(log_->last_index().value, base_ + plain_.size());
    ASSERT_FALSE(log_->term(Index{base_ + plain_.size() + 1}));
    if (base_ > 0) {
      ASSERT_FALSE(log_->term(Index{base_ - 1}));
    }
    ASSERT_EQ(log_->term(Index{base_}), base_term_);
    for (std::size_t i = 0; i < plain_.size(); ++i) ASSERT_EQ(log_->term(plain_[i].index), plain_[i].term);
    // Everything that counts as durable is on the disk in this very form.
    for (Index i = log_->first_index(); i <= log_->durable_index(); i = i.next()) {
      ASSERT_EQ(disk_.term(i), log_->term(i));
      ASSERT_EQ(*disk_.at(i).payload, *plain_[i.value - base_ - 1].payload);
    }
    compare_ranges();
    const Index latest = last_configuration();
    ASSERT_EQ(log_->latest_configuration().first, latest);
    const std::uint64_t at = base_ + rng_() % (plain_.size() + 1);
    ASSERT_EQ(log_->configuration_at(Index{at}).first, last_configuration(Index{at}));
  }

 private:
  void open() { log_.emplace(disk_, cache_, disk_.configuration(), disk_.configuration_index()); }

  void append() {
    term_ += rng_() % 4 == 0;
    Entry e = entry(base_ + plain_.size() + 1, term_, std::string(rng_() % 100, 'x') + std::to_string(rng_()));
    if (rng_() % 6 == 0) {
      e.kind = EntryKind::configuration;
      e.payload = make_payload(encode(voters(1 + rng_() % 5)));
    }
    plain_.push_back(e);
    log_->append(e);
  }

  void truncate() {
    if (plain_.empty() || rng_() % 3) return;
    // Nothing at or below the durable state machine is ever truncated: here, what was compacted.
    const std::size_t keep = rng_() % plain_.size();
    plain_.resize(keep);
    log_->truncate(Index{base_ + keep + 1});
    writes_.truncate(Index{base_ + keep + 1});
    // Only a conflicting entry truncates, and takes the place.
    ++term_;
    append();
  }

  void write() {
    Persist persist;
    persist.entries = log_->take_unwritten();
    persist.id = writes_.issue(log_->written(), std::nullopt);
    queue_.push_back(std::move(persist));
  }

  void finish_write() {
    if (queue_.empty()) return;
    disk_.write(queue_.front());
    log_->persisted(writes_.persisted(queue_.front().id).last);
    queue_.pop_front();
  }

  void compact() {
    if (rng_() % 3 || log_->durable_index() == log_->base()) return;
    while (!queue_.empty()) finish_write();
    const Index to{base_ + 1 + rng_() % log_->durable_index().past(log_->base())};
    const auto [index, configuration] = log_->configuration_at(to);
    base_term_ = *log_->term(to);
    disk_.compact(to, {configuration, index});
    log_->compacted(to);
    configuration_at_base_ = last_configuration(to);
    plain_.erase(plain_.begin(), plain_.begin() + static_cast<std::ptrdiff_t>(to.value - base_));
    base_ = to.value;
  }

  void restart() {
    while (!queue_.empty()) finish_write();
    write();
    finish_write();
    open();
  }

  Index last_configuration(Index at = Index{~0ULL}) const {
    Index found = configuration_at_base_;
    for (const Entry& e : plain_)
      if (e.kind == EntryKind::configuration && e.index <= at) found = e.index;
    return found;
  }

  void compare_ranges() {
    if (plain_.empty()) return;
    const std::size_t from = rng_() % plain_.size();
    const std::size_t to = from + rng_() % (plain_.size() - from);
    const std::size_t limit = rng_() % 500;
    const std::vector<Entry> got = log_->entries(plain_[from].index, plain_[to].index, limit);
    ASSERT_FALSE(got.empty());
    ASSERT_LE(got.size(), to - from + 1);
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i].index, plain_[from + i].index);
      ASSERT_EQ(got[i].term, plain_[from + i].term);
      ASSERT_EQ(*got[i].payload, *plain_[from + i].payload);
    }
    const Term term{rng_() % (term_ + 1)};
    Index expected{base_};
    for (std::size_t i = 0; i <= from; ++i)
      if (plain_[i].term <= term) expected = plain_[i].index;
    ASSERT_EQ(log_->last_at_most(plain_[from].index, term), expected);
  }

  std::mt19937 rng_;
  MemoryLog disk_;
  std::size_t cache_;
  std::optional<Log> log_;
  Writes writes_;
  std::deque<Persist> queue_;
  std::vector<Entry> plain_;
  std::uint64_t base_ = 0;
  Term base_term_;
  Index configuration_at_base_;
  std::uint64_t term_ = 1;
};

TEST(Log, AgreesWithAPlainVector) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Twins twins(seed);
    for (int i = 0; i < 200; ++i) {
      twins.step();
      twins.compare();
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Log, ASnapshotReplacesAllOfIt) {
  MemoryLog disk(voters(3));
  Log log(disk, 1000, disk.configuration(), Index{});
  log.append(entry(1, 1));
  log.append(entry(2, 1));
  log.reset({Index{9}, Term{4}, voters(5), Index{7}});
  EXPECT_EQ(log.base(), Index{9});
  EXPECT_EQ(log.last_index(), Index{9});
  EXPECT_EQ(log.durable_index(), Index{9});
  EXPECT_EQ(log.last_term(), Term{4});
  EXPECT_FALSE(log.has_unwritten());
  EXPECT_EQ(log.latest_configuration(), (std::pair{Index{7}, voters(5)}));
  log.append(entry(10, 4));
  EXPECT_TRUE(log.has_unwritten());
}

// What lies behind the snapshot continues another history, though it is durable.
TEST(Log, ASnapshotInTheMiddleLeavesNothingBehindIt) {
  MemoryLog disk(voters(3));
  Persist write;
  for (std::uint64_t index = 1; index <= 12; ++index) write.entries.push_back(entry(index, 1));
  disk.write(write);
  Log log(disk, 1000, disk.configuration(), Index{});
  ASSERT_EQ(log.durable_index(), Index{12});
  log.reset({Index{9}, Term{4}, voters(5), Index{7}});
  EXPECT_EQ(log.base(), Index{9});
  EXPECT_EQ(log.last_index(), Index{9});
  EXPECT_EQ(log.last_term(), Term{4});
}

TEST(Log, EntriesFitTheLimitButAreNeverNone) {
  MemoryLog disk(voters(1));
  Log log(disk, 1000, disk.configuration(), Index{});
  for (std::uint64_t i = 1; i <= 5; ++i) log.append(entry(i, 1));
  EXPECT_EQ(log.entries(Index{1}, Index{5}, 0).size(), 1U);
  EXPECT_EQ(log.entries(Index{1}, Index{5}, 2 * 64).size(), 2U);
  EXPECT_EQ(log.entries(Index{1}, Index{5}, 3 * 64 - 1).size(), 2U);
  EXPECT_EQ(log.entries(Index{4}, Index{5}, 1 << 20).size(), 2U);
  EXPECT_TRUE(log.entries(Index{6}, Index{5}, 1 << 20).empty());
}

TEST(LogDeathTest, WhatCannotBeStopsTheProcess) {
  MemoryLog disk(voters(1));
  Log log(disk, 1000, disk.configuration(), Index{});
  log.append(entry(1, 5));
  EXPECT_DEATH(log.append(entry(3, 5)), "without a gap");
  EXPECT_DEATH(log.append(entry(2, 4)), "never fall");
  EXPECT_DEATH(log.truncate(Index{}), "cannot be truncated");
  Entry broken = entry(2, 5, "junk");
  broken.kind = EntryKind::configuration;
  EXPECT_DEATH(log.append(broken), "cannot be read");
}

}  // namespace
}  // namespace tenaz::raft
