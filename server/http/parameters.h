// The query parameters of a request, checked: each known, given once, and within its bounds.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/problem.h"
#include "storage/kv/store.h"

namespace tenaz::server::http {

enum class Consistency { linearizable, local, voted };

inline constexpr std::uint64_t kMaxListLimit = 10'000;
inline constexpr std::uint64_t kMaxListBytes = 16 << 20;
inline constexpr std::uint64_t kMaxDeletedKeys = 1'000'000;
inline constexpr std::chrono::seconds kMaxTimeout{60};

struct Parameters {
  // Names as bits: which ones a call takes, and which were given.
  enum Name : std::uint32_t {
    kConsistency = 1 << 0,
    kRevision = 1 << 1,
    kMinRevision = 1 << 2,
    kTimeout = 1 << 3,
    kLimit = 1 << 4,
    kMaxBytes = 1 << 5,
    kCursor = 1 << 6,
    kKeysOnly = 1 << 7,
    kPrefix = 1 << 8,
    kStart = 1 << 9,
    kEnd = 1 << 10,
    kMaxKeys = 1 << 11,
    kVerbose = 1 << 12,
    kFrom = 1 << 13,
  };

  std::uint32_t given = 0;
  Consistency consistency = Consistency::linearizable;
  std::optional<storage::Revision> revision;
  storage::Revision min_revision;
  std::optional<std::chrono::nanoseconds> timeout;
  std::size_t limit = 100;
  std::size_t max_bytes = 4 << 20;
  std::string cursor;
  bool keys_only = false;
  std::string prefix;
  std::string start;
  std::string end;
  std::uint64_t max_keys = 100'000;
  bool verbose = false;
  std::uint64_t from = 0;

  bool has(Name name) const { return (given & name) != 0; }
  void clear() { *this = Parameters{}; }
};

// Parses `query` into `parameters`. What is wrong, if something is.
std::optional<Problem> parse_parameters(std::string_view query, std::uint32_t allowed, Parameters& parameters);

// Turns prefix, start and end into the range [start, end); an empty end means: to the last key.
std::optional<Problem> resolve_range(Parameters& parameters);

}  // namespace tenaz::server::http
