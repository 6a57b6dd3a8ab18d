// A shared library for LD_PRELOAD: makes the disk of a process that is under test slow to sync, or fail to, on command.
//
// The environment variable TENAZ_TEST_FSYNC_FILE names a file that is read again at every fdatasync and fsync. Its
// content is one line:
//   (empty, or no such file)  as always
//   stall MS [PART]           each call waits MS milliseconds, or until the file no longer says stall, and then goes on
//   error NAME [PART]         each call fails with that errno (EIO, ENOSPC), and syncs nothing
// With PART only files whose path contains it are meant, for instance "/raft/" (the log) or "/state-" (the state).
//
// It is shared by the tests of stalls and by tests/chaos. Any thread; it allocates nothing and keeps no state.
#include <dlfcn.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

struct Order {
  long stall_ms = 0;
  int error = 0;
};

bool concerns(int fd, const char* part) {
  if (*part == '\0') return true;
  char link[64];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  char path[4096];
  const ssize_t size = ::readlink(link, path, sizeof path - 1);
  if (size <= 0) return false;
  path[size] = '\0';
  return std::strstr(path, part) != nullptr;
}

Order order_for(int fd) {
  Order order;
  const char* name = std::getenv("TENAZ_TEST_FSYNC_FILE");
  if (name == nullptr) return order;
  const int file = ::open(name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return order;
  char text[256];
  const ssize_t size = ::read(file, text, sizeof text - 1);
  ::close(file);
  if (size <= 0) return order;
  text[size] = '\0';
  char verb[16] = "", value[16] = "", part[200] = "";
  if (std::sscanf(text, "%15s %15s %199s", verb, value, part) < 2 || !concerns(fd, part)) return order;
  if (std::strcmp(verb, "stall") == 0) order.stall_ms = std::atol(value);
  if (std::strcmp(verb, "error") == 0) order.error = std::strcmp(value, "ENOSPC") == 0 ? ENOSPC : EIO;
  return order;
}

// False: the call fails, errno says how.
bool let_through(int fd) {
  constexpr long kLookMs = 5;
  Order order = order_for(fd);
  for (long waited = 0; order.stall_ms > waited; waited += kLookMs) {
    const timespec pause{0, kLookMs * 1'000'000};
    ::nanosleep(&pause, nullptr);
    order = order_for(fd);
  }
  if (order.error == 0) return true;
  errno = order.error;
  return false;
}

template <class Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int fdatasync(int fd) {
  static const auto next = real<int (*)(int)>("fdatasync");
  return let_through(fd) ? next(fd) : -1;
}

int fsync(int fd) {
  static const auto next = real<int (*)(int)>("fsync");
  return let_through(fd) ? next(fd) : -1;
}
}
