#include "storage/command.h"

#include "storage/bytes.h"

namespace tenaz::storage {
namespace {

constexpr char kFormat = 1;
constexpr std::size_t kHeader = 5;
constexpr char kWallTimeTag = 0x08;  // pb::Batch field 1, varint
constexpr char kCommandTag = 0x12;   // pb::Batch field 2, length-delimited

}  // namespace

void PayloadBuilder::add(std::string_view command) {
  if (bytes_.empty()) bytes_.assign(kHeader, '\0');
  bytes_.push_back(kCommandTag);
  bytes::put_varint(bytes_, command.size());
  bytes_.append(command);
  ++commands_;
}

raft::Payload PayloadBuilder::finish(std::uint64_t wall_time_ms) {
  if (bytes_.empty()) bytes_.assign(kHeader, '\0');
  bytes_.push_back(kWallTimeTag);
  bytes::put_varint(bytes_, wall_time_ms);
  const std::uint32_t crc = crc32c(std::string_view(bytes_).substr(kHeader));
  bytes_[0] = kFormat;
  for (int i = 0; i < 4; ++i) bytes_[static_cast<std::size_t>(1 + i)] = static_cast<char>(crc >> (8 * i));
  commands_ = 0;
  raft::Payload payload = raft::make_payload(std::move(bytes_));
  bytes_ = std::string();
  return payload;
}

Result<void> verify_payload(std::string_view payload) {
  if (payload.size() < kHeader) return Error{ErrorCode::corruption, "a log entry's payload is cut off"};
  if (payload[0] != kFormat) {
    return Error{ErrorCode::newer_format, "a log entry's payload has format " +
                                              std::to_string(static_cast<unsigned char>(payload[0])) +
                                              "; this version of tenaz knows format 1"};
  }
  const auto stored = static_cast<std::uint32_t>(bytes::get_le(payload.data() + 1, 4));
  if (crc32c(payload.substr(kHeader)) != stored) {
    return Error{ErrorCode::corruption, "a log entry's payload does not match its checksum"};
  }
  return {};
}

Result<pb::Batch> parse_payload(std::string_view payload) {
  if (auto verified = verify_payload(payload); !verified) return verified.error();
  pb::Batch batch;
  const std::string_view body = payload.substr(kHeader);
  if (!batch.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return Error{ErrorCode::corruption, "a log entry's payload has a right checksum but is no batch of commands"};
  }
  return batch;
}

}  // namespace tenaz::storage
