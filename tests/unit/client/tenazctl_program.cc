#include "tests/unit/client/tenazctl_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

namespace tenaz::client {

std::string content(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

Ended run(std::vector<std::string> arguments, const std::string& input, std::vector<std::string> environment,
          const char* out) {
  const std::string base = testing::TempDir() + "tenazctl." + std::to_string(::getpid());
  const std::string files[3] = {base + ".in", base + ".out", base + ".err"};
  std::ofstream(files[0], std::ios::binary) << input;

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, files[0].c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out ? out : files[1].c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, files[2].c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  arguments.insert(arguments.begin(), TENAZCTL);
  std::vector<char*> argv, envp;
  for (std::string& a : arguments) argv.push_back(a.data());
  for (std::string& e : environment) envp.push_back(e.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  pid_t pid = 0;
  EXPECT_EQ(posix_spawn(&pid, TENAZCTL, &actions, nullptr, argv.data(), envp.data()), 0);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);

  Ended ended{WIFEXITED(status) ? WEXITSTATUS(status) : -1, out ? "" : content(files[1]), content(files[2])};
  for (const std::string& file : files) std::remove(file.c_str());
  return ended;
}

}  // namespace tenaz::client
