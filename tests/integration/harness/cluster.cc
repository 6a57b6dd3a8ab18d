#include "tests/integration/harness/cluster.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace tenaz::harness {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

// 127.64.0.0/10 by process id: a connection's own end is at 127.0.0.1, so it never takes a port here either.
std::string own_loopback_address() {
  const auto pid = static_cast<unsigned>(::getpid());
  return "127." + std::to_string(64 + (pid >> 16 & 63)) + "." + std::to_string(pid >> 8 & 255) + "." +
         std::to_string(pid & 255);
}

std::vector<std::uint16_t> free_ports(const std::string& host, std::size_t count) {
  std::vector<int> sockets;
  std::vector<std::uint16_t> ports;
  for (std::size_t i = 0; i < count; ++i) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    socklen_t size = sizeof(address);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockets.push_back(fd);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0)
      throw std::runtime_error("cannot bind to " + host);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    ports.push_back(ntohs(address.sin_port));
  }
  for (const int fd : sockets) ::close(fd);
  return ports;
}

std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

std::string text_of(const Address& address) {
  return address.host + ":" + std::to_string(address.port);
}

// Between two looks at a log, another would only be slower.
std::string tail(const std::string& text, std::size_t bytes) {
  return text.size() > bytes ? "...\n" + text.substr(text.size() - bytes) : text;
}

}  // namespace

std::string tenazd_path() {
  return TENAZD_PATH;
}

Cluster::Cluster(int nodes, Settings settings, std::string name) : directory_(name), name_(std::move(name)) {
  const std::string host = own_loopback_address();
  const auto count = static_cast<std::size_t>(nodes);
  // Ports that are handed out later might have been taken by then.
  constexpr std::size_t kSpareAddresses = 2 * kSpareNodes + 4;
  const std::vector<std::uint16_t> ports = free_ports(host, 2 * count + kSpareAddresses);
  for (std::size_t i = 2 * count; i < ports.size(); ++i) spare_.push_back({host, ports[i]});
  // The disk that tests run on may be nearly full without harm to them.
  settings.try_emplace("storage.reserve_bytes", "\"16MiB\"");
  settings.try_emplace("http.teaching_routes", "true");
  for (std::size_t i = 0; i < count; ++i) {
    Node made;
    made.settings = settings;
    made.http = {host, ports[i]};
    made.peer = {host, ports[count + i]};
    made.data_dir = directory_.path() / ("node-" + std::to_string(i + 1));
    nodes_.push_back(std::move(made));
  }
}

int Cluster::add_node() {
  Node made;
  made.settings = nodes_.front().settings;
  made.http = free_address();
  made.peer = free_address();
  made.joins = true;
  made.data_dir = directory_.path() / ("node-" + std::to_string(size() + 1));
  nodes_.push_back(std::move(made));
  return size();
}

Address Cluster::free_address() {
  const Address address = spare_.back();
  spare_.pop_back();
  return address;
}

Cluster::~Cluster() {
  kill_all();
  for (const int id : ids()) {
    const std::string text = log(id);
    for (const char* mark : {"ThreadSanitizer", "AddressSanitizer", "runtime error:"}) {
      const std::size_t at = text.find(mark);
      if (at != std::string::npos) ADD_FAILURE() << "node " << id << ":\n" << text.substr(at, 8000);
    }
  }
}

std::vector<int> Cluster::ids() const {
  std::vector<int> result;
  for (int id = 1; id <= size(); ++id) result.push_back(id);
  return result;
}

std::string Cluster::config_text(int id) const {
  const Node& self = node(id);
  std::map<std::string, std::map<std::string, std::string>> sections;
  for (const auto& [key, value] : self.settings) {
    const std::size_t dot = key.rfind('.');
    sections[key.substr(0, dot)][key.substr(dot + 1)] = value;
  }
  sections["node"].try_emplace("id", std::to_string(id));
  sections["node"].try_emplace("data_dir", quoted(self.data_dir.string()));
  sections["cluster"].try_emplace("name", quoted(name_));
  if (self.joins) {
    std::string join;
    for (const int other : ids())
      if (other != id) join += (join.empty() ? "" : ", ") + quoted(text_of(peer_address(other)));
    sections["cluster"].try_emplace("join", "[" + join + "]");
    sections["http"].try_emplace("listen", quoted(text_of(self.http)));
    sections["peer"].try_emplace("listen", quoted(text_of(self.peer)));
  }
  std::ostringstream text;
  for (const auto& [section, values] : sections) {
    text << "[" << section << "]\n";
    for (const auto& [key, value] : values) text << key << " = " << value << "\n";
    text << "\n";
  }
  for (const int other : ids()) {
    if (self.joins || node(other).joins) continue;
    text << "[[cluster.members]]\nid = " << other << "\npeer = " << quoted(text_of(peer_address(other)))
         << "\nclient = " << quoted(text_of(http_address(other))) << "\n\n";
  }
  return text.str();
}

void Cluster::start_all() {
  for (const int id : ids()) start(id);
}

