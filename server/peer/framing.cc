#include "server/peer/framing.h"

#include <google/protobuf/message_lite.h>

#include <algorithm>
#include <cstring>

#include "storage/command.h"

namespace tenaz::server::peer {
namespace {

void put_u32(char* at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<char>(value >> (8 * i) & 0xff);
}

std::uint32_t get_u32(const char* at) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= std::uint32_t{static_cast<unsigned char>(at[i])} << (8 * i);
  return value;
}

storage::Error malformed(std::string what) {
  return {storage::ErrorCode::invalid, std::move(what)};
}

}  // namespace

void FrameWriter::begin(FrameKind kind, raft::GroupId group, const google::protobuf::MessageLite& header) {
  frame_start_ = copied_.size();
  frame_references_ = references_.size();
  frame_referred_bytes_ = referred_bytes_;

  const std::size_t header_bytes = header.ByteSizeLong();
  copied_.resize(frame_start_ + kFrameHeadBytes + kBodyHeadBytes + header_bytes);
  char* body = copied_.data() + frame_start_ + kFrameHeadBytes;
  body[0] = static_cast<char>(kind);
  put_u32(body + 4, static_cast<std::uint32_t>(group.value));
  put_u32(body + 8, static_cast<std::uint32_t>(header_bytes));
  header.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(body + kBodyHeadBytes));
}

void FrameWriter::attach(const raft::Payload& payload) {
  if (payload->size() < kReferenceBytes) {
    append(*payload);
  } else {
    references_.push_back({copied_.size(), payload});
    referred_bytes_ += payload->size();
  }
}

void FrameWriter::attach(std::string&& bytes) {
  if (bytes.size() < kReferenceBytes) {
    append(bytes);
  } else {
    attach(raft::make_payload(std::move(bytes)));
  }
}

bool FrameWriter::end() {
  const std::size_t body_start = frame_start_ + kFrameHeadBytes;
  const std::size_t body_bytes = copied_.size() - body_start + referred_bytes_ - frame_referred_bytes_;
  if (body_bytes > max_frame_bytes_) {
    copied_.resize(frame_start_);
    references_.resize(frame_references_);
    referred_bytes_ = frame_referred_bytes_;
    return false;
  }
  const std::string_view copied = copied_;
  std::uint32_t crc = 0;
  std::size_t at = body_start;
  for (std::size_t i = frame_references_; i < references_.size(); ++i) {
    crc = storage::crc32c(copied.substr(at, references_[i].at - at), crc);
    crc = storage::crc32c(*references_[i].payload, crc);
    at = references_[i].at;
  }
  crc = storage::crc32c(copied.substr(at), crc);
  put_u32(copied_.data() + frame_start_, static_cast<std::uint32_t>(body_bytes));
  put_u32(copied_.data() + frame_start_ + 4, crc);
  return true;
}

void FrameWriter::clear() {
  constexpr std::size_t kKeep = 256 << 10;
  copied_.clear();
  if (copied_.capacity() > kKeep) copied_ = {};
  references_.clear();
  referred_bytes_ = 0;
}

void FrameWriter::pieces(std::size_t skip, std::size_t max_pieces, std::vector<std::string_view>& out) const {
  const auto add = [&](std::string_view piece) {
    if (piece.size() <= skip) {
      skip -= piece.size();
      return;
    }
    if (out.size() < max_pieces) out.push_back(piece.substr(skip));
    skip = 0;
  };
  const std::string_view copied = copied_;
  std::size_t at = 0;
  for (const Reference& reference : references_) {
    add(copied.substr(at, reference.at - at));
    add(*reference.payload);
    at = reference.at;
    if (out.size() >= max_pieces) return;
  }
  add(copied.substr(at));
}

void FrameReader::resize(std::size_t capacity) {
  auto fresh = std::make_unique_for_overwrite<char[]>(capacity);
  if (end_ > begin_) std::memcpy(fresh.get(), buffer_.get() + begin_, end_ - begin_);
  buffer_ = std::move(fresh);
  capacity_ = capacity;
  end_ -= begin_;
  begin_ = 0;
}

FrameReader::Space FrameReader::space() {
  const std::size_t held = end_ - begin_;
  if (held == 0) {
    begin_ = end_ = 0;
    if (capacity_ > kKeepBuffer) resize(kMinBuffer);
  }
  if (end_ == capacity_ || begin_ + wanted_ > capacity_) {
    if (begin_ > 0) {
      std::memmove(buffer_.get(), buffer_.get() + begin_, held);
      begin_ = 0;
      end_ = held;
    }
    if (end_ == capacity_ || (wanted_ > capacity_ && held > capacity_ / 2)) {
      resize(std::max(held + kMinBuffer, std::min(wanted_, capacity_ * 2)));
    }
  }
  return {buffer_.get() + end_, capacity_ - end_};
}

storage::Result<std::optional<Frame>> FrameReader::next() {
  if (!preamble_seen_) {
    const std::string_view got(buffer_.get() + begin_, std::min(end_ - begin_, kPreamble.size()));
    if (got != kPreamble.substr(0, got.size())) return malformed("does not speak tenaz's peer protocol");
    if (got.size() < kPreamble.size()) return std::optional<Frame>{};
    preamble_seen_ = true;
    begin_ += kPreamble.size();
  }
  const std::size_t held = end_ - begin_;
  wanted_ = kFrameHeadBytes;
  if (held < wanted_) return std::optional<Frame>{};
  const char* head = buffer_.get() + begin_;
  const std::size_t length = get_u32(head);
  if (length < kBodyHeadBytes) return malformed("frame of " + std::to_string(length) + " bytes is too short");
  if (length > max_frame_bytes_) {
    return malformed("frame of " + std::to_string(length) + " bytes is over the limit of " +
                     std::to_string(max_frame_bytes_));
  }
  wanted_ = kFrameHeadBytes + length;
  if (held < wanted_) return std::optional<Frame>{};

  const std::string_view body(head + kFrameHeadBytes, length);
  if (storage::crc32c(body) != get_u32(head + 4)) return malformed("frame with a wrong checksum");
  const std::size_t header_bytes = get_u32(body.data() + 8);
  if (body[1] != 0 || body[2] != 0 || body[3] != 0 || header_bytes > length - kBodyHeadBytes) {
    return malformed("frame with a malformed head");
  }
  begin_ += wanted_;
  wanted_ = kFrameHeadBytes;
  return std::optional<Frame>{Frame{static_cast<FrameKind>(body[0]), raft::GroupId{get_u32(body.data() + 4)},
                                    body.substr(kBodyHeadBytes, header_bytes),
                                    body.substr(kBodyHeadBytes + header_bytes)}};
}

}  // namespace tenaz::server::peer
