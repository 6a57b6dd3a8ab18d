#include "storage/platform.h"

#include <fcntl.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "storage/info_log.h"
#include "storage/ordered_names.h"
#include "storage/rocks.h"

namespace tenaz::storage {
namespace {

namespace fs = std::filesystem;

class SystemFile final : public File {
 public:
  SystemFile(int fd, fs::path path) : fd_(fd), path_(std::move(path)) {}
  SystemFile(const SystemFile&) = delete;
  SystemFile& operator=(const SystemFile&) = delete;
  ~SystemFile() override { ::close(fd_); }

  Result<void> write(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return rocks::system_error("cannot write", path_, errno);
      bytes.remove_prefix(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
      held_back_ += static_cast<std::size_t>(n);
    }
    if (held_back_ >= kWriteOutBytes) {
      // Waits for no write to end (at most for a place in the queue), and takes no error away from sync().
      (void)!::sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE);
      held_back_ = 0;
    }
    return {};
  }
  Result<void> sync() override {
    if (::fsync(fd_) != 0) return rocks::system_error("cannot sync", path_, errno);
    return {};
  }

 private:
  const int fd_;
  const fs::path path_;
  std::size_t held_back_ = 0;
};

}  // namespace

fs::path resolved(const fs::path& path) {
  const fs::path normal = fs::absolute(path).lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

Platform& Platform::system() {
  static Platform platform;
  return platform;
}

bool Platform::exists(const fs::path& path) {
  std::error_code code;
  return fs::exists(path, code);
}

Result<std::vector<std::string>> Platform::list(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator it(directory, code), end; !code && it != end; it.increment(code))
    names.push_back(it->path().filename().string());
  if (code) return rocks::system_error("cannot read", directory, code.value());
  return names;
}

Result<void> Platform::make_directories(const fs::path& given) {
  const fs::path path = resolved(given);
  std::vector<fs::path> made;  // but the last
  std::error_code code;
  for (fs::path above = path.parent_path(); !fs::exists(above, code) && above.has_relative_path();
       above = above.parent_path())
    made.push_back(above);
  if (fs::create_directories(path, code); code) return rocks::system_error("cannot create", path, code.value());
  for (const fs::path& directory : made)
    if (auto synced = sync_directory(directory.parent_path()); !synced) return synced;
  return {};
}

Result<void> Platform::remove_tree(const fs::path& path) {
  std::error_code code;
  if (fs::remove_all(path, code); code) return rocks::system_error("cannot remove", path, code.value());
  return {};
}

Result<void> Platform::rename(const fs::path& from, const fs::path& to) {
  std::error_code code;
  if (fs::rename(from, to, code); code) return rocks::system_error("cannot rename", from, code.value());
  return {};
}

Result<void> Platform::sync_directory(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return rocks::system_error("cannot open", path, errno);
  const int failed = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (failed != 0) return rocks::system_error("cannot sync", path, failed);
  return {};
}

Result<std::unique_ptr<File>> Platform::open(const fs::path& path, bool empty) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (empty ? O_TRUNC : 0), 0644);
  if (fd < 0) return rocks::system_error("cannot open", path, errno);
  return std::unique_ptr<File>(std::make_unique<SystemFile>(fd, path));
}

Result<std::string> Platform::read(const fs::path& path, std::uint64_t offset, std::size_t bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return rocks::system_error("cannot open", path, errno);
  std::string out(bytes, '\0');
  std::size_t have = 0;
  ssize_t n = 1;
  while (have < bytes && n > 0) {
    n = ::pread(fd, out.data() + have, bytes - have, static_cast<off_t>(offset + have));
    if (n > 0) have += static_cast<std::size_t>(n);
  }
  const int failed = n < 0 ? errno : 0;
  ::close(fd);
  if (failed != 0) return rocks::system_error("cannot read", path, failed);
  out.resize(have);
  return out;
}

Result<std::uint64_t> Platform::free_bytes(const fs::path& path) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) return rocks::system_error("cannot look at", path, errno);
  return static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
}

Result<DataLock> Platform::lock(const fs::path& data_dir) {
  return DataLock::take(data_dir);
}

rocksdb::Env* Platform::env() {
  // Never destroyed, as the default one is not: RocksDB's threads end after main() does.
  static rocksdb::Env* const env =
      rocksdb::NewCompositeEnv(with_ordered_names(rocksdb::FileSystem::Default())).release();
  return env;
}

std::shared_ptr<rocksdb::Logger> Platform::info_log(const fs::path& directory) {
  return rocks::info_log(directory);
}

Result<std::string> Platform::random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (::getentropy(bytes.data(), bytes.size()) != 0) return Error{ErrorCode::io, "the kernel gives no random bytes"};
  return bytes;
}

}  // namespace tenaz::storage