void Cluster::start(int id) {
  fs::create_directories(node(id).data_dir);
  write_file(config_file(id), config_text(id));
  node(id).paused = false;
  std::vector<std::string> command{tenazd_path(), "--config", config_file(id).string()};
  if (const int files = node(id).open_files)
    command.insert(command.begin(), {"prlimit", "--nofile=" + std::to_string(files)});
  command.insert(command.begin(), node(id).launcher.begin(), node(id).launcher.end());
  const NodeControl* control = node(id).control.get();
  node(id).process = std::make_unique<Process>(
      command, log_file(id), control == nullptr ? std::map<std::string, std::string>() : control->environment());
}

void Cluster::prepare_controls() {
  for (const int id : ids())
    node(id).control = std::make_unique<NodeControl>(directory() / ("node-" + std::to_string(id) + ".control"));
}

void Cluster::signal(int id, int number) {
  if (node(id).process) node(id).process->signal(number);
}

void Cluster::kill(int id) {
  if (node(id).process) node(id).process->kill();
}

void Cluster::kill_all() {
  for (Node& each : nodes_) {
    if (each.process) each.process->signal(SIGKILL);
  }
  for (const int id : ids()) kill(id);
}

void Cluster::restart(int id) {
  kill(id);
  start(id);
}

void Cluster::pause(int id) {
  node(id).process->signal(SIGSTOP);
  node(id).paused = true;
}

void Cluster::resume(int id) {
  node(id).process->signal(SIGCONT);
  node(id).paused = false;
}

void Cluster::terminate(int id) {
  node(id).process->signal(SIGTERM);
}

bool Cluster::running(int id) {
  return node(id).process && node(id).process->running();
}

std::optional<Exit> Cluster::wait_exit(int id, std::chrono::nanoseconds patience) {
  return node(id).process->wait(patience);
}

void Cluster::set(int id, const std::string& key, const std::string& value) {
  if (value.empty()) {
    node(id).settings.erase(key);
  } else {
    node(id).settings[key] = value;
  }
}

void Cluster::reload(int id) {
  write_file(config_file(id), config_text(id));
  node(id).process->signal(SIGHUP);
}

void Cluster::set_data_dir(int id, const fs::path& path) {
  node(id).data_dir = path;
}

void Cluster::place(int id, Address http, Address peer, std::vector<std::string> launcher) {
  node(id).http = std::move(http);
  node(id).peer = std::move(peer);
  node(id).launcher = std::move(launcher);
}

Address Cluster::http_address(int id) const {
  return node(id).http;
}
Address Cluster::peer_address(int id) const {
  return node(id).peer;
}
fs::path Cluster::data_dir(int id) const {
  return node(id).data_dir;
}
fs::path Cluster::config_file(int id) const {
  return directory() / ("node-" + std::to_string(id) + ".toml");
}
fs::path Cluster::log_file(int id) const {
  return directory() / ("node-" + std::to_string(id) + ".log");
}
std::string Cluster::log(int id) const {
  return read_file(log_file(id));
}

std::optional<HttpAnswer> Cluster::request(int id, const std::string& method, const std::string& target,
                                           std::string_view body, const Headers& headers) const {
  return http(http_address(id), method, target, body, headers);
}

bool Cluster::put(int id, const std::string& key, std::string_view value) const {
  const auto answer = request(id, "PUT", "/v1/kv/" + key, value);
  return answer && (answer->status == 200 || answer->status == 201);
}

std::optional<std::string> Cluster::get(int id, const std::string& key) const {
  const auto answer = request(id, "GET", "/v1/kv/" + key);
  if (!answer || answer->status != 200) return std::nullopt;
  return answer->body;
}

std::optional<json::object> Cluster::status(int id) const {
  const auto answer = http(http_address(id), "GET", "/v1/status", {}, {}, std::chrono::seconds(5));
  if (!answer || answer->status != 200) return std::nullopt;
  const json::value value = answer->json();
  return value.is_object() ? std::optional(value.as_object()) : std::nullopt;
}

std::uint64_t Cluster::number(int id, std::string_view field) const {
  const auto got = status(id);
  if (!got) return 0;
  const json::value* value = got->if_contains({field.data(), field.size()});
  if (value == nullptr) return 0;
  boost::system::error_code ec;
  const auto result = value->to_number<std::uint64_t>(ec);
  return ec ? 0 : result;
}

std::optional<double> Cluster::metric(int id, const std::string& series) const {
  const auto answer = http(http_address(id), "GET", "/metrics", {}, {}, std::chrono::seconds(5));
  if (!answer || answer->status != 200) return std::nullopt;
  std::istringstream lines(answer->body);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(series + " ")) return std::stod(line.substr(series.size() + 1));
  return std::nullopt;
}

