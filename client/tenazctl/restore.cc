// tenazctl restore: has tenazd, which knows the data directory, make a node of a new cluster from a backup.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <iostream>

#include "backup/reader.h"
#include "client/tenazctl/commands.h"

extern char** environ;

namespace tenaz::client {

namespace {

// Beside this program, where the packages put it, or on the path.
std::string find_tenazd() {
  std::array<char, PATH_MAX> self{};
  const ssize_t size = ::readlink("/proc/self/exe", self.data(), self.size() - 1);
  if (size > 0) {
    const std::string program(self.data(), static_cast<std::size_t>(size));
    const std::string directory = program.substr(0, program.rfind('/'));
    for (const std::string& candidate : {directory + "/tenazd", directory + "/../sbin/tenazd"})
      if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "tenazd";
}

}  // namespace

int restore(Client&, const Arguments& arguments) {
  // A backup that is no good is said to be so even where there is no tenazd.
  const auto checked = backup::check_file(arguments.file);
  if (const auto* fault = std::get_if<backup::Fault>(&checked)) {
    std::cerr << "tenazctl: " << fault->message << '\n';
    return kRefused;
  }
  std::vector<std::string> command = {find_tenazd(), "--config", arguments.config, "--restore", arguments.file};
  if (arguments.revision_gap) {
    command.emplace_back("--revision-gap");
    command.push_back(std::to_string(*arguments.revision_gap));
  }
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  if (const int failed = ::posix_spawnp(&pid, argv[0], nullptr, nullptr, argv.data(), environ); failed != 0) {
    std::cerr << "tenazctl: tenazd, which does this, cannot be run (" << std::strerror(failed)
              << "): install it on this machine (tenaz-server), the one that the restored node will run on\n";
    return kRefused;
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? kDone : kRefused;
}

}  // namespace tenaz::client
