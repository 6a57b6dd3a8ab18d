#include "storage/info_log.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <string>
#include <system_error>

namespace tenaz::storage::rocks {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr std::size_t kMaxLine = 4096;

class InfoLog final : public rocksdb::Logger {
 public:
  explicit InfoLog(const std::filesystem::path& directory)
      : rocksdb::Logger(rocksdb::WARN_LEVEL), file_(directory / "LOG"), old_(directory / "LOG.old") {}
  ~InfoLog() override { close(); }

  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    char line[kMaxLine];
    const time_t now = ::time(nullptr);
    tm utc{};
    ::gmtime_r(&now, &utc);
    const std::size_t head = std::strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%SZ ", &utc);
    const int body = std::vsnprintf(line + head, sizeof line - head - 1, format, arguments);
    std::size_t bytes = std::min(head + static_cast<std::size_t>(std::max(body, 0)), sizeof line - 2);
    if (line[bytes - 1] != '\n') line[bytes++] = '\n';
    const std::lock_guard guard(mutex_);
    append(line, bytes);
  }

 private:
  void append(const char* line, std::size_t bytes) {
    if (fd_ >= 0 && size_ + bytes > kMaxBytes) {
      close();
      std::error_code ignored;
      std::filesystem::rename(file_, old_, ignored);
    }
    if (fd_ < 0) {
      fd_ = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
      const off_t end = fd_ < 0 ? 0 : ::lseek(fd_, 0, SEEK_END);
      size_ = end < 0 ? 0 : static_cast<std::size_t>(end);
    }
    if (fd_ >= 0 && ::write(fd_, line, bytes) > 0) size_ += bytes;
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  const std::filesystem::path file_, old_;
  std::mutex mutex_;
  int fd_ = -1;
  std::size_t size_ = 0;
};

}  // namespace

std::shared_ptr<rocksdb::Logger> info_log(const std::filesystem::path& directory) {
  return std::make_shared<InfoLog>(directory);
}

}  // namespace tenaz::storage::rocks
