// What the applier writes and readers read: database, key cache, and the published revision. Private to kv/ and the
// state machine.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "storage/kv/database.h"
#include "storage/kv/key_cache.h"

namespace tenaz::storage::kv {

struct Shared {
  Shared(std::unique_ptr<Database> opened, std::size_t key_cache_bytes)
      : database(std::move(opened)),
        cache(key_cache_bytes),
        revision(database->opened_at().revision),
        compact(database->opened_compact_revision()) {}

  std::unique_ptr<Database> database;
  KeyCache cache;
  // Published after the batch is written and the cache holds its versions, `compact` first.
  std::atomic<std::uint64_t> revision;
  std::atomic<std::uint64_t> compact;
};

// The newest version of a key with mod <= `revision`, by a look at the database; mod 0: there is none. `it`: an
// iterator over `data` that is not newer than the caller wants to see, with prefix_same_as_start.
Result<Version> look_up(const Database& database, rocksdb::Iterator& it, std::string_view key, std::uint64_t revision);
std::unique_ptr<rocksdb::Iterator> look_up_iterator(const Database& database);

}  // namespace tenaz::storage::kv
