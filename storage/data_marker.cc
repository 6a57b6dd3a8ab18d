#include "storage/data_marker.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "storage/platform.h"
#include "storage/rocks.h"

namespace tenaz::storage {

namespace fs = std::filesystem;

bool DataMarker::stands(const fs::path& data_dir) {
  std::error_code code;
  // What cannot be looked at is not taken for absent.
  return fs::exists(data_dir / kFileName, code) || (code && code != std::errc::no_such_file_or_directory);
}

Result<void> DataMarker::set(const fs::path& data_dir) {
  const fs::path path = data_dir / kFileName;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return rocks::system_error("cannot create", path, errno);
  const bool synced = ::fsync(fd) == 0;
  const int failed = errno;
  ::close(fd);
  if (!synced) return rocks::system_error("cannot sync", path, failed);
  return Platform::system().sync_directory(data_dir);
}

Result<void> DataMarker::remove(const fs::path& data_dir) {
  const fs::path path = data_dir / kFileName;
  std::error_code code;
  if (fs::remove(path, code); code) return rocks::system_error("cannot remove", path, code.value());
  return Platform::system().sync_directory(data_dir);
}

}  // namespace tenaz::storage
