#include "server/process_figures.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace tenaz::server {
namespace {

std::string contents(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// When the machine was started, in seconds since 1970.
double boot_time() {
  std::istringstream lines(contents("/proc/stat"));
  for (std::string word; lines >> word;) {
    if (word == "btime") {
      double seconds = 0;
      lines >> seconds;
      return seconds;
    }
  }
  return 0;
}

// proc(5), /proc/[pid]/stat: fields 14, 15, 20, 22, 23, 24, counted from the state (field 3) on.
void add_stat(std::vector<ProcessFigure>& figures) {
  const std::string stat = contents("/proc/self/stat");
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) {
    return;
  }
  std::istringstream fields(stat.substr(name_end + 1));
  std::string state;
  fields >> state;
  std::vector<double> numbers;  // numbers[0] is field 4
  for (double number = 0; numbers.size() < 21 && fields >> number;) {
    numbers.push_back(number);
  }
  if (numbers.size() < 21) {
    return;
  }
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  figures.push_back(
      {"process_cpu_seconds_total", "User and system CPU time spent.", true, (numbers[10] + numbers[11]) / ticks});
  figures.push_back({"process_threads", "Threads of the process.", false, numbers[16]});
  figures.push_back({"process_start_time_seconds", "Start of the process, in seconds since 1970.", false,
                     boot_time() + numbers[18] / ticks});
  figures.push_back({"process_virtual_memory_bytes", "Virtual memory.", false, numbers[19]});
  figures.push_back({"process_resident_memory_bytes", "Resident memory.", false, numbers[20] * page});
}

void add_files(std::vector<ProcessFigure>& figures) {
  std::error_code ec;
  std::filesystem::directory_iterator files("/proc/self/fd", ec);
  if (!ec) {
    // One of them is the directory that is being read.
    const auto open = std::distance(begin(files), end(files)) - 1;
    figures.push_back({"process_open_fds", "Open file descriptors.", false, static_cast<double>(open)});
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    figures.push_back(
        {"process_max_fds", "The most file descriptors that may be open.", false, static_cast<double>(limit.rlim_cur)});
  }
}

}  // namespace

std::vector<ProcessFigure> process_figures() {
  std::vector<ProcessFigure> figures;
  add_stat(figures);
  add_files(figures);
  return figures;
}

}  // namespace tenaz::server
