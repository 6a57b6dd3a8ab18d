#include "storage/raft_log.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

// The dumb twin: entries by index, and what else the log keeps.
struct Twin {
  std::map<std::uint64_t, raft::Entry> entries;
  std::uint64_t before = 0;
  std::uint64_t before_term = 0;
  raft::HardState hard;
  std::string state_directory = "state-0-0";
  std::uint64_t configuration_index = 0;

  std::uint64_t last() const { return entries.empty() ? before : entries.rbegin()->first; }
  std::uint64_t last_term() const { return entries.empty() ? before_term : entries.rbegin()->second.term.value; }
};

void expect_same(const RaftLog& log, const Twin& twin) {
  ASSERT_EQ(log.first_index().value, twin.before + 1);
  ASSERT_EQ(log.last_index().value, twin.last());
  ASSERT_EQ(log.term(raft::Index(twin.before)), raft::Term(twin.before_term));
  ASSERT_EQ(log.hard_state(), twin.hard);
  ASSERT_EQ(log.state_directory(), twin.state_directory);
  ASSERT_EQ(log.configuration_index().value, twin.configuration_index);
  ASSERT_FALSE(log.term(raft::Index(twin.last() + 1)));
  if (twin.before > 0) {
    ASSERT_FALSE(log.term(raft::Index(twin.before - 1)));
  }
  if (twin.entries.empty()) return;
  const auto read = log.entries(log.first_index(), log.last_index(), SIZE_MAX - 1);
  ASSERT_EQ(read.size(), twin.entries.size());
  std::size_t i = 0;
  for (const auto& [index, entry] : twin.entries) {
    ASSERT_EQ(read[i].index.value, index);
    ASSERT_EQ(read[i].term, entry.term);
    ASSERT_EQ(read[i].kind, entry.kind);
    ASSERT_EQ(*read[i].payload, *entry.payload);
    ASSERT_EQ(log.term(raft::Index(index)), entry.term);
    ++i;
  }
}

class TwinRun {
 public:
  explicit TwinRun(std::uint64_t seed) : random_(seed) {}

  void run(const fs::path& dir) {
    auto log = open_log(dir);
    for (int step = 0; step < 150; ++step) {
      const auto what = random_() % 20;
      if (what < 14) {
        write(*log);
      } else if (what < 17) {
        compact(*log);
      } else if (what == 17) {
        if (random_() % 4 == 0) reset(*log);
      } else {
        log.reset();
        log = open_log(dir);
        ASSERT_EQ(log->incarnation(), ++opens_ + 1);
      }
      ASSERT_NO_FATAL_FAILURE(expect_same(*log, twin_)) << "step " << step;
    }
  }

 private:
  // One to three Persists in one batch, of which later ones may replace what earlier ones wrote.
  void write(RaftLog& log) {
    std::vector<raft::Persist> writes;
    for (std::uint64_t n = 1 + random_() % 3; n > 0; --n) {
      std::optional<raft::HardState> hard;
      if (random_() % 3 == 0) {
        twin_.hard = {raft::Term(std::max(twin_.hard.term.value, twin_.last_term()) + random_() % 2),
                      raft::NodeId(random_() % 4)};
        hard = twin_.hard;
      }
      std::vector<raft::Entry> entries;
      if (random_() % 4 != 0) {
        std::uint64_t from = twin_.last() + 1;
        const bool conflict = random_() % 5 == 0 && !twin_.entries.empty();
        if (conflict) {
          from = twin_.before + 1 + random_() % twin_.entries.size();
          twin_.hard = {raft::Term(std::max(twin_.hard.term.value, twin_.last_term()) + 1), raft::NodeId(0)};
          hard = twin_.hard;
        }
        twin_.entries.erase(twin_.entries.lower_bound(from), twin_.entries.end());
        for (std::uint64_t i = random_() % 6 + 1; i > 0; --i) {
          auto e = noop(from++, twin_.hard.term.value, std::string(random_() % 3000, static_cast<char>(random_())));
          e.kind = static_cast<raft::EntryKind>(random_() % 3);
          twin_.entries[e.index.value] = e;
          entries.push_back(e);
        }
      }
      writes.push_back(persist(hard, entries));
    }
    must(log.write(writes));
  }

  void compact(RaftLog& log) {
    if (twin_.entries.empty()) return;
    const std::uint64_t to = twin_.before + 1 + random_() % twin_.entries.size();
    must(log.compact(raft::Index(to), one_member(), raft::Index(to / 2)));
    twin_.before_term = twin_.entries[to].term.value;
    twin_.before = to;
    twin_.configuration_index = to / 2;
    twin_.entries.erase(twin_.entries.begin(), twin_.entries.upper_bound(to));
    // Again, and further back: nothing happens.
    must(log.compact(raft::Index(to), one_member(), raft::Index(9999)));
  }

