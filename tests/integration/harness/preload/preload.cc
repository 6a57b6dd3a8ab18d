// A shared library that tests put into a node by LD_PRELOAD: it moves the wall clock, and makes fsync and fdatasync
// wait or fail, as the Control page says. The other clocks are not touched. (libfaketime cannot be used here: it
// allocates memory before it is ready to tell the time, and jemalloc asks for the time before it is ready to give
// memory.)
//
// Called on any thread, also before main() and before the page is mapped: then everything is as without it.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/integration/harness/preload/control.h"

namespace {

using tenaz::harness::Control;

Control* control = nullptr;

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t wall_offset() {
  return control == nullptr ? 0 : control->wall_offset_ns.load(std::memory_order_relaxed);
}

void shift(timespec& time, std::int64_t offset) {
  std::int64_t ns = time.tv_nsec + offset % kSecond;
  time.tv_sec += offset / kSecond;
  if (ns < 0) {
    ns += kSecond;
    --time.tv_sec;
  } else if (ns >= kSecond) {
    ns -= kSecond;
    ++time.tv_sec;
  }
  time.tv_nsec = ns;
}

bool is_wall_clock(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

// Deadlines of waits on the wall clock are given as the moved clock told it. Those on other clocks are small numbers.
timespec real_deadline(const timespec& deadline) {
  constexpr time_t kNoUptime = 1'000'000'000;  // seconds
  timespec real = deadline;
  if (deadline.tv_sec > kNoUptime) shift(real, -wall_offset());
  return real;
}

bool concerns(int fd) {
  if (control->part[0] == '\0') return true;
  char link[64];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  char path[4096];
  const ssize_t size = ::readlink(link, path, sizeof path - 1);
  if (size <= 0) return false;
  path[size] = '\0';
  return std::strstr(path, control->part) != nullptr;
}

bool asked_for() {
  return control != nullptr && (control->sync_stall_ms != 0 || control->sync_error != 0);
}

int synced(long call, int fd) {
  if (!asked_for() || !concerns(fd)) return static_cast<int>(::syscall(call, fd));
  if (control->sync_stall_ms != 0) ++control->syncs_stalled;
  constexpr std::uint32_t kLookMs = 2;
  for (std::uint32_t waited = 0; waited < control->sync_stall_ms; waited += kLookMs) {
    const timespec pause{0, kLookMs * 1'000'000};
    ::syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &pause, nullptr);
  }
  if (const int error = control->sync_error) {
    ++control->syncs_failed;
    errno = error;
    return -1;
  }
  return static_cast<int>(::syscall(call, fd));
}

__attribute__((constructor)) void map_control() {
  const char* path = std::getenv(tenaz::harness::kControlVariable);
  if (path == nullptr) return;
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) std::abort();  // a test that thinks it is in control
  void* page = ::mmap(nullptr, tenaz::harness::kControlBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) std::abort();
  ::close(fd);
  control = static_cast<Control*>(page);
}

}  // namespace

extern "C" {

int fsync(int fd) {
  return synced(SYS_fsync, fd);
}

int fdatasync(int fd) {
  return synced(SYS_fdatasync, fd);
}

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const long result = ::syscall(SYS_clock_gettime, clock, time);
  if (result == 0 && is_wall_clock(clock)) {
    if (const std::int64_t offset = wall_offset()) {
      shift(*time, offset);
      control->wall_reads.fetch_add(1, std::memory_order_relaxed);
    }
  }
  return static_cast<int>(result);
}

int gettimeofday(timeval* time, void*) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* deadline) {
  using Function = int (*)(pthread_cond_t*, pthread_mutex_t*, const timespec*);
  static const auto next = reinterpret_cast<Function>(::dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2"));
  const timespec real = real_deadline(*deadline);
  return next(condition, mutex, &real);
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* deadline) {
  using Function = int (*)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*);
  static const auto next = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "pthread_cond_clockwait"));
  const timespec real = real_deadline(*deadline);
  return next(condition, mutex, clock, &real);
}

}  // extern "C"
