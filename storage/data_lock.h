// The lock on a data directory: <data_dir>/LOCK, held as long as the object lives and by one process at a time. The
// kernel lets go of it when the process ends, however it ends.
#pragma once

#include <filesystem>
#include <utility>

#include "storage/status.h"

namespace tenaz::storage {

class DataLock {
 public:
  // Locks nothing.
  DataLock() = default;
  // Errors: locked (names the process that holds it), io, no_space.
  static Result<DataLock> take(const std::filesystem::path& data_dir);

  DataLock(DataLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DataLock& operator=(DataLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~DataLock();

 private:
  explicit DataLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace tenaz::storage