  void reset(RaftLog& log) {
    const std::uint64_t index = twin_.before + 1 + random_() % 30;
    const std::uint64_t term = std::max(twin_.hard.term.value, twin_.last_term());
    twin_.hard.term = raft::Term(term);
    const auto hard = persist(twin_.hard, {});
    must(log.write({&hard, 1}));
    const std::string directory = "state-" + std::to_string(index) + "-1";
    must(log.reset({raft::Index(index), raft::Term(term), one_member(), raft::Index(3)}, directory));
    twin_.entries.clear();
    twin_.before = index;
    twin_.before_term = term;
    twin_.state_directory = directory;
    twin_.configuration_index = 3;
  }

  std::mt19937_64 random_;
  Twin twin_;
  std::uint64_t opens_ = 0;
};

TEST(RaftLog, AgreesWithATwin) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TempDir dir;
    ASSERT_NO_FATAL_FAILURE(TwinRun(seed).run(dir.path()));
  }
}

TEST(RaftLog, EntriesStopAtTheByteLimitButGiveAtLeastOne) {
  TempDir dir;
  auto log = open_log(dir.path());
  std::vector<raft::Entry> entries;
  for (std::uint64_t i = 1; i <= 10; ++i) entries.push_back(noop(i, 1, std::string(1000, 'x')));
  const auto write = persist(raft::HardState{raft::Term(1), kSelf}, entries);
  must(log->write({&write, 1}));
  EXPECT_EQ(log->entries(raft::Index(3), raft::Index(10), 1).size(), 1U);
  EXPECT_EQ(log->entries(raft::Index(3), raft::Index(10), 2500).size(), 3U);
  EXPECT_EQ(log->entries(raft::Index(3), raft::Index(4), 1 << 20).size(), 2U);
  EXPECT_NEAR(static_cast<double>(log->bytes()), 10 * 1027.0, 100);
  EXPECT_EQ(log->compaction_target(raft::Index(10), 5000), raft::Index(5));
  EXPECT_EQ(log->compaction_target(raft::Index(3), 5000), raft::Index(3));
  EXPECT_EQ(log->compaction_target(raft::Index(10), 1 << 20), raft::Index(0));
  must(log->compact(raft::Index(4), one_member(), raft::Index(0)));
  EXPECT_TRUE(log->entries(raft::Index(3), raft::Index(10), 1 << 20).empty());
}

TEST(RaftLog, ConfigurationAndPinsSurvive) {
  TempDir dir;
  const auto other =
      raft::founding_configuration({raft::Member{kSelf, "n1", "a:1", "a:2", ""},
                                    raft::Member{raft::NodeId(2), "n2", "b:1", "b:2", "fedcba9876543210"}});
  {
    auto log = open_log(dir.path());
    EXPECT_EQ(log->configuration(), one_member());
    const auto write = persist(raft::HardState{raft::Term(1), kSelf}, {noop(1, 1), noop(2, 1)});
    must(log->write({&write, 1}));
    must(log->compact(raft::Index(2), other, raft::Index(1)));
    must(log->pin({raft::NodeId(2), "fedcba9876543210", 4, 1}));
    must(log->pin({raft::NodeId(3), "0123456789abcdef", 1, 1}));
    must(log->pin({raft::NodeId(2), "fedcba9876543210", 5, 1}));
  }
  const auto log = open_log(dir.path());
  EXPECT_EQ(log->configuration(), other);
  EXPECT_EQ(log->configuration_index(), raft::Index(1));
  const auto pin = log->pin_of(raft::NodeId(2));
  ASSERT_TRUE(pin);
  EXPECT_EQ(pin->storage_id, "fedcba9876543210");
  EXPECT_EQ(pin->incarnation, 5U);
  EXPECT_EQ(log->pin_of(raft::NodeId(3))->storage_id, "0123456789abcdef");
  EXPECT_FALSE(log->pin_of(raft::NodeId(4)));
}

TEST(RaftLog, ADistrustedDiskStaysDistrusted) {
  TempDir dir;
  {
    auto log = open_log(dir.path());
    must(log->pin({raft::NodeId(2), "fedcba9876543210", PeerPin::kDistrusted, 1}));
    must(log->pin({raft::NodeId(2), "fedcba9876543210", 7, 1}));
  }
  EXPECT_EQ(open_log(dir.path())->pin_of(raft::NodeId(2))->incarnation, PeerPin::kDistrusted);
}

