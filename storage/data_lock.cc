#include "storage/data_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "storage/rocks.h"

namespace tenaz::storage {

Result<DataLock> DataLock::take(const std::filesystem::path& data_dir) {
  const auto path = data_dir / "LOCK";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return rocks::system_error("cannot open", path, errno);
  DataLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return rocks::system_error("cannot lock", path, errno);
    std::array<char, 32> holder{};
    const ssize_t n = ::pread(fd, holder.data(), holder.size(), 0);
    const std::string pid(holder.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
    return Error{ErrorCode::locked, "the data directory " + data_dir.string() + " is in use by another process" +
                                        (pid.empty() ? "" : " (pid " + pid + ")")};
  }
  // For the message above alone: that it cannot be written does not weaken the lock.
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd, 0) == 0) (void)!::pwrite(fd, pid.data(), pid.size(), 0);
  return lock;
}

DataLock::~DataLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace tenaz::storage
