// What is durable, and what an image holds, are whole entries, though RocksDB 7.8 flushes parts of them where it
// flushes of its own accord: see storage/kv/database.h, what may write out. Each test holds up such a flush between its
// choice of column families and its taking of them, and there writes the first to a family that was empty: with the old
// version of "old", `history`.
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "storage/platform.h"
#include "storage/snapshot.h"
#include "storage/state_machine.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

class WholeEntries : public testing::Test {
 protected:
  void SetUp() override {
    state_ = must(StateMachine::open(directory(), small_options()));
    apply(put("old", "first"));
    must(state_->flush());
  }
  fs::path directory() const { return dir_.path() / "state"; }
  fs::path copied() const { return dir_.path() / "copied"; }

  void apply(const pb::Command& c) {
    log_.push_back(entry(log_.size() + 1, {c}));
    must(state_->apply({&log_.back(), 1}, kSelf));
  }
  double figure(std::string_view name) const {
    for (const auto& one : state_->figures())
      if (std::string_view(one.name) == name) return one.value;
    ADD_FAILURE() << "no such figure";
    return 0;
  }
  // Time for what must not happen.
  static void let_it(std::chrono::milliseconds more = {}) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1500) + more);
  }

  // The log completes what stands there, and then `old` is all there.
  void expect_whole(const fs::path& path, Revision before) {
    const auto state = must(StateMachine::open(path, small_options()));
    const auto index = state->applied_index().value;
    ASSERT_LE(index, log_.size());
    if (index < log_.size()) must(state->apply(std::span(log_).subspan(index), kSelf));
    const auto latest = must(state->reader().get("old", {}));
    ASSERT_TRUE(latest.found);
    EXPECT_EQ(latest.found->value, "second");
    EXPECT_EQ(latest.found->version, 2U);
    const auto past = must(state->reader().get("old", before));
    ASSERT_TRUE(past.found) << "lost, at index " << index << " of " << log_.size();
    EXPECT_EQ(past.found->value, "first");
  }

  TempDir dir_;
  std::vector<raft::Entry> log_;
  std::unique_ptr<StateMachine> state_;
};

// Buffers that are full are written out at whatever write comes next. Each state that this leaves has the entries that
// it says are applied, and none beyond.
TEST_F(WholeEntries, AreWhatFullBuffersLeave) {
  constexpr int kFlushes = 40;
  const auto key_of = [](std::uint64_t index) { return "key" + std::to_string(index); };
  fs::create_directory(copied());
  std::atomic<int> flushes{0};
  state_->on_durable([&](raft::Index) {
    if (flushes >= kFlushes) return;
    copy_tree(directory(), copied() / std::to_string(flushes));
    ++flushes;
  });
  std::minstd_rand random(1);
  while (flushes < kFlushes) apply(put(key_of(log_.size() + 1), std::string(random() % 200, 'v')));
  state_->on_durable({});
  for (int flush = 0; flush < kFlushes; ++flush) {
    const auto state = must(StateMachine::open(copied() / std::to_string(flush), small_options()));
    const auto applied = state->applied_index().value;
    kv::ListRequest keys;
    keys.limit = 1000000;
    EXPECT_EQ(must(state->reader().list(keys)).items.size(), applied) << "at index " << applied;
    const auto last = must(state->reader().get(key_of(applied), {})).found;
    ASSERT_TRUE(last) << "at index " << applied;
    EXPECT_EQ(last->mod_revision.value, applied);
  }
}

TEST_F(WholeEntries, AreWhatACompactionOfFilesLeaves) {
  auto no_compactions = std::make_unique<Busy>(rocksdb::Env::LOW);
  apply(compact(1));
  must(state_->flush());
  // A compaction that needs RocksDB's threads hangs here, and rests for as long afterwards.
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 300 && figure("reclaiming") != 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  must(state_->flush());
  auto no_flushes = std::make_unique<Busy>(rocksdb::Env::HIGH);
  // Two buffers wait to be written out: a third one would stop all writing, and so a flush waits that is none of ours.
  for (std::uint64_t revision = 2; revision <= 3; ++revision) {
    apply(put("new" + std::to_string(revision), "x"));
    apply(compact(revision));
  }
  apply(put("new4", "x"));
  no_compactions.reset();
  let_it(std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began));
  apply(put("old", "second"));
  state_->on_durable([&](raft::Index) { copy_tree(directory(), copied()); });
  no_flushes.reset();
  ASSERT_TRUE(eventually([&] { return figure("reclaiming") == 0; }));
  state_->on_durable({});
  expect_whole(copied(), Revision(4));
}

TEST_F(WholeEntries, AreWhatAnImageHolds) {
  auto no_compactions = std::make_unique<Busy>(rocksdb::Env::LOW);
  // So many files that a flush waits that is none of ours.
  std::uint64_t revision = 1;
  for (; revision <= 24; ++revision) {
    apply(put("new" + std::to_string(revision), "x"));
    if (revision < 24) must(state_->flush());
  }
  std::atomic<bool> applied{false};
  state_->on_durable([&](raft::Index) {
    if (applied) return;
    apply(put("more", "x"));  // after the flush that makes the image whole, before the image is taken
    applied = true;
  });
  std::shared_ptr<Image> image;
  std::thread taker([&] { image = must(Image::create(*state_, dir_.path(), "n1-1")); });
  ASSERT_TRUE(eventually([&] { return applied.load(); }));
  let_it();
  state_->on_durable({});
  const Revision before = state_->reader().revision();
  apply(put("old", "second"));
  no_compactions.reset();
  taker.join();
  copy_tree(dir_.path() / "images" / "n1-1", copied());
  expect_whole(copied(), before);
}

// A file system on which there is no room for tables while it is full.
class Full final : public rocksdb::FileSystemWrapper {
 public:
  Full() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "Full"; }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override {
    if (full && name.ends_with(".sst")) return rocksdb::IOStatus::NoSpace();
    return FileSystemWrapper::NewWritableFile(name, options, file, context);
  }
  std::atomic<bool> full{false};
};

struct FullPlatform final : Platform {
  rocksdb::Env* env() override { return environment.get(); }
  std::shared_ptr<Full> files = std::make_shared<Full>();
  std::unique_ptr<rocksdb::Env> environment = rocksdb::NewCompositeEnv(files);
};

// RocksDB looks every five seconds whether there is room again, and goes on by a flush of its own.
TEST_F(WholeEntries, AreNotLeftToRocksDBsOwnRecovery) {
  state_.reset();
  FullPlatform platform;
  Options options = small_options();
  options.platform = &platform;
  state_ = must(StateMachine::open(directory(), options));
  apply(put("more", "x"));
  platform.files->full = true;
  const auto refused = state_->flush();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::no_space);
  platform.files->full = false;
  log_.push_back(entry(log_.size() + 1, {put("old", "second")}));
  let_it(std::chrono::seconds(5));
  EXPECT_FALSE(state_->apply({&log_.back(), 1}, kSelf));
  state_.reset();
  expect_whole(directory(), Revision(2));
}

}  // namespace
}  // namespace tenaz::storage
