#include "config/config.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "config/reader.h"

namespace tenaz::config {

namespace {

constexpr std::size_t kMaxNameBytes = 64;
constexpr std::streamsize kMaxFileBytes = 1 << 20;
constexpr std::size_t kMaxJoin = 31;

bool valid_name(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNameBytes && std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

const Member* own_member(const Config& config) {
  const auto& members = config.cluster.members;
  const auto own =
      std::find_if(members.begin(), members.end(), [&](const Member& m) { return m.id == config.node.id; });
  return own == members.end() ? nullptr : &*own;
}

void check_required(Reader& reader, std::initializer_list<const char*> keys, const std::string& parent) {
  for (const char* key : keys) {
    if (!reader.given(parent + key)) reader.fault(parent + key + ": is missing, must be given");
  }
}

void check_names(Reader& reader, const Config& config) {
  const std::string allowed = "must be 1 to 64 bytes without control characters";
  if (reader.given("node.name") && !valid_name(config.node.name)) reader.fault("node.name: " + allowed);
  if (reader.given("cluster.name") && !valid_name(config.cluster.name)) reader.fault("cluster.name: " + allowed);
  if (reader.given("node.data_dir") && config.node.data_dir.empty()) {
    reader.fault("node.data_dir: must be the path of a folder");
  }
}

// Each id and each address may stand once. The later one is at fault, and says where the first is.
class Uniqueness {
 public:
  explicit Uniqueness(Reader& reader) : reader_(reader) {}

  void check(const std::string& key, const std::string& value) {
    if (reader_.faulty(key)) return;
    const auto [first, fresh] = first_.emplace(value, key);
    if (!fresh) reader_.fault(key + ": must differ from that of " + first->second);
  }

 private:
  Reader& reader_;
  std::map<std::string, std::string> first_;
};

void check_members(Reader& reader, const Config& config) {
  Uniqueness ids(reader), addresses(reader);
  for (std::size_t i = 0; i < config.cluster.members.size(); ++i) {
    const Member& member = config.cluster.members[i];
    const std::string path = "cluster.members[" + std::to_string(i) + "].";
    check_required(reader, {"id", "peer", "client"}, path);
    if (reader.given(path + "id")) ids.check(path + "id", std::to_string(member.id));
    if (reader.given(path + "name") && !valid_name(member.name)) {
      reader.fault(path + "name: must be 1 to 64 bytes without control characters");
    }
    for (const auto& [key, address] : {std::pair("peer", member.peer), std::pair("client", member.client)}) {
      if (!reader.given(path + key)) continue;
      if (!server::valid_address(address)) {
        reader.fault(path + key + ": must be host:port");
      } else {
        addresses.check(path + key, address);
      }
    }
  }
}

void check_own_member(Reader& reader, const Config& config) {
  const auto& members = config.cluster.members;
  if (members.empty() || !reader.given("node.id")) return;
  std::string ids;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const std::string key = "cluster.members[" + std::to_string(i) + "].id";
    if (reader.faulty(key) || !reader.given(key)) return;
    ids.append(i == 0 ? "" : ", ").append(std::to_string(members[i].id));
  }
  const Member* own = own_member(config);
  if (!own) {
    reader.fault("node.id: must be one of the ids in cluster.members: " + ids);
  } else if (!config.node.name.empty() && !own->name.empty() && config.node.name != own->name) {
    reader.fault("node.name: must be the name that cluster.members gives this node, \"" + own->name + "\"");
  }
}

// Either the founding members, or whom to ask for admission: then no entry of its own says where this node listens.
void check_origin(Reader& reader) {
  const bool joins = reader.given("cluster.join"), founds = reader.given("cluster.members");
  if (!joins && !founds) {
    check_required(reader, {"name"}, "cluster.");
    reader.fault("cluster.members: is missing, must be given, or cluster.join instead");
  } else if (!joins) {
    check_required(reader, {"name"}, "cluster.");
  } else if (founds) {
    reader.fault("cluster.join: must not stand beside cluster.members: a node founds a cluster or joins one");
  } else {
    for (const char* key : {"http.listen", "peer.listen"}) {
      if (!reader.given(key)) reader.fault(std::string(key) + ": is missing, must be given beside cluster.join");
    }
  }
}

void check_join(Reader& reader, const Config& config) {
  const auto& join = config.cluster.join;
  if (!reader.given("cluster.join")) return;
  if (join.empty() || join.size() > kMaxJoin) {
    reader.fault("cluster.join: must be 1 to " + std::to_string(kMaxJoin) + " addresses host:port");
  }
  Uniqueness addresses(reader);
  for (std::size_t i = 0; i < join.size(); ++i) {
    const std::string key = "cluster.join[" + std::to_string(i) + "]";
    if (!server::valid_address(join[i])) {
      reader.fault(key + ": must be host:port");
    } else if (reader.given("peer.listen") && join[i] == config.peer.listen) {
      reader.fault(key + ": must be the address of another node, not peer.listen");
    } else {
      addresses.check(key, join[i]);
    }
  }
}

std::string port_of(const std::string& address) {
  return address.substr(address.rfind(':') + 1);
}

void check_listeners(Reader& reader, const Config& config) {
  const std::string &http = config.http.listen, &peer = config.peer.listen;
  if (!reader.given("http.listen") && !reader.given("peer.listen")) return;  // the members' addresses are checked apart
  auto takes_all = [](const std::string& listen) {
    return listen.starts_with("0.0.0.0:") || listen.starts_with("[::]:");
  };
  if (http == peer) {
    reader.fault("peer.listen: must differ from http.listen");
  } else if ((takes_all(http) || takes_all(peer)) && port_of(http) == port_of(peer)) {
    reader.fault("peer.listen: must have another port than http.listen, since one of them takes all addresses");
  }
}

// What must fit between the rooms.
void check_combinations(Reader& reader, const Config& config) {
  constexpr std::size_t kEnvelope = 16 << 10;  // room around values and entries in a frame, a key included
  auto require = [&](bool fine, const std::string& fault) {
    if (!fine) reader.fault(fault);
  };
  require(config.peer.max_frame_bytes >= config.raft.max_append_bytes + kEnvelope,
          "peer.max_frame_bytes: must be at least raft.max_append_bytes and 16KiB more");
  require(config.peer.max_frame_bytes >= config.limits.max_value_bytes + kEnvelope,
          "peer.max_frame_bytes: must be at least limits.max_value_bytes and 16KiB more");
  require(config.raft.max_uncommitted_bytes >= config.limits.max_value_bytes + kEnvelope,
          "raft.max_uncommitted_bytes: must be at least limits.max_value_bytes and 16KiB more");
}

void check_rooms(Reader& reader, const Config& config) {
  for (const auto& faults : {config.http.check(), config.peer.check(), config.limits.check(), config.history.check(),
                             config.log.check(), config.raft.check(), config.storage.check()}) {
    for (const std::string& fault : faults) reader.fault(fault);
  }
}

void fill_defaults(Reader& reader, Config& config) {
  for (Member& member : config.cluster.members) {
    if (member.name.empty()) member.name = "node-" + std::to_string(member.id);
  }
  const Member* own = own_member(config);
  if (!own && config.node.name.empty()) config.node.name = "node-" + std::to_string(config.node.id);
  if (!own) return;
  if (!reader.given("node.name")) config.node.name = own->name;
  if (!reader.given("http.listen") && server::valid_address(own->client)) config.http.listen = own->client;
  if (!reader.given("peer.listen") && server::valid_address(own->peer)) config.peer.listen = own->peer;
}

}  // namespace

Loaded parse(std::string_view toml, const std::string& name) {
  Config config;
  Reader reader(config, name);
  if (reader.read(toml)) {
    check_required(reader, {"id", "data_dir"}, "node.");
    check_origin(reader);
    check_join(reader, config);
    check_names(reader, config);
    check_members(reader, config);
    check_own_member(reader, config);
    fill_defaults(reader, config);
    check_rooms(reader, config);
    check_listeners(reader, config);
    check_combinations(reader, config);
  }
  Loaded loaded{.config = std::nullopt, .faults = reader.faults()};
  if (!loaded.faults.empty()) return loaded;

  auto& members = config.cluster.members;
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) { return a.id < b.id; });
  loaded.config = std::move(config);
  return loaded;
}

Loaded load(const std::string& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text;
  if (in) {
    text.resize(static_cast<std::size_t>(kMaxFileBytes) + 1);
    in.read(text.data(), kMaxFileBytes + 1);
    text.resize(static_cast<std::size_t>(in.gcount()));
  }
  if (!in.is_open() || in.bad() || (!in.eof() && in.fail())) {
    return {std::nullopt, {file + ": cannot be read: " + std::strerror(errno != 0 ? errno : EIO)}};
  }
  if (text.size() > kMaxFileBytes) return {std::nullopt, {file + ": is longer than 1MiB: not a tenaz configuration"}};
  return parse(text, file);
}

Config single_node(const std::string& data_dir) {
  Config config;
  config.node = {.id = 1, .name = "node-1", .data_dir = data_dir};
  config.cluster.name = "single";
  config.cluster.members = {{.id = 1, .name = "node-1", .peer = config.peer.listen, .client = config.http.listen}};
  return config;
}

}  // namespace tenaz::config