std::string Cluster::role(int id) const {
  const auto got = status(id);
  if (!got) return {};
  const json::value* value = got->if_contains("role");
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

int Cluster::leader() {
  std::map<std::uint64_t, std::vector<int>> leading;
  for (const int id : ids()) {
    if (running(id) && !node(id).paused && role(id) == "leader") leading[number(id, "term")].push_back(id);
  }
  if (leading.empty() || leading.rbegin()->second.size() != 1) return 0;
  return leading.rbegin()->second.front();
}

bool Cluster::agreed_on(int leader) {
  for (const int id : ids()) {
    if (!running(id) || node(id).paused) continue;
    if (number(id, "leader_id") != static_cast<std::uint64_t>(leader)) return false;
  }
  return true;
}

int Cluster::wait_leader(std::chrono::nanoseconds patience) {
  int found = 0;
  const bool done = eventually(
      [&] {
        found = leader();
        return found != 0 && agreed_on(found) && put(found, "harness/leader", std::to_string(found));
      },
      patience);
  if (done) return found;
  ADD_FAILURE() << "no leader that all agree on and that takes a write";
  show_logs();
  return 0;
}

bool Cluster::wait_ready(int id, std::chrono::nanoseconds patience) const {
  return eventually(
      [&] {
        const auto answer = request(id, "GET", "/v1/kv/harness/ready");
        return answer && (answer->status == 200 || answer->status == 404);
      },
      patience);
}

bool Cluster::wait_caught_up(int id, int to, std::chrono::nanoseconds patience) const {
  std::uint64_t goal = 0;
  return eventually(
      [&] {
        if (goal == 0) goal = number(to, "applied_index");
        return goal != 0 && number(id, "applied_index") >= goal;
      },
      patience);
}

// --- who belongs to it

std::string Cluster::member_json(int id, const std::string& more) const {
  return "{\"id\":" + std::to_string(id) + ",\"peer\":" + quoted(text_of(peer_address(id))) +
         ",\"client\":" + quoted(text_of(http_address(id))) + more + "}";
}

std::optional<HttpAnswer> Cluster::add_member(int through, int id, const std::string& more) const {
  return request(through, "POST", "/v1/members?timeout=30s", member_json(id, more),
                 {{"Content-Type", "application/json"}});
}

std::optional<HttpAnswer> Cluster::promote_member(int through, int id) const {
  return request(through, "POST", "/v1/members/" + std::to_string(id) + "/promote?timeout=30s");
}

std::optional<HttpAnswer> Cluster::remove_member(int through, int id) const {
  return request(through, "DELETE", "/v1/members/" + std::to_string(id) + "?timeout=30s");
}

bool Cluster::admit(int through, int id, const std::string& more) {
  if (!running(id)) start(id);
  std::optional<HttpAnswer> answer;
  const bool done = eventually([&] {
    answer = add_member(through, id, more);
    // It may not listen yet, or another change may not be through.
    const bool again = answer && answer->outcome() == "not_applied" &&
                       (answer->code() == "member_unreachable" || answer->code() == "membership_change_in_progress");
    return !again;
  });
  if (done && answer && answer->status == 201) return true;
  ADD_FAILURE() << "node " << id << " was not admitted: " << (answer ? answer->body : "no answer");
  show_logs();
  return false;
}

std::map<int, std::string> Cluster::members(int through) const {
  const auto answer = request(through, "GET", "/v1/members");
  std::map<int, std::string> found;
  if (!answer || answer->status != 200) return found;
  const json::value body = answer->json();
  for (const json::value& member : body.at("members").as_array())
    found[member.at("id").to_number<int>()] = std::string(member.at("role").as_string());
  return found;
}

bool Cluster::wait_voters(int through, const std::set<int>& ids) const {
  std::map<int, std::string> expected;
  for (const int id : ids) expected[id] = "voter";
  std::string last;
  const bool done = eventually([&] {
    const auto answer = request(through, "GET", "/v1/members");
    last = answer ? answer->body : "no answer";
    return answer && answer->status == 200 && !answer->json().at("joint").as_bool() && members(through) == expected;
  });
  if (done) return true;
  ADD_FAILURE() << "the members are others: " << last;
  show_logs();
  return false;
}

std::map<std::uint64_t, std::set<int>> Cluster::leaders_by_term() const {
  static const std::regex own("this node leads term ([0-9]+)");
  static const std::regex other("node ([0-9]+) leads term ([0-9]+)");
  std::map<std::uint64_t, std::set<int>> leaders;
  for (const int id : ids()) {
    std::istringstream lines(log(id));
    std::smatch match;
    for (std::string line; std::getline(lines, line);) {
      if (std::regex_search(line, match, own)) {
        leaders[std::stoull(match[1])].insert(id);
      } else if (std::regex_search(line, match, other)) {
        leaders[std::stoull(match[2])].insert(std::stoi(match[1]));
      }
    }
  }
  return leaders;
}

void Cluster::expect_one_leader_per_term() const {
  const auto leaders = leaders_by_term();
  EXPECT_FALSE(leaders.empty()) << "the logs name no leader at all";
  for (const auto& [term, nodes] : leaders) {
    EXPECT_EQ(nodes.size(), 1u) << "term " << term << " had more than one leader, says some node's log";
  }
}

void Cluster::show_logs() const {
  for (const int id : ids()) {
    std::cerr << "--- node " << id << " ---\n" << tail(log(id), 4000) << "\n";
  }
}

}  // namespace tenaz::harness
