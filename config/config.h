// One TOML file -> one validated Config. Strict: what is not known, of the wrong type, out of range or cannot work
// together is a fault, and all faults are reported at once. Pure functions but for reading the file; any thread may
// call them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "raft/options.h"
#include "server/options.h"
#include "storage/options.h"

namespace tenaz::config {

struct Node {
  std::uint64_t id = 0;  // 1 to 2^53 - 1, so that every JSON reader gets it right
  std::string name;      // default: the member's name, which is "node-<id>" unless given
  std::string data_dir;
};

// One of the founding members. Addresses are host:port, with an IPv6 address in brackets.
struct Member {
  std::uint64_t id = 0;
  std::string name;    // default "node-<id>"
  std::string peer;    // where other nodes reach it
  std::string client;  // where clients reach it

  bool operator==(const Member&) const = default;
};

struct Cluster {
  std::string name;
  std::string token;            // empty: none
  std::vector<Member> members;  // sorted by id
  // Peer addresses of a cluster to join. Instead of members: such a node founds nothing, and needs [http] and [peer]
  // listen. Name and token do not matter then.
  std::vector<std::string> join{};
};

// Where [http] or [peer] has no `listen`, the address of this node's own entry in cluster.members is taken.
struct Config {
  Node node;
  Cluster cluster;
  server::HttpOptions http;
  server::PeerOptions peer;
  server::LimitOptions limits;
  server::HistoryOptions history;
  server::LogOptions log;
  raft::Options raft;
  storage::Options storage;
};

// Either a config, or at least one fault: "file:line: key: what was found, what is allowed", in the order of lines.
struct Loaded {
  std::optional<Config> config;
  std::vector<std::string> faults;
};

Loaded load(const std::string& file);

// The same for a text; `name` stands for the file in faults.
Loaded parse(std::string_view toml, const std::string& name);

// The keys whose values differ, "http.listen" and "cluster.members" for instance.
std::vector<std::string> changed_keys(const Config& before, const Config& after);

// A cluster of one for trying things out: node 1 "node-1", HTTP on 127.0.0.1:7480, peers on 127.0.0.1:7490.
Config single_node(const std::string& data_dir);

// 128 bits as 32 hex digits: the first half of SHA-256 over these bytes, numbers little-endian, each text behind its
// length as u32: "tenaz-cluster-1", name, number of members (u32), then id (u64) and peer of each by rising id, token.
// Nodes of different ids refuse each other, so two clusters founded from one template cannot mix once a name or an
// address differs.
std::string cluster_id(const Cluster& cluster);

}  // namespace tenaz::config
