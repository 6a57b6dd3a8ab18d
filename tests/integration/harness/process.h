// A child process of a test: started with its output in a file, signalled by pid, waited for. It dies with the thread
// that started it, so an aborted test leaves nothing behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/integration/harness/wait.h"

namespace tenaz::harness {

struct Exit {
  int code = -1;   // if it ended by itself
  int signal = 0;  // that ended it, else 0
  bool operator==(const Exit&) const = default;
};

class Process {
 public:
  // Output and errors are appended to `log`. Throws std::runtime_error if it cannot be started.
  Process(const std::vector<std::string>& command, const std::filesystem::path& log,
          const std::map<std::string, std::string>& environment = {});
  ~Process();  // kill -9
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number) const;
  // kill -9, and gone when this returns.
  void kill();
  // Nothing: it still runs after `patience`.
  std::optional<Exit> wait(std::chrono::nanoseconds patience = kPatience);

 private:
  void reap(bool block);

  pid_t pid_ = -1;
  std::optional<Exit> exit_;
};

// Runs to its end; its output. Throws std::runtime_error if it takes longer than kPatience.
struct Finished {
  Exit exit;
  std::string output;
};
Finished run(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment = {});

// A directory for one test, removed afterwards; with `keep_on_failure` only if the test did not fail.
class TempDirectory {
 public:
  explicit TempDirectory(const std::string& name, bool keep_on_failure = true);
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  bool keep_on_failure_;
};

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, const std::string& text);

}  // namespace tenaz::harness
