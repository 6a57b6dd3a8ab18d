#include "storage/snapshot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

class SnapshotTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(sender());
    fs::create_directories(receiver());
    state_ = must(StateMachine::open(sender() / "state-0-0", small_options()));
    for (int i = 0; i < 500; ++i) apply(put("key" + std::to_string(i % 200), std::string(2000, static_cast<char>(i))));
  }
  void apply(const pb::Command& c) {
    const auto e = entry(state_->applied_index().value + 1, {c}, 3);
    must(state_->apply({&e, 1}, kSelf));
  }
  fs::path sender() const { return dir_.path() / "sender"; }
  fs::path receiver() const { return dir_.path() / "receiver"; }

  // Moves pieces of at most `piece` bytes until all is there or `limit` pieces are.
  static void transfer(const Image& image, Receiver& to, std::size_t piece, int limit = 1 << 30) {
    for (auto want = to.want(); want && limit > 0; want = to.want(), --limit) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(piece, want->bytes));
      must(to.write(want->name, want->offset, must(image.read(want->name, want->offset, n))));
    }
  }

  TempDir dir_;
  std::unique_ptr<StateMachine> state_;
};

TEST_F(SnapshotTest, CarriesTheWholeState) {
  const std::string digest = must(state_->digest());
  const auto image = must(Image::create(*state_, sender(), "n1-1"));
  EXPECT_EQ(image->manifest().index, raft::Index(500));
  EXPECT_EQ(image->manifest().id, "n1-1");
  EXPECT_EQ(image->term(), raft::Term(3));
  apply(put("later", "than the image"));

  auto to = must(Receiver::begin(receiver(), image->manifest()));
  transfer(*image, *to, 10000);
  const std::string name = must(to->finish());
  EXPECT_EQ(name, "state-500-1");
  EXPECT_FALSE(fs::exists(receiver() / "incoming"));

  const auto copy = must(StateMachine::open(receiver() / name, small_options()));
  EXPECT_EQ(copy->applied_index(), raft::Index(500));
  EXPECT_EQ(copy->applied_term(), raft::Term(3));
  EXPECT_EQ(copy->durable_index(), raft::Index(500));
  EXPECT_EQ(must(copy->digest()), digest);
  EXPECT_EQ(must(copy->reader().get("key7", Revision(100))).found->value, std::string(2000, '\7'));
  const auto next = entry(501, {put("later", "than the image")}, 3);
  must(copy->apply({&next, 1}, kSelf));
  EXPECT_EQ(must(copy->digest()), must(state_->digest()));
}

// Terms change while images are made: each says the term of its own last entry, whatever the state has come to since.
TEST_F(SnapshotTest, AnImageKnowsTheTermOfItsLastEntry) {
  std::atomic<bool> done{false};
  std::thread applier([&] {
    for (std::uint64_t index = 501; !done; ++index) {
      const auto e = entry(index, {put("key", "value")}, index);
      must(state_->apply({&e, 1}, kSelf));
    }
  });
  for (int i = 0; i < 20; ++i) {
    const auto image = must(Image::create(*state_, sender(), "n1-" + std::to_string(i)));
    const auto index = image->manifest().index.value;
    EXPECT_EQ(image->term(), raft::Term(index > 500 ? index : 3));
  }
  done = true;
  applier.join();
}

TEST_F(SnapshotTest, AnImageGoesAwayWithItsObject) {
  auto image = must(Image::create(*state_, sender(), "n1-1"));
  EXPECT_TRUE(fs::exists(sender() / "images" / "n1-1"));
  EXPECT_FALSE(Image::create(*state_, sender(), "n1-1"));
  EXPECT_FALSE(Image::create(*state_, sender(), "../n1"));
  EXPECT_FALSE(image->read("../LOCK", 0, 1));
  EXPECT_FALSE(image->read("CURRENT", 1 << 20, 1));
  image.reset();
  EXPECT_FALSE(fs::exists(sender() / "images" / "n1-1"));
}

TEST_F(SnapshotTest, TheManifestSaysTheFilesSizesAndChecksums) {
  const auto image = must(Image::create(*state_, sender(), "n1-1"));
  std::size_t files = 0;
  for (const auto& file : fs::directory_iterator(sender() / "images" / "n1-1")) {
    ++files;
    const std::string bytes = read_file(file.path());
    const auto& all = image->manifest().files;
    const auto it =
        std::find_if(all.begin(), all.end(), [&](const auto& f) { return f.name == file.path().filename(); });
    ASSERT_NE(it, all.end());
    EXPECT_EQ(it->bytes, bytes.size());
    EXPECT_EQ(it->crc32c, crc32c(bytes));
  }
  EXPECT_EQ(files, image->manifest().files.size());
}

