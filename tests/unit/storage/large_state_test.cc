// A state of which neither the keys nor the filters over them fit the cache.
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>

#include "storage/platform.h"
#include "storage/state_machine.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

constexpr int kKeys = 150'000;
constexpr int kOverwritten = 50'000;
constexpr int kLookups = 300;
// Per lookup: a part each of filter, index and data is 4 KiB. The filter alone, in one piece, were 180.
constexpr std::uint64_t kFewBytes = 64 << 10;

class Counting final : public rocksdb::FileSystemWrapper {
 public:
  Counting() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "Counting"; }
  rocksdb::IOStatus NewRandomAccessFile(const std::string& name, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* context) override {
    auto status = FileSystemWrapper::NewRandomAccessFile(name, options, file, context);
    if (status.ok()) *file = std::make_unique<File>(std::move(*file), bytes);
    return status;
  }
  std::atomic<std::uint64_t> bytes{0};

 private:
  class File final : public rocksdb::FSRandomAccessFileOwnerWrapper {
   public:
    File(std::unique_ptr<rocksdb::FSRandomAccessFile>&& file, std::atomic<std::uint64_t>& read)
        : FSRandomAccessFileOwnerWrapper(std::move(file)), bytes_(read) {}
    rocksdb::IOStatus Read(std::uint64_t offset, std::size_t count, const rocksdb::IOOptions& options,
                           rocksdb::Slice* result, char* scratch, rocksdb::IODebugContext* context) const override {
      bytes_ += count;
      return FSRandomAccessFileOwnerWrapper::Read(offset, count, options, result, scratch, context);
    }

   private:
    std::atomic<std::uint64_t>& bytes_;
  };
};

struct CountingPlatform final : Platform {
  rocksdb::Env* env() override { return environment.get(); }
  std::shared_ptr<Counting> files = std::make_shared<Counting>();
  std::unique_ptr<rocksdb::Env> environment = rocksdb::NewCompositeEnv(files);
};

class LargeState : public testing::Test {
 protected:
  void SetUp() override {
    options_ = small_options();
    options_.platform = &platform_;
    options_.write_buffer_bytes = 64 << 20;
    options_.cache_bytes = 128 << 10;
    options_.key_cache_bytes = 0;
    open();
    write_all(kKeys, "first");
    write_all(kOverwritten, "second");
    open();
  }
  // In so many files that they are merged: the filters of new files are always in memory.
  void write_all(int end, const std::string& value) {
    for (int i = 0; i < end; i += kBatch) {
      write(i, value);
      if ((i + kBatch) % (end / 25) == 0) must(state_->flush());
    }
    ASSERT_TRUE(eventually([&] { return figure("level0_files") < 20 && figure("compactions_running") == 0; }));
  }
  double figure(std::string_view name) const {
    for (const auto& one : state_->figures())
      if (std::string_view(one.name) == name) return one.value;
    ADD_FAILURE() << "no such figure";
    return 0;
  }
  void open() {
    state_.reset();
    state_ = must(StateMachine::open(dir_.path() / "state", options_));
  }
  static std::string key(int i) { return "key/" + std::to_string(i); }
  void write(int from, const std::string& value) {
    std::vector<pb::Command> commands;
    for (int i = from; i < from + kBatch; ++i) commands.push_back(put(key(i), value));
    const auto e = entry(state_->applied_index().value + 1, commands);
    must(state_->apply({&e, 1}, kSelf));
  }
  // Bytes read from tables per lookup of a random key below `end`.
  template <class Look>
  std::uint64_t cost(int end, Look look) {
    const auto before = platform_.files->bytes.load();
    for (int n = 0; n < kLookups; ++n) look(std::uniform_int_distribution<int>(0, end - 1)(random_));
    return (platform_.files->bytes - before) / kLookups;
  }

  static constexpr int kBatch = 1000;
  TempDir dir_;
  CountingPlatform platform_;
  Options options_;
  std::unique_ptr<StateMachine> state_;
  std::mt19937 random_{1};
};

TEST_F(LargeState, ALookupReadsLittle) {
  const auto& reader = state_->reader();
  const auto present = cost(kKeys, [&](int i) {
    const auto got = must(reader.get(key(i), {}));
    ASSERT_TRUE(got.found) << i;
    EXPECT_EQ(got.found->value, i < kOverwritten ? "second" : "first") << i;
  });
  EXPECT_LT(present, kFewBytes);
  const auto absent = cost(kKeys, [&](int i) { EXPECT_FALSE(must(reader.get(key(i) + "x", {})).found) << i; });
  EXPECT_LT(absent, kFewBytes);
  const auto past = cost(kOverwritten, [&](int i) {
    const auto got = must(reader.get(key(i), Revision(kKeys)));
    ASSERT_TRUE(got.found) << i;
    EXPECT_EQ(got.found->value, "first") << i;
  });
  EXPECT_LT(past, kFewBytes);
}

}  // namespace
}  // namespace tenaz::storage
