// An image is taken, moved and put in force, and the process is killed at every single step of that which touches the
// file system, one step after another. Whatever the step, the sender still has its state, and the receiver has the old
// one or the new, whole, with the log that belongs to it; a node that begins again gets there.

#include <cstdlib>

#include "storage/snapshot.h"
#include "tests/unit/storage/crash_points.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

constexpr std::uint64_t kOldIndex = 20, kNewIndex = 60;

// Hundreds of runs, each of which syncs a lot: a file system in memory where there is one. A kill loses nothing there
// either.
struct InMemory {
  InMemory() {
    if (::access("/dev/shm", W_OK) == 0) ::setenv("TMPDIR", "/dev/shm", 1);
  }
};

// One of kParts tests, which take every so many-th step each, so that they can run beside each other.
constexpr int kParts = 8;

class SnapshotCrashTest : public testing::TestWithParam<int> {
 public:
  // All of it, as the host does it: beginning with what a crash may have left.
  static void bring_on(const fs::path& sender, const fs::path& receiver);

 protected:
  void SetUp() override {
    make_state(kNewIndex, start() / "sender" / "state-0-0", &new_digest_);
    fs::create_directories(start() / "receiver");
    auto log = open_log(start() / "receiver");
    std::vector<raft::Entry> entries;
    for (std::uint64_t i = 1; i <= kOldIndex; ++i) entries.push_back(written(i));
    const auto first = persist(raft::HardState{raft::Term(3), kSelf}, entries);
    must(log->write({&first, 1}));
    make_state(kOldIndex, start() / "receiver" / "state-0-0", &old_digest_);
  }

  static raft::Entry written(std::uint64_t index) {
    return entry(index,
                 {put("key" + std::to_string(index % 13), std::string(300, static_cast<char>('a' + index % 26)))}, 3);
  }
  static void make_state(std::uint64_t upto, const fs::path& directory, std::string* digest) {
    fs::create_directories(directory.parent_path());
    auto state = must(StateMachine::open(directory, small_options()));
    for (std::uint64_t i = 1; i <= upto; ++i) {
      const auto e = written(i);
      must(state->apply({&e, 1}, kSelf));
    }
    *digest = must(state->digest());
    must(state->flush());
  }

  // The exit code of a process that does it and ends at step `n`; it says how many steps there were. A fresh process
  // each time, since RocksDB keeps threads that a fork would not have.
  int run(int n) {
    fs::remove_all(place());
    fs::copy(start(), place(), fs::copy_options::recursive);
    const int code = run_child("SnapshotCrashChild.*", n, place().string());
    if (n == 0) steps_ = std::atoi(read_file(place() / "steps").c_str());
    return code;
  }

  // True: the new state is in force; false: the old one.
  bool check() {
    auto log = open_log(place() / "receiver");
    const std::string name = log->state_directory();
    must(remove_leftovers(place() / "receiver", name));
    const auto state = must(StateMachine::open(place() / "receiver" / name, small_options()));
    const bool fresh = name != "state-0-0";
    EXPECT_EQ(state->applied_index(), raft::Index(fresh ? kNewIndex : kOldIndex));
    EXPECT_EQ(must(state->digest()), fresh ? new_digest_ : old_digest_);
    EXPECT_EQ(log->first_index(), raft::Index(fresh ? kNewIndex + 1 : 1));
    EXPECT_EQ(log->last_index(), raft::Index(fresh ? kNewIndex : kOldIndex));
    EXPECT_EQ(log->hard_state().vote, kSelf);
    std::size_t directories = 0;
    for (const auto& file : fs::directory_iterator(place() / "receiver"))
      directories += file.is_directory() && file.path().filename() != "incoming" ? 1 : 0;
    EXPECT_EQ(directories, 2U) << "the log, the state, and nothing else that a crash left, but what it goes on with";

    const auto source = must(StateMachine::open(place() / "sender" / "state-0-0", small_options()));
    EXPECT_EQ(must(source->digest()), new_digest_);
    return fresh;
  }

  fs::path start() const { return dir_.path() / "start"; }
  fs::path place() const { return dir_.path() / "place"; }

  InMemory in_memory_;
  TempDir dir_;
  std::string old_digest_, new_digest_;
  int steps_ = 0;
};

void SnapshotCrashTest::bring_on(const fs::path& sender, const fs::path& receiver) {
  auto source = must(StateMachine::open(sender / "state-0-0", small_options()));
  must(remove_leftovers(sender, "state-0-0"));
  auto log = open_log(receiver);
  must(remove_leftovers(receiver, log->state_directory()));
  auto old = must(StateMachine::open(receiver / log->state_directory(), small_options()));
  const auto image = must(Image::create(*source, sender, "image"));
  auto to = must(Receiver::begin(receiver, image->manifest()));
  while (const auto want = to->want())
    must(to->write(want->name, want->offset,
                   must(image->read(want->name, want->offset, std::min<std::uint64_t>(want->bytes, 4000)))));
  const std::string name = must(to->finish());
  auto fresh = must(open_received(receiver, name, small_options(), [](const StateMachine& state) {
    return state.applied_index() == raft::Index(kNewIndex);
  }));
  must(log->reset({raft::Index(kNewIndex), image->term(), one_member(), raft::Index()}, name));
  const fs::path before = receiver / "state-0-0";
  old.reset();
  fs::remove_all(before);
}

TEST_P(SnapshotCrashTest, AnyStepLeavesTheOldStateOrTheNew) {
  ASSERT_EQ(run(0), 0);
  ASSERT_TRUE(check());
  const int steps = steps_;
  ASSERT_GT(steps, 50) << "the calls are not counted";
  int old_ones = 0, new_ones = 0;
  for (int n = 1 + GetParam(); n <= steps && !HasFailure(); n += kParts) {
    const int code = run(n);
    // RocksDB's own threads may have had less to do this time.
    ASSERT_TRUE(code == kCrashed || code == 0) << "at step " << n << ": " << code;
    const bool fresh = check();
    ++(fresh ? new_ones : old_ones);
    if (fresh || n % 5 != 0) continue;
    bring_on(place() / "sender", place() / "receiver");
    ASSERT_TRUE(check()) << "after a crash at step " << n;
  }
  EXPECT_GT(old_ones, 5);
  EXPECT_GT(new_ones, 0);
}

INSTANTIATE_TEST_SUITE_P(Each, SnapshotCrashTest, testing::Range(0, kParts));

// What run() starts.
TEST(SnapshotCrashChild, BringsOneOn) {
  const char* at = std::getenv("TENAZ_CRASH_AT");
  if (at == nullptr) GTEST_SKIP() << "only as a child of the test above";
  const fs::path place = std::getenv("TENAZ_CRASH_PLACE");
  crash_at(std::atoi(at));
  SnapshotCrashTest::bring_on(place / "sender", place / "receiver");
  const int steps = steps_taken();
  crash_at(0);
  write_file(place / "steps", std::to_string(steps));
}

}  // namespace
}  // namespace tenaz::storage
