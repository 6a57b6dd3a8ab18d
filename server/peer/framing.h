// The bytes on a connection between nodes. Each side begins with kPreamble, then come frames; integers little-endian:
//
//   u32 length       of the body
//   u32 crc32c       of the body
//   body:  u8 kind, 3 bytes 0, u32 group, u32 header length, header (a message of raft.proto), attachments
//
// Both classes belong to one thread and keep their buffers for reuse.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "raft/types.h"
#include "storage/status.h"

namespace google::protobuf {
class MessageLite;
}

namespace tenaz::server::peer {

inline constexpr std::string_view kPreamble{"tenaz-p\n", 8};
inline constexpr std::size_t kFrameHeadBytes = 8;
inline constexpr std::size_t kBodyHeadBytes = 12;
// Of a handshake frame: before that a stranger cannot make this node hold more.
inline constexpr std::size_t kMaxHandshakeFrameBytes = 4096;

// The numbers are part of the format.
enum class FrameKind : std::uint8_t {
  hello = 1,
  refused = 2,

  vote_request = 16,
  vote_reply = 17,
  append_request = 18,
  append_reply = 19,
  heartbeat = 20,
  heartbeat_reply = 21,
  install_snapshot = 22,
  install_snapshot_failed = 23,
  timeout_now = 24,

  forward_writes = 32,
  forward_refused = 33,
  read_index_request = 34,
  read_index_reply = 35,
  snapshot_request = 36,
  snapshot_manifest = 37,
  snapshot_data = 38,
  node_report = 39,
  transfer_request = 40,
  change_request = 41,
  change_reply = 42,
  transfer_refused = 43,
};

// Frames that wait to be written. Large payloads are not copied but kept alive and written from where they are.
class FrameWriter {
 public:
  // A payload at least this long is referred to instead of copied.
  static constexpr std::size_t kReferenceBytes = 4096;

  explicit FrameWriter(std::size_t max_frame_bytes) : max_frame_bytes_(max_frame_bytes) {}

  void preamble() { append(kPreamble); }

  // One frame: begin, any attachments, end. end() is false, and the frame is taken back, if it is over the limit.
  void begin(FrameKind kind, raft::GroupId group, const google::protobuf::MessageLite& header);
  void attach(std::string_view bytes) { append(bytes); }
  void attach(const raft::Payload& payload);
  void attach(std::string&& bytes);
  bool end();

  std::size_t bytes() const { return copied_.size() + referred_bytes_; }
  bool empty() const { return bytes() == 0; }
  void clear();

  // The bytes from `skip` on, as at most `max_pieces` pieces in order.
  void pieces(std::size_t skip, std::size_t max_pieces, std::vector<std::string_view>& out) const;

 private:
  struct Reference {
    std::size_t at;  // its bytes come before copied_[at]
    raft::Payload payload;
  };

  void append(std::string_view bytes) { copied_.append(bytes); }

  std::size_t max_frame_bytes_;
  std::string copied_;
  std::vector<Reference> references_;  // sorted by `at`
  std::size_t referred_bytes_ = 0;
  // Of the frame that is being written.
  std::size_t frame_start_ = 0;
  std::size_t frame_references_ = 0;
  std::size_t frame_referred_bytes_ = 0;
};

// A verified frame; its views last until the next call of space().
struct Frame {
  FrameKind kind = FrameKind::hello;
  raft::GroupId group;
  std::string_view header;
  std::string_view attachments;
};

// Cuts a stream of bytes into frames. Holds one buffer that grows with the bytes that have really come, up to one frame
// of the limit, and shrinks again once that is used.
class FrameReader {
 public:
  explicit FrameReader(std::size_t max_frame_bytes) : max_frame_bytes_(max_frame_bytes) {}

  void set_max_frame_bytes(std::size_t bytes) { max_frame_bytes_ = bytes; }

  struct Space {
    char* data;
    std::size_t bytes;  // > 0
  };
  // Where to put what comes next; then say how much came.
  Space space();
  void received(std::size_t bytes) { end_ += bytes; }

  // The next whole frame, or nothing until more has come. An error (what is wrong, for the log) is final.
  storage::Result<std::optional<Frame>> next();

  // Part of a frame is here, the rest is not.
  bool pending() const { return end_ > begin_; }
  std::size_t buffer_bytes() const { return capacity_; }

 private:
  static constexpr std::size_t kMinBuffer = 64 << 10;
  static constexpr std::size_t kKeepBuffer = 512 << 10;

  void resize(std::size_t capacity);

  std::size_t max_frame_bytes_;
  bool preamble_seen_ = false;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  // Unread bytes are buffer_[begin_, end_).
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t wanted_ = 0;  // bytes that the frame at begin_ takes, as far as known
};

}  // namespace tenaz::server::peer
