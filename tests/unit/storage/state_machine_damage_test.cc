// Damage to a state directory ends in a clear error or goes unnoticed because nothing was lost: a read never gives
// anything but what was written.
#include <gtest/gtest.h>

#include "storage/state_machine.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

std::string value_of(int i) {
  return "value " + std::to_string(i) + std::string(300, static_cast<char>('a' + i % 26));
}

class StateDamage : public testing::Test {
 protected:
  void SetUp() override {
    auto state = must(StateMachine::open(good(), small_options()));
    std::uint64_t index = 0;
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 200; ++i) {
        const auto e = entry(++index, {put("key" + std::to_string(i), value_of(i))});
        must(state->apply({&e, 1}, kSelf));
      }
      must(state->flush());
    }
  }

  fs::path good() const { return dir_.path() / "good"; }
  fs::path copy() const { return dir_.path() / "copy"; }

  // Whether all reads were right; otherwise one ended in a proper error.
  bool read_everything(const std::string& what) {
    auto state = StateMachine::open(copy(), small_options());
    if (!state) {
      expect_proper(state.error(), what);
      return false;
    }
    if ((*state)->applied_index() != raft::Index(400)) return false;  // an earlier flush: the log replays the rest
    for (const std::optional<Revision> at : {std::optional<Revision>(), std::optional(Revision(200))}) {
      for (int i = 0; i < 200; ++i) {
        const auto got = (*state)->reader().get("key" + std::to_string(i), at);
        if (!got) {
          expect_proper(got.error(), what);
          return false;
        }
        EXPECT_TRUE(got->found) << what;
        if (got->found) {
          EXPECT_EQ(got->found->value, value_of(i)) << what;
        }
      }
    }
    kv::ListRequest all;
    all.limit = 1000;
    const auto list = (*state)->reader().list(all);
    if (!list) {
      expect_proper(list.error(), what);
      return false;
    }
    EXPECT_EQ(list->items.size(), 200U) << what;
    return true;
  }

  void expect_proper(const Error& error, const std::string& what) {
    EXPECT_EQ(error.code, ErrorCode::corruption) << what << ": " << error.message;
    EXPECT_NE(error.message.find(copy().string()), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("gets its state from its log and from another node"), std::string::npos)
        << error.message;
  }

  TempDir dir_;
};

TEST_F(StateDamage, ByteFlipsInTables) {
  int noticed = 0;
  for (const auto& table : files_with(good(), ".sst")) {
    const std::string bytes = read_file(table);
    for (std::size_t at = 0; at < bytes.size(); at += 1 + bytes.size() / 20) {
      copy_tree(good(), copy());
      std::string bad = bytes;
      bad[at] = static_cast<char>(bad[at] ^ 0x20);
      write_file(copy() / table.filename(), bad);
      if (!read_everything("flip at " + std::to_string(at) + " of " + table.filename().string())) ++noticed;
    }
  }
  EXPECT_GT(noticed, 20);
}

TEST_F(StateDamage, CutAndDeletedFiles) {
  for (const auto& table : files_with(good(), ".sst")) {
    copy_tree(good(), copy());
    fs::resize_file(copy() / table.filename(), fs::file_size(table) / 2);
    EXPECT_FALSE(read_everything("cut " + table.filename().string()));
    copy_tree(good(), copy());
    fs::remove(copy() / table.filename());
    EXPECT_FALSE(read_everything("without " + table.filename().string()));
  }
  copy_tree(good(), copy());
  for (const auto& file : fs::directory_iterator(copy())) {
    if (file.path().filename().string().starts_with("MANIFEST")) fs::resize_file(file.path(), file.file_size() / 2);
  }
  read_everything("half a manifest");
}

TEST_F(StateDamage, Undamaged) {
  copy_tree(good(), copy());
  EXPECT_TRUE(read_everything("undamaged"));
}

}  // namespace
}  // namespace tenaz::storage
