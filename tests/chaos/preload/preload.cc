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
#include <cstdlib>

#include "tests/chaos/preload/control.h"

namespace {

using tenaz::chaos::Control;

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

void sleep_us(std::uint32_t us) {
  const timespec time{us / 1'000'000, static_cast<long>(us % 1'000'000) * 1000};
  ::syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &time, nullptr);
}

int synced(long call, int fd) {
  if (control == nullptr) return static_cast<int>(::syscall(call, fd));
  ++control->syncs_begun;
  if (const std::uint32_t delay = control->sync_delay_us) sleep_us(delay);
  if (control->syncs_stall != 0) {
    ++control->syncs_stalled;
    while (control->syncs_stall != 0) sleep_us(1000);
  }
  if (control->syncs_fail != 0) {
    ++control->syncs_failed;
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(call, fd));
}

__attribute__((constructor)) void map_control() {
  const char* path = std::getenv(tenaz::chaos::kControlVariable);
  if (path == nullptr) return;
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) std::abort();  // a test that thinks it is in control
  void* page = ::mmap(nullptr, tenaz::chaos::kControlBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
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
