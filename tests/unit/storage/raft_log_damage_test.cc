// Every way in which bytes of a raft/ directory may go wrong ends in a clear error or in all that was acknowledged:
// never in garbage, never in a log that has forgotten (hazards M34).
#include <gtest/gtest.h>

#include "storage/raft_log.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

constexpr std::uint64_t kEntries = 40;

std::string payload_of(std::uint64_t index) {
  return std::string(200 + index, static_cast<char>('a' + index % 26));
}

// A directory with kEntries entries, each its own synced write; `flushed`: the first half of them in a table.
class Damage : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    Options options = small_options();
    auto log = open_log(dir_.path() / "good", options);
    std::uint64_t index = 0;
    const auto write = [&](RaftLog& to) {
      ++index;
      const auto one = persist(raft::HardState{raft::Term(index), kSelf}, {noop(index, index, payload_of(index))});
      must(to.write({&one, 1}));
    };
    while (index < kEntries / 2) write(*log);
    if (GetParam()) {
      // Opening writes what the write-ahead log held into a table.
      log.reset();
      log = open_log(dir_.path() / "good", options);
    }
    while (index < kEntries) write(*log);
  }

  fs::path fresh_copy() {
    copy_tree(dir_.path() / "good", copy());
    return copy() / "raft";
  }
  fs::path copy() const { return dir_.path() / "copy"; }

  // Opens the damaged copy: an error that tells the operator what to do, or all the entries as they were.
  bool whole_or_refused(const std::string& what) {
    auto opened = RaftLog::open(copy(), kIdentity, one_member(), small_options());
    if (!opened) {
      EXPECT_EQ(opened.error().code, ErrorCode::corruption) << what << ": " << opened.error().message;
      EXPECT_NE(opened.error().message.find("remove it from the cluster"), std::string::npos) << opened.error().message;
      return false;
    }
    EXPECT_EQ((*opened)->last_index().value, kEntries) << what;
    EXPECT_EQ((*opened)->hard_state().term.value, kEntries) << what;
    if ((*opened)->last_index().value != kEntries) return true;
    const auto entries = (*opened)->entries(raft::Index(1), raft::Index(kEntries), SIZE_MAX - 1);
    for (const auto& entry : entries) EXPECT_EQ(*entry.payload, payload_of(entry.index.value)) << what;
    return true;
  }

  fs::path newest_wal(const fs::path& raft) { return files_with(raft, ".log").back(); }

  TempDir dir_;
};

TEST_P(Damage, Undamaged) {
  fresh_copy();
  EXPECT_TRUE(whole_or_refused("undamaged"));
}

// A cut anywhere in the newest write-ahead log, at record boundaries and within records.
TEST_P(Damage, TheWriteAheadLogIsCut) {
  const auto size = fs::file_size(newest_wal(fresh_copy()));
  for (std::uint64_t keep = 0; keep < size; keep += 1 + size / 150) {
    const auto raft = fresh_copy();
    fs::resize_file(newest_wal(raft), keep);
    EXPECT_FALSE(whole_or_refused("cut to " + std::to_string(keep) + " of " + std::to_string(size)));
  }
}

TEST_P(Damage, ByteFlipsInTheWriteAheadLog) {
  const std::string good = read_file(newest_wal(fresh_copy()));
  for (std::size_t at = 0; at < good.size(); at += 1 + good.size() / 150) {
    const auto raft = fresh_copy();
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x40);
    write_file(newest_wal(raft), bad);
    EXPECT_FALSE(whole_or_refused("flip at " + std::to_string(at)));
  }
}

TEST_P(Damage, ZeroedTailOfTheWriteAheadLog) {
  const std::string good = read_file(newest_wal(fresh_copy()));
  for (std::size_t from = 0; from < good.size(); from += 1 + good.size() / 40) {
    const auto raft = fresh_copy();
    write_file(newest_wal(raft), good.substr(0, from) + std::string(good.size() - from, '\0'));
    EXPECT_FALSE(whole_or_refused("zeroed from " + std::to_string(from)));
  }
}

