#include "server/app.h"

#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>

#include "raft/membership.h"
#include "server/hex.h"
#include "server/host.h"
#include "server/http/server.h"
#include "server/logging.h"
#include "server/metrics.h"
#include "server/open_files.h"
#include "server/service_manager.h"
#include "server/version.h"

namespace tenaz::server {

namespace {

// SIGTERM to exit takes at most 5 s: these add up to less.
constexpr auto kHandOverTimeout = std::chrono::milliseconds(1500);
constexpr auto kDrainTimeout = std::chrono::milliseconds(1000);
constexpr auto kSendTimeout = std::chrono::milliseconds(1000);

// Open files are set aside for so many members: a cluster may grow while this node runs.
constexpr std::size_t kMembersToCome = 7;

// Asked for by the node itself, as if somebody had stopped it.
std::atomic<bool> removed{false};

HostOptions host_options(const config::Config& config) {
  HostOptions out;
  out.on_removed = [] {
    removed = true;
    ::kill(::getpid(), SIGTERM);
  };
  out.self = raft::NodeId(config.node.id);
  out.name = config.node.name;
  out.cluster_name = config.cluster.name;
  if (config.cluster.join.empty()) out.cluster_id = config::cluster_id(config.cluster);
  out.join = config.cluster.join;
  out.data_dir = config.node.data_dir;
  out.founding = founding_of(config);
  out.raft = config.raft;
  out.storage = config.storage;
  out.peer = config.peer;
  out.limits = config.limits;
  out.history = config.history;
  return out;
}

// The signals that tenazd handles are blocked in every thread and taken one by one by the main thread.
class Signals {
 public:
  Signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    fd_ = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  ~Signals() { ::close(fd_); }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  bool usable() const { return fd_ >= 0; }
  // The next one. Meanwhile `woken` is called whenever `wake_fd` is readable; it must read it.
  int next(int wake_fd, const std::function<void()>& woken) const {
    for (;;) {
      pollfd waited[] = {{fd_, POLLIN, 0}, {wake_fd, POLLIN, 0}};
      if (::poll(waited, 2, -1) < 0) continue;  // EINTR, by a debugger for instance
      signalfd_siginfo signal{};
      if (::read(fd_, &signal, sizeof signal) == sizeof signal) return static_cast<int>(signal.ssi_signo);
      if (waited[1].revents != 0) woken();
    }
  }

 private:
  int fd_;
};

// `running`: what this process was started with; only [log] is taken from the file again.
void reload(const config::Config& running, const std::string& file) {
  if (file.empty()) {
    spdlog::warn("SIGHUP: there is no configuration file to read again");
    return;
  }
  const auto loaded = config::load(file);
  if (!loaded.config) {
    for (const auto& fault : loaded.faults) spdlog::error("SIGHUP: {}", fault);
    spdlog::error("SIGHUP: nothing was changed");
    return;
  }
  set_up_logging(loaded.config->log);
  spdlog::info("SIGHUP: [log] was read again");
  for (const std::string& key : config::changed_keys(running, *loaded.config))
    if (!key.starts_with("log.")) spdlog::warn("SIGHUP: {} was changed in the file: that needs a restart", key);
}

// A node that ran out of files could not write its log any more: clients get only what the others leave.
storage::Result<HttpOptions> fit_open_files(const config::Config& config) {
  const std::uint64_t open_files = raise_open_files();
  HttpOptions http = config.http;
  const std::size_t members = std::max(config.cluster.members.size(), kMembersToCome);
  http.max_connections = connections_within(open_files, http.max_connections, members);
  if (http.max_connections == 0)
    return storage::Error{storage::ErrorCode::io,
                          fmt::format("this process may open {} files, too few to serve clients; raise the limit "
                                      "(LimitNOFILE, ulimit -n)",
                                      open_files)};
  if (http.max_connections < config.http.max_connections)
    spdlog::warn("this process may open {} files: {} client connections instead of http.max_connections = {}",
                 open_files, http.max_connections, config.http.max_connections);
  return http;
}

[[noreturn]] void storage_failed(const storage::Error& error) {
  const bool fenced = error.code == storage::ErrorCode::wrong_identity;
  spdlog::critical("{}this node stops: {}", fenced ? "" : "storage failed, ", error.message);
  spdlog::default_logger()->flush();
  std::_Exit(exit_code(error, kExitStorageFailed));
}

int cannot_start(ServiceManager& manager, const storage::Error& error) {
  spdlog::critical("cannot start: {}", error.message);
  manager.starting("cannot start: " + error.message);
  return exit_code(error, kExitCannotStart);
}

}  // namespace

ExitCode exit_code(const storage::Error& error, ExitCode otherwise) {
  switch (error.code) {
    case storage::ErrorCode::removed:
      return kExitRemoved;
    case storage::ErrorCode::wrong_identity:
    case storage::ErrorCode::corruption:
    case storage::ErrorCode::newer_format:
      return kExitUnusableData;
    default:
      return otherwise;
  }
}

raft::Configuration founding_of(const config::Config& config) {
  std::vector<raft::Member> members;
  for (const auto& member : config.cluster.members)
    members.push_back({raft::NodeId(member.id), member.name, member.peer, member.client, {}});
  return raft::founding_configuration(std::move(members));
}

int run(const config::Config& config, const std::string& config_file) {
  set_up_logging(config.log);
  const Signals signals;
  ServiceManager manager;
  if (!signals.usable()) return cannot_start(manager, {storage::ErrorCode::io, "no more files can be opened"});
  spdlog::info("tenazd {}: node {} ({}), data in {}", kVersion, config.node.id, config.node.name, config.node.data_dir);

  const auto http_options = fit_open_files(config);
  if (!http_options) return cannot_start(manager, http_options.error());

  Metrics metrics;
  HostOptions options = host_options(config);
  options.standing = [&manager](const std::string& text) { manager.standing(text); };
  auto host = Host::open(options, metrics, storage_failed);
  if (!host) return cannot_start(manager, host.error());
  HttpServer http(*http_options, config.limits, **host, **host, metrics);
  // Both ports are taken before this node takes part: one that cannot serve, and is started again and again, would win
  // an election each time.
  if (const auto fault = http.listen()) return cannot_start(manager, {storage::ErrorCode::io, *fault});
  if (const auto started = (*host)->start(); !started) return cannot_start(manager, started.error());
  if (const auto fault = http.start()) {
    (*host)->stop();
    return cannot_start(manager, {storage::ErrorCode::io, *fault});
  }
  spdlog::info("serving clients on {}, peers on {}", http.endpoint(), config.peer.listen);

  manager.ready();

  int signal = 0;
  while ((signal = signals.next(manager.wake_fd(), [&manager] { manager.pass_on(); })) == SIGHUP) {
    manager.reloading();
    reload(config, config_file);
    manager.ready();
  }
  const char* name = removed ? "removed" : signal == SIGTERM ? "SIGTERM" : "SIGINT";
  spdlog::info("{}: stopping", name);
  manager.stopping(fmt::format("stopping ({})", name));
  (*host)->hand_over(kHandOverTimeout);
  (*host)->drain(kDrainTimeout);
  http.stop(kSendTimeout);
  (*host)->stop();
  spdlog::info("stopped");
  return removed ? kExitRemoved : kExitStopped;
}

}  // namespace tenaz::server