TEST_F(SnapshotTest, AWrongPieceBeginsTheFileAnew) {
  const auto image = must(Image::create(*state_, sender(), "n1-1"));
  auto to = must(Receiver::begin(receiver(), image->manifest()));
  const auto want = to->want();
  ASSERT_TRUE(want);
  std::string bytes = must(image->read(want->name, 0, want->bytes));
  EXPECT_EQ(to->write(want->name, 1, "x").error().code, ErrorCode::invalid);
  EXPECT_EQ(to->write("other", 0, "x").error().code, ErrorCode::invalid);
  EXPECT_EQ(to->write(want->name, 0, bytes + "x").error().code, ErrorCode::invalid);
  EXPECT_EQ(to->finish().error().code, ErrorCode::invalid);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  EXPECT_EQ(to->write(want->name, 0, bytes).error().code, ErrorCode::corruption);
  ASSERT_TRUE(to->want());
  EXPECT_EQ(to->want()->name, want->name);
  EXPECT_EQ(to->want()->offset, 0U);
  transfer(*image, *to, 1 << 20);
  const auto copy = must(StateMachine::open(receiver() / must(to->finish()), small_options()));
  EXPECT_EQ(must(copy->digest()), must(state_->digest()));
}

// The manifest's checksums are those of the files as they lie there: a sender whose table has rotted would hand its
// damage on.
TEST_F(SnapshotTest, ATableThatIsDamagedAtTheSenderIsNotTaken) {
  must(state_->flush());
  const std::string table = damage_table(sender() / "state-0-0").filename().string();
  const auto image = must(Image::create(*state_, sender(), "n1-1"));
  auto to = must(Receiver::begin(receiver(), image->manifest()));
  Result<void> written;
  for (auto want = to->want(); want && written; want = to->want())
    written = to->write(want->name, want->offset, must(image->read(want->name, want->offset, want->bytes)));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::corruption);
  EXPECT_NE(written.error().message.find(table), std::string::npos) << written.error().message;
  ASSERT_TRUE(to->want());
  EXPECT_EQ(to->want()->name, table);
  EXPECT_EQ(to->want()->offset, 0U) << "it begins again";

  // Nor by a process that finds it on its disk, left by one that was killed before it could look.
  write_file(receiver() / "incoming" / table, read_file(sender() / "images" / "n1-1" / table));
  to = must(Receiver::begin(receiver(), image->manifest()));
  ASSERT_TRUE(to->want());
  EXPECT_EQ(to->want()->name, table);
  EXPECT_EQ(to->want()->offset, 0U);
}

