// What an operator may set about storage.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tenaz::storage {

class Platform;

struct Options {
  // Memory for blocks and values read from disk. More: fewer disk reads.
  std::size_t cache_bytes = 16 << 20;

  // Memory that collects changes of the state before they are written out as one file. More: fewer bytes written in the
  // long run, a longer replay after a crash. At most 32 MiB of log are ever replayed.
  std::size_t write_buffer_bytes = 16 << 20;

  // Memory that the Raft log's newest part may take before it is written out a second time; what compaction has removed
  // by then is not. More: fewer bytes written (about log_retain_bytes of every log_buffer_bytes are written twice).
  std::size_t log_buffer_bytes = 32 << 20;

  // Applied entries kept in the log for followers that were away, in bytes; one that misses more gets a snapshot.
  std::size_t log_retain_bytes = 8 << 20;

  // A node that was there keeps the leader's log from being cut behind it for so long after it went away (up to 512
  // MiB, and not on a full disk): a restart needs no snapshot then. Longer: so does a longer absence; more disk
  // meanwhile. 0: only log_retain_bytes count.
  std::chrono::nanoseconds log_retain_time = std::chrono::minutes(2);

  // Below this much free space on the data directory's file system puts are refused (deletes are not). 0: never.
  std::uint64_t reserve_bytes = 256 << 20;

  // Memory for the latest versions of the keys used most recently, values up to 1 KiB included: what is here is neither
  // looked up nor read on disk.
  std::size_t key_cache_bytes = 40 << 20;

  // What the room stands on (platform.h), for tests. Null: the operating system.
  Platform* platform = nullptr;

  std::vector<std::string> check() const;
};

// How many tables one database keeps open in a process that may open so many files: there are up to three databases
// (the log, the state, and a state that is being installed), and clients need files too.
int open_tables(std::uint64_t open_files);

}  // namespace tenaz::storage
