// A small file system of its own: a file with an ext4 in it on a loop device. Needs root and loop devices; says why
// when it is not possible.
#pragma once

#include <filesystem>
#include <string>

namespace tenaz::harness {

// Mounted below `directory`, in a mount namespace of this thread and the children and threads that it makes from then
// on: nothing stays mounted when a test is aborted.
class SmallDisk {
 public:
  SmallDisk(const std::filesystem::path& directory, unsigned mebibytes, const std::string& name = "disk");
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  const std::string& why_not() const { return why_not_; }
  const std::filesystem::path& path() const { return mount_; }

 private:
  std::filesystem::path mount_;
  bool mounted_ = false;
  std::string why_not_;
};

}  // namespace tenaz::harness
