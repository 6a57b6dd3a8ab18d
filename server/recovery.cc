#include "server/recovery.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

#include "server/app.h"
#include "server/hex.h"
#include "storage/restore.h"

namespace tenaz::server {
namespace {

int refuse(const std::string& why) {
  fmt::print(stderr, "tenazd: {}\n", why);
  return kExitCannotStart;
}

// Files of another user than the one that the node runs as would keep it from starting.
std::optional<std::string> wrong_user(const std::string& data_dir) {
  struct stat there {};
  if (::stat(data_dir.c_str(), &there) != 0 || there.st_uid == ::geteuid()) return std::nullopt;
  const passwd* owner = ::getpwuid(there.st_uid);
  const std::string name = owner ? owner->pw_name : std::to_string(there.st_uid);
  return fmt::format(
      "{} belongs to the user {}: do this as that user (runuser -u {} -- tenazd ...). Nothing was changed", data_dir,
      name, name);
}

}  // namespace

int restore(const config::Config& config, const std::string& file, std::uint64_t revision_gap) {
  if (!config.cluster.join.empty())
    return refuse("cluster.join: a restore makes a new cluster, so the configuration must name its cluster.members");
  if (const auto fault = wrong_user(config.node.data_dir)) return refuse(*fault);
  storage::RestoreRequest request;
  request.data_dir = config.node.data_dir;
  request.configured = {from_hex(config::cluster_id(config.cluster)), raft::NodeId(config.node.id)};
  request.members = founding_of(config);
  request.revision_gap = revision_gap;
  const auto restored = storage::restore_backup(file, request, config.storage);
  if (!restored) return refuse(restored.error().message);
  const backup::Header& header = restored->backup.header;
  fmt::print(
      "node {} of the new cluster {} is ready in {}\n"
      "from     {}, sha256 {}\n"
      "was      cluster {} ({}), revision {}, term {}\n"
      "is       revision {}, term {}: earlier revisions are compacted\n"
      "Restore every other member of the file from the same backup, then start them all.\n",
      config.node.id, to_hex(restored->cluster_id), config.node.data_dir, file, restored->backup.sha256,
      header.cluster_name, to_hex(header.cluster_id), header.revision, header.term, restored->revision,
      restored->term.value);
  return kExitStopped;
}

}  // namespace tenaz::server
