#include "tests/chaos/network.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace tenaz::chaos {

using harness::Process;

namespace {

constexpr std::uint16_t kHttpPort = 7480;
constexpr std::uint16_t kPeerPort = 7490;
const std::map<std::string, std::string> kPath{{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}};

int own_namespace() {
  return ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

std::string path_of(int fd) {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd);
}

// Without its end.
std::string rule(const std::string& from, const Loss& loss) {
  std::string text = "    ip saddr " + from;
  if (loss.what == Loss::What::messages) text += " tcp dport " + std::to_string(kPeerPort);
  switch (loss.how) {
    case Loss::How::drop:
      return text + " drop\n";
    case Loss::How::reset:
      return text + (loss.what == Loss::What::messages ? "" : " meta l4proto tcp") + " reject with tcp reset\n";
    case Loss::How::sometimes:
      return text + (loss.percent >= 100 ? "" : " numgen random mod 100 < " + std::to_string(loss.percent)) + " drop\n";
  }
  return {};
}

}  // namespace

Network::Network(int hosts, std::filesystem::path directory) : hosts_(hosts), directory_(std::move(directory)) {
  std::filesystem::create_directories(directory_);
  if (::getuid() != 0) {
    why_not_ = "network namespaces need root";
  } else if (!set_up() && why_not_.empty()) {
    why_not_ = std::string("no network namespace is to be had here: ") + std::strerror(errno);
  }
}

Network::~Network() {
  if (original_ >= 0) ::setns(original_, CLONE_NEWNET);
  for (const int fd : namespaces_) ::close(fd);
  for (const int fd : {hub_, original_}) {
    if (fd >= 0) ::close(fd);
  }
}

bool Network::set_up() {
  original_ = own_namespace();
  if (original_ < 0 || ::unshare(CLONE_NEWNET) != 0) return false;
  hub_ = own_namespace();
  for (int host = 1; host <= hosts_; ++host) {
    if (::unshare(CLONE_NEWNET) != 0) return false;
    namespaces_.push_back(own_namespace());
    if (::setns(hub_, CLONE_NEWNET) != 0) return false;
  }
  std::vector<std::string> lines{"link set lo up", "link add hub type bridge forward_delay 0",
                                 "addr add " + address(254) + "/24 dev hub", "link set hub up"};
  for (int host = 1; host <= hosts_; ++host) {
    const std::string name = "host" + std::to_string(host);
    lines.push_back("link add " + name + " type veth peer name eth0 netns " +
                    path_of(namespaces_[static_cast<std::size_t>(host - 1)]));
    lines.push_back("link set " + name + " master hub up");
  }
  if (!batch("hub", lines, 0)) return false;
  for (int host = 1; host <= hosts_; ++host) {
    const std::vector<std::string> own{"link set lo up", "addr add " + address(host) + "/24 dev eth0",
                                       "link set eth0 up"};
    if (!batch("host" + std::to_string(host), own, host)) return false;
  }
  // Fails here and now where there is no nftables.
  try {
    for (int host = 1; host <= hosts_; ++host) wanted_[{host, host % hosts_ + 1}] = kResetMessages;
    apply();
    mend_all();
    apply();
  } catch (const std::runtime_error& error) {
    why_not_ = error.what();
  }
  return possible();
}

std::vector<std::string> Network::inside(int host, std::vector<std::string> command) const {
  const std::string where = "--net=" + path_of(namespaces_[static_cast<std::size_t>(host - 1)]);
  command.insert(command.begin(), {"nsenter", where, "--"});
  return command;
}

bool Network::run(const std::vector<std::string>& command) {
  const harness::Finished done = harness::run(command, kPath);
  if (done.exit == harness::Exit{0, 0}) return true;
  why_not_ = command.front() + " is not possible here: " + done.output;
  return false;
}

// Host 0: the hub.
bool Network::batch(const std::string& name, const std::vector<std::string>& lines, int host) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  const std::filesystem::path file = directory_ / (name + ".ip");
  harness::write_file(file, text);
  const std::vector<std::string> command{"ip", "-batch", file.string()};
  return run(host == 0 ? command : inside(host, command));
}

std::string Network::address(int host) const {
  return "10.91.0." + std::to_string(host);
}

void Network::place(harness::Cluster& cluster) const {
  for (const int id : cluster.ids())
    cluster.place(id, {address(id), kHttpPort}, {address(id), kPeerPort}, inside(id, {}));
}

void Network::lose(int from, int to, const Loss& loss) {
  wanted_[{from, to}] = loss;
}

void Network::lose_both_ways(int a, int b, const Loss& loss) {
  lose(a, b, loss);
  lose(b, a, loss);
}

void Network::mend(int a, int b) {
  wanted_.erase({a, b});
  wanted_.erase({b, a});
}

void Network::mend_all() {
  wanted_.clear();
}

void Network::connect_only(const std::vector<std::pair<int, int>>& pairs) {
  for (int a = 1; a <= hosts_; ++a) {
    for (int b = a + 1; b <= hosts_; ++b) lose_both_ways(a, b, kDropPackets);
  }
  for (const auto& [a, b] : pairs) mend(a, b);
}

void Network::isolate(int host) {
  for (int other = 1; other <= hosts_; ++other) {
    if (other != host) lose_both_ways(host, other, kDropPackets);
  }
}

// What arrives at `host` and is lost there. One transaction: nothing is half in force.
std::string Network::rules(int host) const {
  std::string text =
      "table ip chaos\ndelete table ip chaos\ntable ip chaos {\n  chain arrives {\n"
      "    type filter hook input priority 0; policy accept;\n";
  for (const auto& [link, loss] : wanted_) {
    if (link.second == host) text += rule(address(link.first), loss);
  }
  return text + "  }\n}\n";
}

void Network::apply() {
  std::vector<std::pair<int, std::unique_ptr<Process>>> running;
  for (int host = 1; host <= hosts_; ++host) {
    bool changed = false;
    for (int other = 1; other <= hosts_; ++other) {
      const auto before = applied_.find({other, host});
      const auto now = wanted_.find({other, host});
      changed |= (before == applied_.end()) != (now == wanted_.end()) ||
                 (now != wanted_.end() && !(before->second == now->second));
    }
    if (!changed) continue;
    const std::filesystem::path file = directory_ / ("host" + std::to_string(host) + ".nft");
    harness::write_file(file, rules(host));
    running.emplace_back(
        host, std::make_unique<Process>(inside(host, {"nft", "-f", file.string()}), directory_ / "nft.log", kPath));
  }
  for (const auto& [host, process] : running) {
    if (process->wait() != harness::Exit{0, 0})
      throw std::runtime_error("nft is not possible on host " + std::to_string(host) + ": " +
                               harness::read_file(directory_ / "nft.log"));
  }
  applied_ = wanted_;
}

bool Network::connected(int a, int b) const {
  return !applied_.contains({a, b}) && !applied_.contains({b, a});
}

}  // namespace tenaz::chaos
