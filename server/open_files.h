// Open files: one limit of the process, shared by clients' connections, RocksDB, and peers. Pure but for raise.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenaz::server {

// Raises this process's limit on open files as far as it may; the limit that is then in force.
std::uint64_t raise_open_files();

// How many client connections may be open under that limit: `wanted`, or what the databases, the other `members` and
// the node itself leave. 0: too few to be of use.
std::size_t connections_within(std::uint64_t open_files, std::size_t wanted, std::size_t members);

}  // namespace tenaz::server