TEST_F(SnapshotTest, AnInterruptedTransferGoesOnWhereItWas) {
  const auto image = must(Image::create(*state_, sender(), "n1-1"));
  std::uint64_t total = 0, here = 0;
  for (const auto& file : image->manifest().files) total += file.bytes;
  int attempts = 0;
  std::unique_ptr<Receiver> to;
  for (;; ++attempts) {  // each with a new object, as after a restart
    to.reset();
    must(remove_leftovers(receiver(), "state-0-0"));
    to = must(Receiver::begin(receiver(), image->manifest()));
    EXPECT_EQ(to->bytes_here(), here) << "attempt " << attempts;
    if (!to->want()) break;
    transfer(*image, *to, 50'000, 7);
    here = to->bytes_here();
  }
  EXPECT_EQ(here, total);
  EXPECT_GT(attempts, 2);
  const auto copy = must(StateMachine::open(receiver() / must(to->finish()), small_options()));
  EXPECT_EQ(must(copy->digest()), must(state_->digest()));
  EXPECT_FALSE(fs::exists(receiver() / "incoming.manifest"));
}

TEST_F(SnapshotTest, WhatIsLeftOfAnotherImageIsNotUsed) {
  const auto image = must(Image::create(*state_, sender(), "n1-1"));
  const auto interrupt = [&] {
    auto to = must(Receiver::begin(receiver(), image->manifest()));
    transfer(*image, *to, 5000, 7);
    EXPECT_GT(to->bytes_here(), 0U);
  };
  interrupt();
  apply(put("later", "than the image"));
  const auto other = must(Image::create(*state_, sender(), "n1-2"));
  EXPECT_EQ(must(Receiver::begin(receiver(), other->manifest()))->bytes_here(), 0U);
  EXPECT_EQ(must(Receiver::begin(receiver(), image->manifest()))->bytes_here(), 0U);

  // Nor if it is not known what it belongs to.
  for (const char* note : {"", "tenaz-incoming-1\n"}) {
    interrupt();
    write_file(receiver() / "incoming.manifest", note);
    EXPECT_EQ(must(Receiver::begin(receiver(), image->manifest()))->bytes_here(), 0U);
  }
  interrupt();
  fs::remove(receiver() / "incoming.manifest");
  EXPECT_EQ(must(Receiver::begin(receiver(), image->manifest()))->bytes_here(), 0U);
  interrupt();
  must(Receiver::discard(receiver()));
  EXPECT_TRUE(fs::is_empty(receiver()));
}

// A kill leaves what was written, synced or not; a power failure may take it away again later.
TEST_F(SnapshotTest, WhatIsWholeAlreadyIsSyncedBeforeItCounts) {
  struct CountingFile final : File {
    CountingFile(std::unique_ptr<File> file, int& syncs) : file_(std::move(file)), syncs_(syncs) {}
    Result<void> write(std::uint64_t offset, std::string_view bytes) override { return file_->write(offset, bytes); }
    Result<void> sync() override {
      ++syncs_;
      return file_->sync();
    }
    std::unique_ptr<File> file_;
    int& syncs_;
  };
  struct CountingPlatform final : Platform {
    Result<std::unique_ptr<File>> open(const fs::path& path, bool empty) override {
      auto file = Platform::open(path, empty);
      if (!file) return file.error();
      return std::unique_ptr<File>(new CountingFile(std::move(*file), syncs[path.filename().string()]));
    }
    std::map<std::string, int> syncs;
  };

  const auto image = must(Image::create(*state_, sender(), "n1-1"));
  const auto& files = image->manifest().files;
  // As a process left it that was killed before the first sync of a whole file.
  must(Receiver::begin(receiver(), image->manifest()));
  write_file(receiver() / "incoming" / files[0].name,
             must(image->read(files[0].name, 0, static_cast<std::size_t>(files[0].bytes))));

  CountingPlatform platform;
  auto to = must(Receiver::begin(receiver(), image->manifest(), 0, platform));
  EXPECT_EQ(to->bytes_here(), files[0].bytes);
  transfer(*image, *to, 50'000);
  must(to->finish());
  for (const auto& file : files) EXPECT_GE(platform.syncs[file.name], file.bytes > 0 ? 1 : 0) << file.name;
}

// A power failure may leave anything in files that were not synced.
TEST_F(SnapshotTest, WhatIsLeftIsCheckedBeforeItIsUsed) {
  const auto image = must(Image::create(*state_, sender(), "n1-1"));
  const std::string digest = must(state_->digest());
  const auto damage = [](const fs::path& file, bool longer) {
    std::string bytes = read_file(file);
    if (longer) bytes += "x";
    if (!bytes.empty()) bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_file(file, bytes);
  };
  for (const bool longer : {false, true}) {
    must(Receiver::discard(receiver()));
    transfer(*image, *must(Receiver::begin(receiver(), image->manifest())), 50'000, 12);
    for (const auto& file : fs::directory_iterator(receiver() / "incoming")) damage(file.path(), longer);
    auto to = must(Receiver::begin(receiver(), image->manifest()));
    int errors = 0;
    while (const auto want = to->want()) {
      const auto n = std::min<std::uint64_t>(want->bytes, 50'000);
      const auto written = to->write(want->name, want->offset, must(image->read(want->name, want->offset, n)));
      if (written) continue;
      EXPECT_EQ(written.error().code, ErrorCode::corruption);
      ASSERT_LT(++errors, 3);
    }
    const std::string name = must(to->finish());
    EXPECT_EQ(must(must(StateMachine::open(receiver() / name, small_options()))->digest()), digest);
  }
}

TEST_F(SnapshotTest, NamesAndLeftovers) {
  const auto image = must(Image::create(*state_, sender(), "n1-1"));
  auto again = must(Receiver::begin(receiver(), image->manifest()));
  transfer(*image, *again, 1 << 20);
  const std::string name = must(again->finish());
  // A second one at the same index gets a name of its own.
  again = must(Receiver::begin(receiver(), image->manifest()));
  transfer(*image, *again, 1 << 20);
  EXPECT_EQ(must(again->finish()), "state-500-2");

  fs::create_directories(receiver() / "images" / "left");
  fs::create_directories(receiver() / "incoming");
  fs::create_directories(receiver() / "raft");
  must(remove_leftovers(receiver(), name));
  std::vector<std::string> left;
  for (const auto& file : fs::directory_iterator(receiver())) left.push_back(file.path().filename().string());
  std::sort(left.begin(), left.end());
  EXPECT_EQ(left, (std::vector<std::string>{"raft", name}));
}

TEST_F(SnapshotTest, AnImageThatDoesNotFitIsRefusedBeforeItBegins) {
  const auto image = must(Image::create(*state_, sender(), "n1-1"));
  const auto free = fs::space(receiver()).available;
  const auto refused = Receiver::begin(receiver(), image->manifest(), free);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::no_space) << refused.error().message;
  ImageManifest endless = image->manifest();
  for (auto& file : endless.files) file.bytes = UINT64_MAX / 2 + 1;
  EXPECT_EQ(Receiver::begin(receiver(), endless).error().code, ErrorCode::no_space);
  EXPECT_FALSE(fs::exists(receiver() / "incoming"));
  must(Receiver::begin(receiver(), image->manifest(), 1 << 20));
}

TEST_F(SnapshotTest, WhatDoesNotOpenOrFitIsRemoved) {
  const auto image = must(Image::create(*state_, sender(), "n1-1"));
  const auto receive = [&] {
    auto to = must(Receiver::begin(receiver(), image->manifest()));
    transfer(*image, *to, 1 << 20);
    return must(to->finish());
  };
  const auto any = [](const StateMachine&) { return true; };
  std::string name = receive();
  EXPECT_EQ(must(open_received(receiver(), name, small_options(), any))->applied_index(), raft::Index(500));
  EXPECT_TRUE(fs::exists(receiver() / name));
  EXPECT_FALSE(open_received(receiver(), name, small_options(), [](const StateMachine&) { return false; }));
  EXPECT_FALSE(fs::exists(receiver() / name));
  name = receive();
  write_file(receiver() / name / "CURRENT", "nonsense");
  EXPECT_FALSE(open_received(receiver(), name, small_options(), any));
  EXPECT_FALSE(fs::exists(receiver() / name));
}

TEST_F(SnapshotTest, ManifestsFromOutsideAreNotTrusted) {
  for (const std::string name : {"", ".", "..", "a/b", "/etc/passwd"}) {
    ImageManifest manifest{"x", raft::Index(1), {{name, 1, 0}}};
    EXPECT_EQ(Receiver::begin(receiver(), manifest).error().code, ErrorCode::invalid) << name;
  }
  EXPECT_FALSE(Receiver::begin(receiver(), {"x", raft::Index(1), {{"a", 1, 0}, {"a", 1, 0}}}));
  EXPECT_FALSE(Receiver::begin(receiver(), {"x", raft::Index(1), {}}));
}

// The log is put behind the snapshot in one synced batch: a crash before it leaves the old state in force, after it the
// new.
TEST_F(SnapshotTest, InstalledByTheLog) {
  const auto image = must(Image::create(*state_, sender(), "n1-1"));
  auto to = must(Receiver::begin(receiver(), image->manifest()));
  transfer(*image, *to, 1 << 20);
  auto log = open_log(receiver());
  const auto hard = persist(raft::HardState{raft::Term(3), raft::NodeId(0)}, {noop(1, 1), noop(2, 1)});
  must(log->write({&hard, 1}));
  const std::string name = must(to->finish());
  copy_tree(receiver(), dir_.path() / "before");
  must(log->reset({raft::Index(500), raft::Term(3), one_member(), raft::Index(0)}, name));
  copy_tree(receiver(), dir_.path() / "after");

  const auto before = open_log(dir_.path() / "before");
  EXPECT_EQ(before->state_directory(), "state-0-0");
  EXPECT_EQ(before->last_index(), raft::Index(2));
  const auto after = open_log(dir_.path() / "after");
  EXPECT_EQ(after->state_directory(), name);
  EXPECT_EQ(after->first_index(), raft::Index(501));
  EXPECT_EQ(after->term(raft::Index(500)), raft::Term(3));
  must(remove_leftovers(dir_.path() / "after", after->state_directory()));
  EXPECT_EQ(must(StateMachine::open(dir_.path() / "after" / name, small_options()))->applied_index(), raft::Index(500));
}

}  // namespace
}  // namespace tenaz::storage
