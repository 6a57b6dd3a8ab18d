#include "server/open_files.h"

#include <sys/resource.h>

#include <algorithm>

#include "server/options.h"
#include "storage/options.h"

namespace tenaz::server {

namespace {

constexpr std::uint64_t kOwn = 64;       // logs, locks, tables being written, event loops, images being sent
constexpr std::uint64_t kPerMember = 6;  // a connection per lane, each way
constexpr std::uint64_t kDatabases = 3;  // the log, the state, and a state that is being installed
constexpr std::uint64_t kFewest = 16;

}  // namespace

std::uint64_t raise_open_files() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return 0;
  const rlim_t before = files.rlim_cur;
  files.rlim_cur = files.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : before;
}

std::size_t connections_within(std::uint64_t open_files, std::size_t wanted, std::size_t members) {
  const std::uint64_t reserved =
      kOwn + kPerMember * members + kDatabases * static_cast<std::uint64_t>(storage::open_tables(open_files));
  const std::uint64_t left = open_files > reserved ? open_files - reserved : 0;
  std::uint64_t fitting = std::min<std::uint64_t>(wanted, left);
  // Those that are told that there are too many need a file too.
  if (fitting + refused_at_once(fitting) > left) fitting = left - std::min<std::uint64_t>(left, refused_at_once(left));
  return fitting < std::min<std::uint64_t>(kFewest, wanted) ? 0 : static_cast<std::size_t>(fitting);
}

}  // namespace tenaz::server
