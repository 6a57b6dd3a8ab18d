// Which version of a key is its latest, for the keys used most recently, so that a put need not look it up on disk.
//
// Exact, not a hint: only the applier changes it (put), for keys that it wrote or looked up itself, and before it
// publishes the revision of a write. A reader that has loaded revision R and finds a version with mod <= R here has the
// latest one at R; with mod > R it must load R again or look on disk. Readers never insert: what they looked up could
// be stale by then.
//
// Threads: find() from any, put() from the applier. CLOCK eviction within shards.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "storage/kv/key_encoding.h"

namespace tenaz::storage::kv {

class KeyCache {
 public:
  explicit KeyCache(std::size_t capacity_bytes);
  ~KeyCache();

  // A version with mod 0 says that the key has none.
  bool find(std::string_view key, Version& version) const;
  void put(std::string_view key, const Version& version);

  std::size_t bytes() const;

 private:
  struct Shard;
  static constexpr std::size_t kShards = 32;
  Shard& shard_of(std::string_view key) const;

  std::size_t shard_capacity_;
  std::unique_ptr<std::array<Shard, kShards>> shards_;
};

}  // namespace tenaz::storage::kv
