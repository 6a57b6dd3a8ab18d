#include "tests/unit/storage/crash_points.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

namespace {

std::atomic<int> taken{0};
std::atomic<int> last{0};

void step() {
  const int n = ++taken;
  if (n == last.load()) ::_exit(tenaz::storage::test::kCrashed);
}

bool changes(int flags) {
  return (flags & (O_CREAT | O_TRUNC)) != 0;
}

}  // namespace

namespace tenaz::storage::test {

void crash_at(int n) {
  taken = 0;
  last = n;
}

int steps_taken() {
  return taken;
}

int run_child(const char* filter, int at, const std::string& place) {
  const std::string number = std::to_string(at), tests = std::string("--gtest_filter=") + filter;
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("TENAZ_CRASH_AT", number.c_str(), 1);
    ::setenv("TENAZ_CRASH_PLACE", place.c_str(), 1);
    ::unsetenv("GTEST_OUTPUT");
    const int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, 1);
    ::execl("/proc/self/exe", "storage_crash_test", tests.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace tenaz::storage::test

// What libc has under these names, with a step in front.
extern "C" {

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(more, unsigned)) : 0;
  va_end(more);
  if (changes(flags)) step();
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
int open64(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(more, unsigned)) : 0;
  va_end(more);
  if (changes(flags)) step();
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
ssize_t write(int fd, const void* bytes, size_t n) {
  step();
  return ::syscall(SYS_write, fd, bytes, n);
}
ssize_t pwrite(int fd, const void* bytes, size_t n, off_t at) {
  step();
  return ::syscall(SYS_pwrite64, fd, bytes, n, at);
}
ssize_t pwrite64(int fd, const void* bytes, size_t n, off64_t at) {
  step();
  return ::syscall(SYS_pwrite64, fd, bytes, n, at);
}
ssize_t writev(int fd, const struct iovec* parts, int n) {
  step();
  return ::syscall(SYS_writev, fd, parts, n);
}
int fsync(int fd) {
  step();
  return static_cast<int>(::syscall(SYS_fsync, fd));
}
int fdatasync(int fd) {
  step();
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}
int ftruncate(int fd, off_t size) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_ftruncate, fd, size));
}
int ftruncate64(int fd, off64_t size) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_ftruncate, fd, size));
}
int rename(const char* from, const char* to) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
int unlink(const char* path) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}
int unlinkat(int directory, const char* path, int flags) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_unlinkat, directory, path, flags));
}
int rmdir(const char* path) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
}
int link(const char* from, const char* to) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}
int mkdir(const char* path, mode_t mode) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

}  // extern "C"
