// A process that is killed at the very moment at which an index was called durable: the next one finds at least that.
// The child is this program, run again for the one disabled test below.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "storage/state_machine.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

constexpr const char* kDirectory = "TENAZ_CRASH_TEST_DIRECTORY";
constexpr const char* kFlushes = "TENAZ_CRASH_TEST_FLUSHES";

std::string value_of(std::uint64_t index) {
  return std::string(4000, static_cast<char>('a' + index % 26));
}

// Applies until RocksDB has flushed by itself so many times, notes the index that it promised, and dies inside the
// call.
TEST(StateMachineCrash, DISABLED_Child) {
  const char* directory = std::getenv(kDirectory);
  ASSERT_NE(directory, nullptr) << "run by the test below only";
  const int wanted = std::atoi(std::getenv(kFlushes));
  auto state = must(StateMachine::open(fs::path(directory) / "state", small_options()));
  std::atomic<int> flushes{0};
  state->on_durable([&](raft::Index index) {
    if (flushes.fetch_add(1) + 1 < wanted) return;
    write_file(fs::path(directory) / "promised", std::to_string(index.value));
    ::kill(::getpid(), SIGKILL);
  });
  for (;;) {
    const std::uint64_t index = state->applied_index().value + 1;
    const auto e = entry(index, {put("key" + std::to_string(index % 300), value_of(index))});
    must(state->apply({&e, 1}, kSelf));
  }
}

TEST(StateMachineCrash, WhatWasCalledDurableIsThere) {
  TempDir dir;
  std::uint64_t before = 0;
  for (int round = 1; round <= 6; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::setenv(kDirectory, dir.path().c_str(), 1);
      ::setenv(kFlushes, std::to_string(round).c_str(), 1);
      ::execl("/proc/self/exe", "storage_test", "--gtest_also_run_disabled_tests", "--gtest_brief=1",
              "--gtest_filter=StateMachineCrash.DISABLED_Child", nullptr);
      ::_exit(127);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    const std::uint64_t promised = std::stoull(read_file(dir.path() / "promised"));
    const auto state = must(StateMachine::open(dir.path() / "state", small_options()));
    const std::uint64_t applied = state->applied_index().value;
    EXPECT_GT(promised, before);
    EXPECT_GE(applied, promised);
    EXPECT_EQ(state->durable_index(), state->applied_index());
    EXPECT_EQ(state->reader().revision().value, applied) << "index and data change together";
    for (std::uint64_t index = applied; index + 300 > applied && index > 0; --index) {
      const auto found = must(state->reader().get("key" + std::to_string(index % 300), {})).found;
      ASSERT_TRUE(found);
      EXPECT_EQ(found->value, value_of(index));
      EXPECT_EQ(found->mod_revision.value, index);
    }
    before = applied;
  }
}

}  // namespace
}  // namespace tenaz::storage
