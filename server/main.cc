// tenazd: one node of a tenaz cluster.

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string>

#include "config/config.h"
#include "server/app.h"
#include "server/recovery.h"
#include "server/version.h"
#include "storage/restore.h"

// Read by jemalloc, where it is linked; MALLOC_CONF of the environment goes before. What is freed is given back after
// one second instead of ten: a node is a tenth smaller for it under load, and no slower.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "dirty_decay_ms:1000,muzzy_decay_ms:0";
}

namespace {

constexpr const char* kFooter = R"(
Signals: SIGTERM and SIGINT hand leadership over and stop; SIGHUP reads [log] again.
Exit status (after 1, 2, 5 and 6 starting again is of no use until somebody has done something):
  0  stopped as asked
  1  faults in the configuration
  2  wrong command line
  3  cannot start: a port, a lock or the disk; or a restore or a recovery was not done; the last line says which
  4  the disk failed while running
  5  this node was removed from its cluster
  6  the data directory must not be used: fenced by the other nodes, damaged, another node's, or a later version's)";

// In place of CLI::PositiveNumber: see client/tenazctl/main.cc.
CLI::Validator whole_number() {
  const auto check = [](const std::string& text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool good = error == std::errc() && end == text.data() + text.size() && number > 0;
    return good ? std::string() : "found \"" + text + "\", must be a whole number from 1 to 18446744073709551615";
  };
  return CLI::Validator(check, "");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "tenazd, one node of a tenaz cluster: --config FILE, or --data-dir DIR for a cluster of one on 127.0.0.1:7480."};
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("tenazd ") + tenaz::server::kVersion);
  std::string file, data_dir, backup;
  std::uint64_t revision_gap = tenaz::storage::kRevisionGap;
  bool check = false;
  auto* config_option = app.add_option("--config", file, "TOML file of this node");
  auto* dir_option =
      app.add_option("--data-dir", data_dir, "Directory for the data of a cluster of one, instead of a file")
          ->excludes(config_option);
  app.add_flag("--check-config", check, "Print ok or every fault of the file, and exit")->needs(config_option);
  auto* restore_option =
      app.add_option("--restore", backup,
                     "Make this node's data directory, which must be empty, from a backup, as a node of a new cluster, "
                     "and exit")
          ->type_name("BACKUP")
          ->needs(config_option);
  app.add_option("--revision-gap", revision_gap, "With --restore: by how much revisions are raised, on all nodes alike")
      ->check(whole_number())
      ->capture_default_str()
      ->needs(restore_option);
  bool inspect = false, recover = false, accept_loss = false;
  auto* inspect_option = app.add_flag("--inspect", inspect,
                                      "Show what this node, which must be stopped, has on its disk, and exit; changes "
                                      "nothing")
                             ->needs(config_option)
                             ->excludes(restore_option);
  auto* recover_option =
      app.add_flag("--recover-from-minority", recover,
                   "When a majority is lost for good: make this node, which must be stopped, the only member of a new "
                   "cluster that begins with what it has, and exit; says first what can be lost")
          ->needs(config_option)
          ->excludes(restore_option)
          ->excludes(inspect_option);
  app.add_flag("--accept-data-loss", accept_loss,
               "With --recover-from-minority: go on without the cluster's name being typed on a terminal")
      ->needs(recover_option);
  try {
    app.parse(argc, argv);
    if (file.empty() && data_dir.empty())
      throw CLI::RequiredError("--config FILE, or --data-dir DIR for a cluster of one,");
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? tenaz::server::kExitStopped : tenaz::server::kExitUsage;
  }
  static_cast<void>(dir_option);

  if (file.empty()) return tenaz::server::run(tenaz::config::single_node(data_dir), file);
  const auto loaded = tenaz::config::load(file);
  if (!loaded.config) {
    for (const auto& fault : loaded.faults) std::fprintf(stderr, "%s\n", fault.c_str());
    return tenaz::server::kExitBadConfig;
  }
  if (check) {
    std::puts("ok");
    return tenaz::server::kExitStopped;
  }
  if (!backup.empty()) return tenaz::server::restore(*loaded.config, backup, revision_gap);
  if (inspect) return tenaz::server::inspect(*loaded.config);
  if (recover) return tenaz::server::recover_from_minority(*loaded.config, accept_loss);
  return tenaz::server::run(*loaded.config, file);
}
