// The bytes of a log entry of kind `commands`: envelope and batch. Thread-safe: pure functions and one builder.
//
//   byte 0      format version, 1
//   bytes 1..4  CRC-32C of what follows, little-endian: laid by the proposer, verified before append and before apply
//   bytes 5..   a serialized pb::Batch
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "raft/types.h"
#include "storage/command.pb.h"
#include "storage/status.h"

namespace tenaz::storage {

inline constexpr std::uint32_t kApplyVersion = 1;

// Collects serialized pb::Command messages into one payload.
class PayloadBuilder {
 public:
  // `command`: a serialized pb::Command, its origin set.
  void add(std::string_view command);
  std::size_t bytes() const { return bytes_.size(); }
  std::size_t commands() const { return commands_; }
  bool empty() const { return commands_ == 0; }
  // The finished payload; the builder is empty afterwards.
  raft::Payload finish(std::uint64_t wall_time_ms);

 private:
  std::string bytes_;
  std::size_t commands_ = 0;
};

// Version and checksum are right. Cheap; does not parse the batch.
Result<void> verify_payload(std::string_view payload);
Result<pb::Batch> parse_payload(std::string_view payload);

// CRC-32C; crc32c(b, crc32c(a)) == crc32c(ab). The second one is the first on processors without the instruction.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);
std::uint32_t crc32c_portable(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace tenaz::storage