// What was being appended when the power failed was never acknowledged, and does not count against the node.
TEST_P(Damage, ATornUnacknowledgedTailIsForgotten) {
  for (std::size_t torn : {1U, 6U, 7U, 20U, 300U}) {
    const auto raft = fresh_copy();
    std::string bytes = read_file(newest_wal(raft));
    // The beginning of a record: a header that promises more than is there.
    std::string record(torn, 'x');
    if (torn >= 7) {
      record[4] = '\xFF';
      record[5] = '\x0F';
      record[6] = 1;
    }
    write_file(newest_wal(raft), bytes + record);
    EXPECT_TRUE(whole_or_refused("torn tail of " + std::to_string(torn)));
  }
}

TEST_P(Damage, ByteFlipsInTables) {
  for (const auto& table : files_with(fresh_copy(), ".sst")) {
    const std::string good = read_file(table);
    for (std::size_t at = 0; at < good.size(); at += 1 + good.size() / 60) {
      const auto raft = fresh_copy();
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x10);
      write_file(raft / table.filename(), bad);
      whole_or_refused("flip at " + std::to_string(at) + " of " + table.filename().string());
    }
  }
}

TEST_P(Damage, DeletedFiles) {
  std::vector<std::string> names;
  for (const auto& file : fs::directory_iterator(fresh_copy())) names.push_back(file.path().filename().string());
  for (const auto& name : names) {
    fs::remove(fresh_copy() / name);
    const bool needed = name == "CURRENT" || name.starts_with("MANIFEST") || name.ends_with(".sst") ||
                        (name.ends_with(".log") && fs::file_size(dir_.path() / "good" / "raft" / name) > 0);
    EXPECT_EQ(whole_or_refused("without " + name), !needed) << name;
  }
}

TEST_P(Damage, TheWatermarkItselfIsGoneOrTorn) {
  fs::remove(fresh_copy() / "SYNCED");
  EXPECT_TRUE(whole_or_refused("no watermark"));
  const auto raft = fresh_copy();
  write_file(raft / "SYNCED", read_file(raft / "SYNCED").substr(0, 30));
  EXPECT_TRUE(whole_or_refused("a torn watermark"));
  // The copy has been opened since, and the watermark written anew: it is on guard again.
  ASSERT_EQ(read_file(raft / "SYNCED").size(), 60U);
}

TEST_P(Damage, AnOlderWatermarkIsNoFault) {
  const auto raft = fresh_copy();
  const std::string before = read_file(raft / "SYNCED");
  { auto log = open_log(copy()); }
  write_file(raft / "SYNCED", before);  // a power loss took its last pages
  EXPECT_TRUE(whole_or_refused("an older watermark"));
}

TEST_P(Damage, ALogFromAnotherDiskBesideThisWatermark) {
  TempDir other;
  open_log(other.path()).reset();
  const auto raft = fresh_copy();
  write_file(raft / "SYNCED", read_file(other.path() / "raft" / "SYNCED"));
  EXPECT_FALSE(whole_or_refused("a foreign watermark"));
}

TEST_P(Damage, AnOlderLogUnderThisWatermark) {
  const auto raft = fresh_copy();
  const std::string before = read_file(raft / "SYNCED");
  copy_tree(copy(), dir_.path() / "older");
  {
    auto log = open_log(copy());
    const auto one = persist(raft::HardState{raft::Term(kEntries + 1), raft::NodeId(2)}, {});
    must(log->write({&one, 1}));  // a vote
  }
  const std::string after = read_file(raft / "SYNCED");
  ASSERT_NE(before, after);
  copy_tree(dir_.path() / "older", copy());
  write_file(raft / "SYNCED", after);
  EXPECT_FALSE(whole_or_refused("a vote was lost"));
}

INSTANTIATE_TEST_SUITE_P(WalOnlyOrTables, Damage, testing::Bool());

}  // namespace
}  // namespace tenaz::storage
