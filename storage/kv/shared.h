// What the applier writes and readers read: database, key cache, and the published revision. Private to kv/ and the
// state machine.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "storage/kv/database.h"
#include "storage/kv/history_clock.h"
#include "storage/kv/key_cache.h"

namespace tenaz::storage::kv {

struct Shared {
  Shared(std::unique_ptr<Database> opened, std::size_t key_cache_bytes)
      : database(std::move(opened)),
        cache(key_cache_bytes),
        revision(database->opened_at().revision),
        compact(database->opened_compact_revision()) {
    database->load(clock);
  }

  std::unique_ptr<Database> database;
  mutable KeyCache cache;
  HistoryClock clock;
  // Published after the batch is written and the cache holds its versions, `compact` first.
  std::atomic<std::uint64_t> revision;
  std::atomic<std::uint64_t> compact;
};

// What `latest` says of a key; mod 0: nothing.
Result<Version> look_up_latest(const Database& database, std::string_view key);

}  // namespace tenaz::storage::kv
