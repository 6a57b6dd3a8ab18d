#include "storage/kv/key_cache.h"

#include <functional>

namespace tenaz::storage::kv {
namespace {

struct Node {
  std::string key;
  Version version;
  bool used = false;  // since the hand last passed
};

// What a node takes beside its key: itself, list and map links, allocator overhead.
constexpr std::size_t kNodeBytes = sizeof(Node) + 96;

}  // namespace

struct KeyCache::Shard {
  mutable std::mutex mutex;
  std::list<Node> nodes;
  std::list<Node>::iterator hand = nodes.end();
  std::unordered_map<std::string_view, std::list<Node>::iterator> by_key;  // views into nodes
  std::size_t bytes = 0;

  void evict_one() {
    for (;;) {
      if (hand == nodes.end()) hand = nodes.begin();
      if (!hand->used) break;
      hand->used = false;
      ++hand;
    }
    bytes -= kNodeBytes + hand->key.size();
    by_key.erase(hand->key);
    hand = nodes.erase(hand);
  }
};

KeyCache::KeyCache(std::size_t capacity_bytes)
    : shard_capacity_(capacity_bytes / kShards), shards_(std::make_unique<std::array<Shard, kShards>>()) {}
KeyCache::~KeyCache() = default;

KeyCache::Shard& KeyCache::shard_of(std::string_view key) const {
  // The map inside a shard uses the low bits of the same hash.
  return (*shards_)[(std::hash<std::string_view>{}(key) >> 48) % kShards];
}

bool KeyCache::find(std::string_view key, Version& version) const {
  Shard& shard = shard_of(key);
  std::lock_guard guard(shard.mutex);
  const auto it = shard.by_key.find(key);
  if (it == shard.by_key.end()) return false;
  it->second->used = true;
  version = it->second->version;
  return true;
}

void KeyCache::put(std::string_view key, const Version& version) {
  Shard& shard = shard_of(key);
  std::lock_guard guard(shard.mutex);
  if (const auto it = shard.by_key.find(key); it != shard.by_key.end()) {
    it->second->version = version;
    it->second->used = true;
    return;
  }
  const std::size_t charge = kNodeBytes + key.size();
  if (charge > shard_capacity_) return;
  while (shard.bytes + charge > shard_capacity_) shard.evict_one();
  // Behind the hand: a new node is the last that it comes to.
  const auto node = shard.nodes.insert(shard.hand, Node{std::string(key), version, false});
  shard.by_key.emplace(node->key, node);
  shard.bytes += charge;
}

std::size_t KeyCache::bytes() const {
  std::size_t sum = 0;
  for (const Shard& shard : *shards_) {
    std::lock_guard guard(shard.mutex);
    sum += shard.bytes;
  }
  return sum;
}

}  // namespace tenaz::storage::kv