// A log of terms 1 1 2 2 3 3, compacted up to index 2, of a node that voted in term 3 and has lost its state.
class LostState : public testing::Test {
 protected:
  LostState() {
    log_ = open_log(dir_.path());
    std::vector<raft::Entry> entries;
    for (std::uint64_t index = 1; index <= 6; ++index) entries.push_back(noop(index, (index + 1) / 2));
    const auto write = persist(hard_, entries);
    must(log_->write({&write, 1}));
    must(log_->compact(raft::Index(2), one_member(), raft::Index(0)));
  }
  // What another node had applied, as it stands after a restart.
  void replace(std::uint64_t index, std::uint64_t term) {
    must(log_->replace_state({raft::Index(index), raft::Term(term), one_member(), raft::Index(1)}, "state-new"));
    log_.reset();
    log_ = open_log(dir_.path());
    EXPECT_EQ(log_->state_directory(), "state-new");
  }
  void expect_log(std::uint64_t first, std::uint64_t last) const {
    EXPECT_EQ(log_->first_index(), raft::Index(first));
    EXPECT_EQ(log_->last_index(), raft::Index(last));
  }

  TempDir dir_;
  std::unique_ptr<RaftLog> log_;
  const raft::HardState hard_{raft::Term(3), raft::NodeId(2)};
};

TEST_F(LostState, WithinTheLogNothingThatWasAcknowledgedGoes) {
  replace(4, 2);
  expect_log(3, 6);
  EXPECT_EQ(log_->hard_state(), hard_);
  EXPECT_EQ(log_->configuration_index(), raft::Index(0));
  EXPECT_EQ(log_->entries(raft::Index(3), raft::Index(6), SIZE_MAX - 1).size(), 4U);
}

TEST_F(LostState, AtEitherEndOfTheLogItStaysToo) {
  replace(2, 1);
  expect_log(3, 6);
  replace(6, 3);
  expect_log(3, 6);
}

TEST_F(LostState, BehindTheLogItBeginsAnew) {
  replace(9, 3);
  expect_log(10, 9);
  EXPECT_EQ(log_->term(raft::Index(9)), raft::Term(3));
  EXPECT_EQ(log_->hard_state(), hard_) << "the vote of this term is not forgotten";
  EXPECT_EQ(log_->configuration_index(), raft::Index(1));
}

TEST_F(LostState, ALaterTermIsEntered) {
  replace(9, 5);
  expect_log(10, 9);
  EXPECT_EQ(log_->hard_state(), (raft::HardState{raft::Term(5), raft::NodeId()}));
}

TEST_F(LostState, WhereTheLogWentAnotherWayItBeginsAnew) {
  replace(5, 4);
  expect_log(6, 5);
  EXPECT_EQ(log_->term(raft::Index(5)), raft::Term(4));
}

// A node that runs for long: the directory stays bounded, and most entries are never written a second time.
TEST(RaftLog, CompactionGivesSpaceBack) {
  TempDir dir;
  auto log = open_log(dir.path());
  std::mt19937_64 random(1);
  std::uint64_t index = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<raft::Entry> entries;
    for (int i = 0; i < 16; ++i) {
      std::string payload(8192, '\0');
      for (auto& c : payload) c = static_cast<char>(random());
      entries.push_back(noop(++index, 1, payload));
    }
    const auto write =
        persist(index == 16 ? std::optional(raft::HardState{raft::Term(1), kSelf}) : std::nullopt, entries);
    must(log->write({&write, 1}));
    must(log->compact(log->compaction_target(raft::Index(index), 256 << 10), one_member(), raft::Index(0)));
  }
  log.reset();
  log = open_log(dir.path());
  EXPECT_EQ(log->last_index().value, index);
  std::uint64_t bytes = 0;
  for (const auto& file : fs::directory_iterator(dir.path() / "raft")) bytes += file.file_size();
  EXPECT_LT(bytes, 12U << 20) << "of 39 MiB written";
}

// The core's thread reads while the log writer appends and compacts.
TEST(RaftLog, ReadersRunBesideTheWriter) {
  TempDir dir;
  auto log = open_log(dir.path());
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      const auto first = log->first_index(), last = log->last_index();
      if (first > last) continue;
      const auto entries = log->entries(first, last, 64 << 10);
      for (std::size_t i = 0; i < entries.size(); ++i) {
        ASSERT_EQ(entries[i].index, first + i);
        ASSERT_EQ(*entries[i].payload, std::to_string(entries[i].index.value));
      }
    }
  });
  for (std::uint64_t index = 1; index <= 400; ++index) {
    const auto write = persist(index == 1 ? std::optional(raft::HardState{raft::Term(1), kSelf}) : std::nullopt,
                               {noop(index, 1, std::to_string(index))});
    must(log->write({&write, 1}));
    if (index % 20 == 0) must(log->compact(raft::Index(index - 10), one_member(), raft::Index(0)));
  }
  done = true;
  reader.join();
}

}  // namespace
}  // namespace tenaz::storage
