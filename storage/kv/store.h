// Reading the multi-version key-value state. All calls are thread-safe and run beside apply; each sees one revision.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "raft/types.h"
#include "storage/status.h"

namespace tenaz::storage {
using Revision = raft::Number<struct RevisionTag>;  // counts the writes that changed something; the empty store is at 0
}

namespace tenaz::storage::kv {

inline constexpr std::size_t kMaxKeyBytes = 4096;

struct KeyValue {
  std::string key;
  std::string value;
  Revision create_revision;   // of the write that made the key come into being
  Revision mod_revision;      // of its latest write
  std::uint64_t version = 0;  // writes since it was created, from 1
  std::uint64_t lease = 0;    // that it was written with; 0: none
};

struct GetResult {
  Revision revision;  // of the store, as read
  std::optional<KeyValue> found;
};

struct ListRequest {
  std::string start;                // inclusive
  std::string end;                  // exclusive; empty: to the last key
  std::optional<Revision> at;       // nothing: now
  std::size_t limit = 100;          // live keys
  std::size_t max_bytes = 4 << 20;  // of keys and values; at least one item is returned
  bool keys_only = false;
};

struct ListResult {
  Revision revision;
  std::vector<KeyValue> items;
  bool more = false;  // the range holds live keys after the last item
};

class Reader {
 public:
  virtual ~Reader() = default;

  // The latest revision that is applied here.
  virtual Revision revision() const = 0;
  virtual Revision compact_revision() const = 0;
  // Errors: compacted, future_revision, io, corruption. `with_value` false leaves the value empty.
  virtual Result<GetResult> get(std::string_view key, std::optional<Revision> at, bool with_value = true) const = 0;
  virtual Result<ListResult> list(const ListRequest& request) const = 0;
};

// The end of the range of all keys that begin with `prefix`; empty when there is none (all 0xff, or an empty prefix).
std::string prefix_end(std::string_view prefix);

}  // namespace tenaz::storage::kv
