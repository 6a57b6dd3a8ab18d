#include "server/recovery.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <optional>
#include <vector>

#include "raft/membership.h"
#include "server/app.h"
#include "server/hex.h"
#include "storage/minority.h"
#include "storage/restore.h"

namespace tenaz::server {
namespace {

int refuse(const std::string& why, ExitCode code = kExitCannotStart) {
  fmt::print(stderr, "tenazd: {}\n", why);
  return code;
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

storage::Identity identity_of(const config::Config& config) {
  std::string cluster_id;  // of whichever cluster a node that joined has joined
  if (config.cluster.join.empty()) cluster_id = from_hex(config::cluster_id(config.cluster));
  return {cluster_id, raft::NodeId(config.node.id)};
}

std::string list(const std::vector<raft::NodeId>& ids) {
  std::string out;
  for (const raft::NodeId id : ids) out += (out.empty() ? "" : " ") + std::to_string(id.value);
  return out;
}

bool among(const std::vector<raft::NodeId>& ids, raft::NodeId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// Of a leader's wall clock.
std::string time_of(std::uint64_t ms) {
  if (ms == 0) return "not known: the log holds none";
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}, by the clock of its leader",
                     fmt::gmtime(static_cast<std::time_t>(ms / 1000)));
}

void show(const config::Config& config, const storage::Survivor& found) {
  const raft::Configuration& members = found.configuration;
  fmt::print(
      "node           {} ({}), storage id {}, started {} times, data in {}\n"
      "cluster        {}, id {}\n"
      "term           {}\n"
      "log            last term {}, last index {}, first index {}\n"
      "last write     {}\n"
      "state          index {}, revision {}; what the log has after it, {} entries, is not known to be committed\n"
      "configuration  of index {}: voters {}{}\n",
      found.node.value, config.node.name, to_hex(found.storage_id), found.incarnation, config.node.data_dir,
      config.cluster.name.empty() ? "(its name is not in the file)" : config.cluster.name, to_hex(found.cluster_id),
      found.hard_state.term.value, found.last_term.value, found.last.value, found.first.value,
      time_of(found.last_write_ms), found.applied.value, found.revision, found.last.value - found.applied.value,
      found.configuration_index.value, list(members.voters),
      members.joint() ? ", joint with the earlier voters " + list(members.outgoing) : "");
  for (const raft::Member& member : members.members)
    fmt::print("member         {} ({}), peer {}, client {}{}\n", member.id.value, member.name, member.peer,
               member.client, among(members.learners, member.id) ? ", learner" : "");
  if (!members.retired.empty()) fmt::print("removed        {}\n", list(members.retired));
}

void warn(const storage::Survivor& found) {
  std::vector<raft::NodeId> lost;
  for (const raft::Member& member : found.configuration.members)
    if (member.id != found.node) lost.push_back(member.id);
  fmt::print(
      "\n"
      "This makes a NEW cluster, with another id, whose only member is node {0}. It cannot be undone.\n"
      "Lost:     every write that is not in this node's log, even if it was acknowledged. The others may have had\n"
      "          entries after index {1}, or others in the place of those after index {2}; nothing here tells.\n"
      "Kept:     all of this node's log. The {3} entries after index {2} may never have been acknowledged; they take\n"
      "          effect all the same, and the keys that their puts name get new ETags.\n"
      "Gone:     {4} for ever. The new cluster refuses them, and their ids are not used again.\n"
      "Before:   see that they are stopped and do not start again: a majority of them would go on as the old cluster.\n"
      "          Look at every node that is left with tenazd --inspect, and do this on ONE of them only: the one with\n"
      "          the greatest last term and, among those, the greatest last index.\n"
      "Revisions of before will count as compacted; new ones begin {5} higher.\n",
      found.node.value, found.last.value, found.applied.value, found.last.value - found.applied.value,
      (lost.size() == 1 ? "node " : "nodes ") + list(lost), storage::kRevisionGap);
}

// What stands for the cluster where it must be typed.
std::string name_of(const config::Config& config, const storage::Survivor& found) {
  return config.cluster.name.empty() ? to_hex(found.cluster_id) : config.cluster.name;
}

bool confirmed_on_terminal(const std::string& name) {
  if (::isatty(STDIN_FILENO) == 0) return false;
  fmt::print("\nType {} to go on: ", name);
  std::fflush(stdout);
  std::string typed;
  return std::getline(std::cin, typed) && typed == name;
}

// What the node has, shown; or how it was refused.
struct Looked {
  storage::Survivor found;
  int exit_code = kExitStopped;
};

Looked look(const config::Config& config) {
  Looked out;
  if (const auto fault = wrong_user(config.node.data_dir)) {
    out.exit_code = refuse(*fault);
    return out;
  }
  auto found = storage::inspect(config.node.data_dir, identity_of(config), config.storage);
  if (found) {
    out.found = std::move(*found);
    show(config, out.found);
  } else {
    out.exit_code = refuse(found.error().message, exit_code(found.error(), kExitCannotStart));
  }
  return out;
}

}  // namespace

int inspect(const config::Config& config) {
  const Looked looked = look(config);
  if (looked.exit_code != kExitStopped) return looked.exit_code;
  fmt::print(
      "\nOf several nodes, the one with the greatest last term and, among those, the greatest last index has most.\n");
  return kExitStopped;
}

int recover_from_minority(const config::Config& config, bool accepted) {
  const Looked looked = look(config);
  if (looked.exit_code != kExitStopped) return looked.exit_code;
  const storage::Survivor& found = looked.found;
  if (const auto can = storage::check_survivor(found); !can) return refuse(can.error().message);
  warn(found);
  if (!accepted && !confirmed_on_terminal(name_of(config, found))) {
    std::fflush(stdout);
    return refuse(
        "not confirmed, nothing was changed. Type what is asked for on a terminal, or give --accept-data-loss");
  }
  const auto made = storage::recover_from_minority(config.node.data_dir, identity_of(config), found,
                                                   storage::kRevisionGap, config.storage);
  if (!made)
    return refuse(made.error().message + ". The node is what it was", exit_code(made.error(), kExitCannotStart));
  fmt::print(
      "\n"
      "node {} is ready as the only member of the new cluster {}\n"
      "was      cluster {}, term {}, index {}, revision {}\n"
      "is       term {}, index {}, revision {}: revisions before {} are compacted\n"
      "Start it, make a backup, and add nodes with new ids.\n",
      found.node.value, to_hex(made->cluster_id), to_hex(found.cluster_id), found.hard_state.term.value,
      found.last.value, made->last_revision, made->term.value, made->index.value, made->revision, made->raised);
  return kExitStopped;
}

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
