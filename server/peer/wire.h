// PeerMessage <-> frames. Both classes keep protobuf messages for reuse and belong to one thread.
#pragma once

#include <memory>

#include "server/messages.h"
#include "server/peer/framing.h"

namespace tenaz::server::peer {

class Encoder {
 public:
  Encoder();
  ~Encoder();

  // Appends one frame. False: it would be longer than a frame may be, nothing was appended.
  bool encode(PeerMessage&& message, FrameWriter& out);

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

class Decoder {
 public:
  Decoder();
  ~Decoder();

  // Entry payloads are copied once, out of the frame; those of kind `commands` have been held against their proposer's
  // checksum. An error says what is wrong with the frame.
  storage::Result<PeerMessage> decode(const Frame& frame);

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace tenaz::server::peer
