#include "tests/chaos/node_control.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace tenaz::chaos {

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

std::map<std::string, std::string> NodeControl::environment() const {
  return {{"LD_PRELOAD", TENAZ_PRELOAD_PATH}, {kControlVariable, file_.string()}};
}

}  // namespace tenaz::chaos
