// The latest version of the keys used most recently, with small values, in memory: what a put must know of its key, and
// what most reads ask for.
//
// Exact, not a hint. The applier calls begin_change() before it writes a batch, then put() for all that the batch
// changes, then end_change(), and only then publishes the new revision. So a reader that has loaded revision R and
// finds a version with mod <= R here has the latest one at R; with mod > R it looks on disk. What a reader looked up
// itself it may offer(), with the epoch from before its look-up: taken only if no change was under way then and none
// has begun since, so that it cannot be stale.
//
// Threads: begin_change(), put() and end_change() from the applier, the rest from any. Sharded; CLOCK eviction.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/kv/key_encoding.h"

namespace tenaz::storage::kv {

class KeyCache {
 public:
  // Larger values are not kept, only their versions.
  static constexpr std::size_t kMaxValueBytes = 1024;

  explicit KeyCache(std::size_t capacity_bytes);
  ~KeyCache();

  struct Hit {
    Version version;  // mod 0: the key has none
    bool has_value = false;
  };
  // `value`: where to put the value, if it is wanted and here.
  std::optional<Hit> find(std::string_view key, std::string* value) const;
  // The value of exactly this version, if it is here.
  bool find_value(std::string_view key, std::uint64_t mod, std::string& value) const;

  void begin_change() { epoch_.fetch_add(1); }
  void end_change() { epoch_.fetch_add(1); }
  void put(std::string_view key, const Version& version, std::optional<std::string_view> value);

  std::uint64_t epoch() const { return epoch_.load(); }
  void offer(std::uint64_t epoch, std::string_view key, const Version& version, std::optional<std::string_view> value);

  std::size_t bytes() const;

 private:
  struct Shard;
  static constexpr std::size_t kShards = 32;
  Shard& shard_of(std::size_t hash) const;

  const std::size_t shard_capacity_;
  std::atomic<std::uint64_t> epoch_{0};  // odd while a change is under way
  std::unique_ptr<std::array<Shard, kShards>> shards_;
};

}  // namespace tenaz::storage::kv
