// A new cluster is made from a minority, and the process is killed at every single step of that which touches the file
// system. Whatever the step, the node is what it was, or the new cluster is complete; and where it is what it was, it
// can be done again.

#include <cstdlib>

#include "storage/minority.h"
#include "storage/restore.h"
#include "storage/snapshot.h"
#include "tests/unit/storage/crash_points.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

constexpr std::uint64_t kApplied = 20, kLast = 40;
constexpr raft::NodeId kOther{2};

// As in snapshot_crash_test.cc: hundreds of runs, each of which syncs a lot.
struct InMemory {
  InMemory() {
    if (::access("/dev/shm", W_OK) == 0) ::setenv("TMPDIR", "/dev/shm", 1);
  }
};

raft::Configuration two_members() {
  return raft::founding_configuration({raft::Member{kSelf, "n1", "127.0.0.1:1", "127.0.0.1:2", ""},
                                       raft::Member{kOther, "n2", "127.0.0.1:3", "127.0.0.1:4", ""}});
}

// One of kParts tests, which take every so many-th step each, so that they can run beside each other.
constexpr int kParts = 8;

class MinorityCrashTest : public testing::TestWithParam<int> {
 public:
  static NewCluster recover(const fs::path& node) {
    const auto found = must(inspect(node, kIdentity, small_options()));
    return must(recover_from_minority(node, kIdentity, found, kRevisionGap, small_options()));
  }

 protected:
  void SetUp() override {
    auto log = must(RaftLog::open(start(), kIdentity, two_members(), small_options()));
    std::vector<raft::Entry> entries;
    for (std::uint64_t i = 1; i <= kLast; ++i)
      entries.push_back(entry(i, {put("key" + std::to_string(i % 13), "v" + std::to_string(i))}, 3));
    const auto write = persist(raft::HardState{raft::Term(3), kOther}, entries);
    must(log->write({&write, 1}));
    const auto state = must(StateMachine::open(start() / log->state_directory(), small_options()));
    must(state->apply(std::span(entries).first(kApplied), kSelf));
    must(state->flush());
    old_digest_ = must(state->digest());
  }

  // The exit code of a fresh process that does it and ends at step `n`; 0: at none.
  int run(int n) {
    copy_tree(start(), node());
    const int code = run_child("MinorityCrashChild.*", n, node().string());
    if (n == 0) steps_ = std::atoi(read_file(node() / "steps").c_str());
    return code;
  }

  // True: it is the new cluster; false: the old node.
  bool check() {
    auto log = must(RaftLog::open(node(), kIdentity, two_members(), small_options()));
    must(remove_leftovers(node(), log->state_directory()));
    const bool fresh = log->cluster_id() != kIdentity.cluster_id;
    const auto state = must(StateMachine::open(node() / log->state_directory(), small_options()));
    EXPECT_EQ(log->hard_state().term, raft::Term(fresh ? 4 : 3));
    EXPECT_EQ(log->hard_state().vote, fresh ? raft::NodeId() : kOther);
    EXPECT_EQ(log->configuration().voters.size(), fresh ? 1U : 2U);
    EXPECT_EQ(log->last_index(), raft::Index(fresh ? kLast + 1 : kLast));
    EXPECT_EQ(log->first_index(), raft::Index(fresh ? kLast + 2 : 1));
    EXPECT_EQ(state->applied_index(), raft::Index(fresh ? kLast + 1 : kApplied));
    if (fresh) {
      EXPECT_EQ(state->reader().revision().value, kLast + kRevisionGap + 13);
      EXPECT_EQ(must(state->reader().get("key1", {})).found->value, "v40");
    } else {
      EXPECT_EQ(must(state->digest()), old_digest_);
    }
    int directories = 0;
    for (const auto& file : fs::directory_iterator(node())) directories += file.is_directory() ? 1 : 0;
    EXPECT_EQ(directories, 2) << "the log, the state, and nothing else that a crash left";
    return fresh;
  }

  fs::path start() const { return dir_.path() / "start"; }
  fs::path node() const { return dir_.path() / "node"; }

  InMemory in_memory_;
  TempDir dir_;
  std::string old_digest_;
  int steps_ = 0;
};

TEST_P(MinorityCrashTest, AnyStepLeavesTheOldNodeOrTheNewCluster) {
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
    recover(node());
    ASSERT_TRUE(check()) << "after a crash at step " << n;
  }
  EXPECT_GT(old_ones, 5);
}

INSTANTIATE_TEST_SUITE_P(Each, MinorityCrashTest, testing::Range(0, kParts));

// What run() starts.
TEST(MinorityCrashChild, MakesANewCluster) {
  const char* at = std::getenv("TENAZ_CRASH_AT");
  if (at == nullptr) GTEST_SKIP() << "only as a child of the test above";
  const fs::path node = std::getenv("TENAZ_CRASH_PLACE");
  crash_at(std::atoi(at));
  MinorityCrashTest::recover(node);
  const int steps = steps_taken();
  crash_at(0);
  write_file(node / "steps", std::to_string(steps));
}

}  // namespace
}  // namespace tenaz::storage
