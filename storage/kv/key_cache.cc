#include "storage/kv/key_cache.h"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <new>
#include <vector>

namespace tenaz::storage::kv {
namespace {

// One allocation: the node, then the key, then the value.
struct Node {
  Node* chain = nullptr;   // in its bucket
  Node* before = nullptr;  // in the ring of the clock
  Node* after = nullptr;
  std::size_t hash = 0;
  Version version;
  std::uint32_t key_bytes = 0;
  std::uint32_t room = 0;  // for the value
  std::uint32_t value_bytes = 0;
  bool has_value = false;
  bool used = false;  // since the hand last passed

  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  std::string_view key() { return {bytes(), key_bytes}; }
  std::string_view value() { return {bytes() + key_bytes, value_bytes}; }
  // Allocators round up by an eighth at most; and a bucket.
  std::size_t charge() const {
    const std::size_t asked = sizeof(Node) + key_bytes + room;
    return asked + asked / 16 + sizeof(Node*);
  }
  void set(const Version& v, std::optional<std::string_view> value) {
    version = v;
    has_value = value.has_value();
    value_bytes = has_value ? static_cast<std::uint32_t>(value->size()) : 0;
    if (value_bytes > 0) std::memcpy(bytes() + key_bytes, value->data(), value_bytes);
  }
};

Node* make_node(std::size_t hash, std::string_view key, std::size_t room) {
  void* memory = std::malloc(sizeof(Node) + key.size() + room);
  if (memory == nullptr) throw std::bad_alloc();
  Node* node = new (memory) Node;
  node->hash = hash;
  node->key_bytes = static_cast<std::uint32_t>(key.size());
  node->room = static_cast<std::uint32_t>(room);
  if (!key.empty()) std::memcpy(node->bytes(), key.data(), key.size());
  return node;
}

std::size_t hash_of(std::string_view key) {
  return std::hash<std::string_view>{}(key);
}

}  // namespace

struct KeyCache::Shard {
  mutable std::mutex mutex;
  std::vector<Node*> buckets = std::vector<Node*>(64);  // a power of two
  Node* hand = nullptr;
  std::size_t nodes = 0;
  std::size_t bytes = 0;

  ~Shard() {
    while (hand != nullptr) remove(hand);
  }

  Node** place(std::size_t hash, std::string_view key) {
    Node** at = &buckets[hash & (buckets.size() - 1)];
    while (*at != nullptr && ((*at)->hash != hash || (*at)->key() != key)) at = &(*at)->chain;
    return at;
  }

  void insert(Node* node) {
    if (nodes == buckets.size()) grow();
    Node** bucket = &buckets[node->hash & (buckets.size() - 1)];
    node->chain = *bucket;
    *bucket = node;
    // Behind the hand: a new node is the last that it comes to.
    if (hand == nullptr) {
      hand = node->before = node->after = node;
    } else {
      node->after = hand;
      node->before = hand->before;
      node->before->after = node;
      hand->before = node;
    }
    ++nodes;
    bytes += node->charge();
  }

  void remove(Node* node) {
    *place(node->hash, node->key()) = node->chain;
    if (hand == node) hand = node->after == node ? nullptr : node->after;
    node->before->after = node->after;
    node->after->before = node->before;
    --nodes;
    bytes -= node->charge();
    std::free(node);
  }

  void evict_one() {
    for (; hand->used; hand = hand->after) hand->used = false;
    remove(hand);
  }

  void grow() {
    std::vector<Node*> larger(buckets.size() * 2);
    for (Node* node : buckets) {
      while (node != nullptr) {
        Node* next = node->chain;
        Node** bucket = &larger[node->hash & (larger.size() - 1)];
        node->chain = *bucket;
        *bucket = node;
        node = next;
      }
    }
    buckets.swap(larger);
  }

  void put(std::size_t capacity, std::size_t hash, std::string_view key, const Version& version,
           std::optional<std::string_view> value) {
    if (value && value->size() > kMaxValueBytes) value.reset();
    bool used = false;
    if (Node* node = *place(hash, key); node != nullptr) {
      if (!value || value->size() <= node->room) {
        node->set(version, value);
        node->used = true;
        return;
      }
      used = true;
      remove(node);
    }
    Node* node = make_node(hash, key, value ? value->size() : 0);
    node->set(version, value);
    node->used = used;
    if (node->charge() > capacity) return std::free(node);
    while (bytes + node->charge() > capacity) evict_one();
    insert(node);
  }
};

KeyCache::KeyCache(std::size_t capacity_bytes)
    : shard_capacity_(capacity_bytes / kShards), shards_(std::make_unique<std::array<Shard, kShards>>()) {}
KeyCache::~KeyCache() = default;

// The buckets inside a shard use the low bits.
KeyCache::Shard& KeyCache::shard_of(std::size_t hash) const {
  return (*shards_)[(hash >> 48) % kShards];
}

std::optional<KeyCache::Hit> KeyCache::find(std::string_view key, std::string* value) const {
  const std::size_t hash = hash_of(key);
  Shard& shard = shard_of(hash);
  std::lock_guard guard(shard.mutex);
  Node* node = *shard.place(hash, key);
  if (node == nullptr) return {};
  node->used = true;
  if (value != nullptr && node->has_value) *value = node->value();
  return Hit{node->version, node->has_value};
}

bool KeyCache::find_value(std::string_view key, std::uint64_t mod, std::string& value) const {
  const std::size_t hash = hash_of(key);
  Shard& shard = shard_of(hash);
  std::lock_guard guard(shard.mutex);
  Node* node = *shard.place(hash, key);
  if (node == nullptr || !node->has_value || node->version.mod != mod) return false;
  node->used = true;
  value = node->value();
  return true;
}

void KeyCache::put(std::string_view key, const Version& version, std::optional<std::string_view> value) {
  const std::size_t hash = hash_of(key);
  Shard& shard = shard_of(hash);
  std::lock_guard guard(shard.mutex);
  shard.put(shard_capacity_, hash, key, version, value);
}

void KeyCache::offer(std::uint64_t epoch, std::string_view key, const Version& version,
                     std::optional<std::string_view> value) {
  const std::size_t hash = hash_of(key);
  Shard& shard = shard_of(hash);
  std::lock_guard guard(shard.mutex);
  // Inside the lock: if no change has begun by now, the put() of the next one comes after this. One that was under way
  // at the look-up may have been seen half: written here since, and not there.
  if (epoch % 2 == 0 && epoch_.load() == epoch) shard.put(shard_capacity_, hash, key, version, value);
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
