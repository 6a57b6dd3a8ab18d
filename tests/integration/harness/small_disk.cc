#include "tests/integration/harness/small_disk.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "tests/integration/harness/process.h"

namespace tenaz::harness {

namespace fs = std::filesystem;

SmallDisk::SmallDisk(const fs::path& directory, unsigned mebibytes, const std::string& name)
    : mount_(directory / name) {
  const std::string image = (directory / (name + ".img")).string();
  fs::create_directory(mount_);
  if (::getuid() != 0) {
    why_not_ = "mounting needs root";
    return;
  }
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    why_not_ = std::string("no mount namespace is to be had here: ") + std::strerror(errno);
    return;
  }
  for (const std::vector<std::string>& step :
       std::vector<std::vector<std::string>>{{"truncate", "-s", std::to_string(mebibytes) + "M", image},
                                             {"mkfs.ext4", "-q", "-m", "0", image},
                                             {"mount", "-o", "loop", image, mount_.string()}}) {
    const Finished done = run(step, {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}});
    if (done.exit == Exit{0, 0}) continue;
    why_not_ = step.front() + " is not possible here: " + done.output;
    return;
  }
  mounted_ = true;
}

SmallDisk::~SmallDisk() {
  if (mounted_) run({"umount", "-l", mount_.string()});
}

}  // namespace tenaz::harness
