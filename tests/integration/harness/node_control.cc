#include "tests/integration/harness/node_control.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace tenaz::harness {

NodeControl::NodeControl(const std::filesystem::path& file) : file_(file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  void* page = MAP_FAILED;
  if (fd >= 0 && ::ftruncate(fd, kControlBytes) == 0)
    page = ::mmap(nullptr, kControlBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  const std::string why = std::strerror(errno);
  if (fd >= 0) ::close(fd);
  if (page == MAP_FAILED) throw std::runtime_error(file.string() + ": " + why);
  page_ = static_cast<Control*>(page);
}

NodeControl::~NodeControl() {
  ::munmap(page_, kControlBytes);
}

void NodeControl::stall_syncs(std::chrono::milliseconds longest, const std::string& part) {
  ask_for_nothing(part);
  page_->sync_stall_ms = static_cast<std::uint32_t>(longest.count());
}

void NodeControl::fail_syncs(int error, const std::string& part) {
  ask_for_nothing(part);
  page_->sync_error = error;
}

void NodeControl::ask_for_nothing(const std::string& part) {
  page_->sync_stall_ms = 0;
  page_->sync_error = 0;
  std::memset(page_->part, 0, sizeof page_->part);
  std::memcpy(page_->part, part.data(), std::min(part.size(), sizeof page_->part - 1));
}

std::map<std::string, std::string> NodeControl::environment() const {
  return {{"LD_PRELOAD", TENAZ_PRELOAD_PATH}, {kControlVariable, file_.string()}};
}

}  // namespace tenaz::harness
