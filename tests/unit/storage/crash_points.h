// Ends this process at a chosen step of its work on files, as kill -9 would: in front of the n-th call that changes
// anything in the file system. The calls are this program's own versions of libc's, so RocksDB's are counted too.
#pragma once

#include <string>

namespace tenaz::storage::test {

inline constexpr int kCrashed = 86;  // the exit code

// From now on: the n-th such call is the end. 0: none is.
void crash_at(int n);
// Calls counted since then.
int steps_taken();

// The exit code of a fresh process of this program that runs the tests of `filter` with these in its environment:
// TENAZ_CRASH_AT, where it ends (0: nowhere), and TENAZ_CRASH_PLACE. -1: a signal ended it.
int run_child(const char* filter, int at, const std::string& place);

}  // namespace tenaz::storage::test
