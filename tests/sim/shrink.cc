#include "tests/sim/shrink.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

#include "tests/sim/simulation.h"

namespace tenaz::sim {
namespace {

// What is left out shifts the course of everything else, so a failure may need other luck to show again.
constexpr std::uint64_t kSalts = 20;

class Shrinker {
 public:
  Shrinker(const Changes& changes, const std::function<Ending(const Changes&)>& run,
           const std::function<void(const Changes&)>& progress)
      : run_(run), progress_(progress) {
    best_.changes = changes;
    best_.ending = run(changes);
    ++best_.attempts;
  }

  Shrunk shrink() {
    if (best_.ending.kind.empty()) return best_;
    for (bool smaller = true; smaller;) {
      smaller = fewer_nodes();
      smaller |= fewer_faults();
      smaller |= fewer_conditions();
      smaller |= earlier_end();
    }
    return best_;
  }

 private:
  // True, and the best one from now on, if this run ends in the same way.
  bool take(Changes candidate) {
    for (std::uint64_t salt = 0; salt < kSalts; ++salt) {
      if (salt > 0) candidate.salt = best_.changes.salt * kSalts + salt;
      const Ending ending = run_(candidate);
      ++best_.attempts;
      if (ending.kind != best_.ending.kind) continue;
      best_.changes = candidate;
      best_.ending = ending;
      progress_(candidate);
      return true;
    }
    return false;
  }

  bool fewer_nodes() {
    for (std::size_t nodes = 1; nodes < best_.ending.nodes; ++nodes) {
      Changes candidate = best_.changes;
      candidate.nodes = nodes;
      if (take(candidate)) return true;
    }
    return false;
  }

  // Halves first, then smaller and smaller pieces (Zeller's delta debugging).
  bool fewer_faults() {
    bool smaller = false;
    std::vector<std::uint64_t> left;
    for (std::uint64_t fault = 0; fault < best_.ending.fault_numbers; ++fault)
      if (!best_.changes.skipped.contains(fault)) left.push_back(fault);
    for (std::size_t size = (left.size() + 1) / 2; size > 0; size = size == 1 ? 0 : (size + 1) / 2) {
      for (std::size_t begin = 0; begin < left.size();) {
        const auto first = left.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto last = left.begin() + static_cast<std::ptrdiff_t>(std::min(begin + size, left.size()));
        Changes candidate = best_.changes;
        candidate.skipped.insert(first, last);
        if (take(candidate)) {
          smaller = true;
          left.erase(first, last);
        } else {
          begin += size;
        }
      }
    }
    return smaller;
  }

  bool fewer_conditions() {
    bool smaller = false;
    for (std::size_t i = 0; i < kConditions; ++i) {
      Changes candidate = best_.changes;
      if (candidate.calm.insert(static_cast<Condition>(i)).second) smaller |= take(candidate);
    }
    return smaller;
  }

  // The faults end earlier; the failure may still come later, in the time of recovery.
  bool earlier_end() {
    const auto ms = [](raft::Duration time) { return std::chrono::duration_cast<std::chrono::milliseconds>(time); };
    const std::chrono::milliseconds end =
        best_.changes.until > raft::Duration{}
            ? ms(best_.changes.until)
            : std::chrono::milliseconds(static_cast<int>(best_.ending.seconds * 1000));
    for (const int tenths : {1, 3, 5, 7, 9}) {
      Changes candidate = best_.changes;
      candidate.until = end * tenths / 10;
      if (candidate.until > raft::Duration{} && take(candidate)) return true;
    }
    return false;
  }

  const std::function<Ending(const Changes&)>& run_;
  const std::function<void(const Changes&)>& progress_;
  Shrunk best_;
};

// What a child process says, line by line: kind, failure, seconds, fault numbers.
std::string read_all(int from) {
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = read(from, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(got));
  return text;
}

}  // namespace

std::string kind_of(const std::string& failure) {
  const std::size_t begin = failure.compare(0, 3, "at ") == 0 ? failure.find(": ") : std::string::npos;
  std::string kind = failure.substr(begin == std::string::npos ? 0 : begin + 2);
  kind = kind.substr(0, kind.find('\n'));
  std::erase_if(kind, [](unsigned char c) { return std::isdigit(c) != 0; });
  return kind;
}

Ending run_apart(std::uint64_t seed, const Changes& changes) {
  int ends[2];
  if (pipe(ends) != 0) return {"cannot run", "pipe: " + std::string(std::strerror(errno)), 0, 0, 0};
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    dup2(ends[1], STDERR_FILENO);  // where an abort says why
    const Report report = simulate(seed, changes);
    std::fprintf(stderr, "%.3f %llu\n%s", report.simulated_seconds,
                 static_cast<unsigned long long>(report.fault_numbers), report.failure.c_str());
    _exit(0);
  }
  close(ends[1]);
  const std::string said = read_all(ends[0]);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  Ending ending;
  ending.nodes = draw_scenario(seed, changes).nodes;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    // An aborted run tells neither its length nor its faults: as many as any run has.
    ending.failure = said.substr(0, said.find('\n'));
    ending.kind = kind_of(ending.failure);
    ending.seconds = 30;
    ending.fault_numbers = 150;
    return ending;
  }
  unsigned long long faults = 0;
  int begin = 0;
  std::sscanf(said.c_str(), "%lf %llu\n%n", &ending.seconds, &faults, &begin);
  ending.fault_numbers = faults;
  ending.failure = said.substr(static_cast<std::size_t>(begin));
  ending.kind = kind_of(ending.failure);
  return ending;
}

Shrunk shrink(const Changes& changes, const std::function<Ending(const Changes&)>& run,
              const std::function<void(const Changes&)>& progress) {
  return Shrinker(changes, run, progress).shrink();
}

}  // namespace tenaz::sim
