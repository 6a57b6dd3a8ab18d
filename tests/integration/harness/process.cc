#include "tests/integration/harness/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

namespace tenaz::harness {

namespace fs = std::filesystem;

namespace {

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& s : strings) result.push_back(s.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& additions) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) result.emplace_back(*entry);
  for (const auto& [name, value] : additions) {
    std::erase_if(result, [&name = name](const std::string& entry) { return entry.starts_with(name + "="); });
    result.push_back(name + "=" + value);
  }
  return result;
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const fs::path& log,
                 const std::map<std::string, std::string>& environment) {
  std::vector<std::string> arguments = command;
  std::vector<std::string> variables = environment_with(environment);
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> envp = pointers(variables);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (out < 0) throw std::runtime_error(log.string() + ": " + std::strerror(errno));
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {  // only async-signal-safe calls until execve
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::execvpe(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(out);
  if (pid_ < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
}

Process::~Process() {
  if (pid_ > 0) kill();
}

Process::Process(Process&& other) noexcept : pid_(other.pid_), exit_(other.exit_) {
  other.pid_ = -1;
}

void Process::reap(bool block) {
  if (exit_) return;
  int status = 0;
  pid_t done = -1;
  do {
    done = ::waitpid(pid_, &status, block ? 0 : WNOHANG);
  } while (done < 0 && errno == EINTR);
  if (done != pid_) return;
  exit_ = WIFSIGNALED(status) ? Exit{-1, WTERMSIG(status)} : Exit{WEXITSTATUS(status), 0};
}

bool Process::running() {
  reap(false);
  return !exit_;
}

void Process::signal(int number) const {
  if (!exit_) ::kill(pid_, number);
}

void Process::kill() {
  signal(SIGKILL);
  reap(true);
}

std::optional<Exit> Process::wait(std::chrono::nanoseconds patience) {
  eventually([this] { return !running(); }, patience);
  return exit_;
}

Finished run(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment) {
  const TempDirectory directory("run", false);
  const fs::path log = directory.path() / "output";
  Process process(command, log, environment);
  const auto exit = process.wait();
  if (!exit) throw std::runtime_error(command.front() + " does not end");
  return {*exit, read_file(log)};
}

TempDirectory::TempDirectory(const std::string& name, bool keep_on_failure) : keep_on_failure_(keep_on_failure) {
  std::string pattern = (fs::temp_directory_path() / ("tenaz-" + name + "-XXXXXX")).string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error(pattern + ": " + std::strerror(errno));
  path_ = pattern;
}

TempDirectory::~TempDirectory() {
  if (keep_on_failure_ && ::testing::Test::HasFailure()) {
    std::cerr << "left for a look: " << path_.string() << "\n";
    return;
  }
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace tenaz::harness
