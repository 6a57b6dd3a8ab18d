#include <spdlog/spdlog.h>

#include <boost/asio/error.hpp>

#include "server/peer/links.h"

namespace tenaz::server::peer {

Inbound::Inbound(std::shared_ptr<LinkContext> context, Socket socket)
    : context_(std::move(context)), socket_(std::move(socket)), deadline_(context_->io) {
  boost::system::error_code error;
  const auto remote = socket_.remote_endpoint(error);
  source_ = error ? "an unknown address" : remote.address().to_string();
}

void Inbound::start() {
  tune(socket_);
  boost::system::error_code error;
  socket_.non_blocking(true, error);
  deadline_.expires_after(context_->options.connect_timeout * 3);
  deadline_.async_wait([self = shared_from_this()](const auto& cancelled) {
    if (cancelled || self->closed_ || self->greeted()) return;
    ++self->context_->counters.handshakes_dropped;
    self->context_->warn(self->source_, "closed a connection from " + self->source_ + ": no handshake in time");
    self->close();
  });
  read();
}

void Inbound::close() {
  if (closed_) return;
  closed_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
  deadline_.cancel();
  context_->inbound_closed(*this);
}

std::string Inbound::describe() const {
  if (!peer_) return source_;
  return "node " + std::to_string(peer_->value) + " (" + lane_name(lane_) + " lane, " + source_ + ")";
}

void Inbound::read() {
  const FrameReader::Space space = reader_.space();
  socket_.async_read_some(asio::buffer(space.data, space.bytes),
                          [self = shared_from_this()](const auto& error, std::size_t bytes) {
                            if (self->closed_) return;
                            if (error) return self->ended(error);
                            self->reader_.received(bytes);
                            if (self->peer_) {
                              self->context_->counters.lanes[static_cast<std::size_t>(self->lane_)].bytes_in += bytes;
                            }
                            if (self->on_bytes()) self->read();
                          });
}

bool Inbound::on_bytes() {
  bool delivered = false;
  while (!closed_) {
    const auto frame = reader_.next();
    if (!frame) {
      fail(frame.error().message);
      break;
    }
    if (!frame->has_value() || !on_frame(**frame, delivered)) break;
  }
  if (delivered) {
    context_->handler.on_messages_done();
    context_->flush();
  }
  return !closed_;
}

bool Inbound::on_frame(const Frame& frame, bool& delivered) {
  if (!peer_) return on_hello(frame);
  if (const auto refusal = read_refused(frame)) {
    ++context_->counters.refusals_received;
    const raft::NodeId peer = *peer_;
    const std::string node = "node " + std::to_string(peer.value);
    context_->warn(node, node + " refuses this node: " + refusal->text);
    close();
    context_->handler.on_refused(peer, *refusal);
    return false;
  }
  auto message = context_->decoder.decode(frame);
  if (!message) {
    fail(message.error().message);
    return false;
  }
  if (lane_of(*message) != lane_) {
    fail("frame on the wrong lane");
    return false;
  }
  ++context_->counters.lanes[static_cast<std::size_t>(lane_)].frames_in;
  delivered = true;
  context_->expect_flush();
  context_->handler.on_message(*peer_, std::move(*message));
  return !closed_;
}

bool Inbound::on_hello(const Frame& frame) {
  const auto hello = read_hello(frame);
  if (!hello) {
    fail("no proper handshake");
    return false;
  }
  FrameWriter out(kMaxHandshakeFrameBytes);
  out.preamble();
  if (const auto refusal = context_->admission.judge(*hello, {})) {
    ++context_->counters.refusals_sent;
    const std::string node = "node " + std::to_string(hello->from.node.value);
    // Whoever only asks says itself what it was told; and one that joins asks again and again.
    if (refusal->code == RefusalCode::joining || hello->probe)
      spdlog::debug("{} at {}: {}", node, source_, refusal->text);
    else
      context_->warn(node, "refused " + node + " at " + source_ + ": " + refusal->text);
    write_refused(out, *refusal);
    write_all(out);
    close();
    return false;
  }
  write_hello(out, {context_->admission.self(), hello->lane, hello->from.node});
  if (!write_all(out) || hello->probe) {
    close();
    return false;
  }
  deadline_.cancel();
  peer_ = hello->from.node;
  address_ = hello->from.address;
  lane_ = hello->lane;
  reader_.set_max_frame_bytes(context_->options.max_frame_bytes);
  context_->inbound_ready(shared_from_this());
  return !closed_;
}

// A fresh socket's send buffer takes far more than a handshake.
bool Inbound::write_all(const FrameWriter& out) {
  std::vector<std::string_view> pieces;
  out.pieces(0, 1, pieces);
  boost::system::error_code error;
  return socket_.write_some(asio::buffer(pieces[0].data(), pieces[0].size()), error) == out.bytes() && !error;
}

void Inbound::fail(const std::string& what) {
  ++context_->counters.bad_frames;
  context_->warn(peer_ ? "node " + std::to_string(peer_->value) : source_,
                 "closed the connection from " + describe() + ": " + what);
  close();
}

void Inbound::ended(const boost::system::error_code& error) {
  if (reader_.pending() && !peer_) return fail("it ended within its handshake");
  if (reader_.pending()) {
    context_->warn("node " + std::to_string(peer_->value),
                   "the connection from " + describe() + " ended within a frame");
  } else {
    spdlog::debug("connection from {} ended: {}", describe(), error.message());
  }
  close();
}

}  // namespace tenaz::server::peer
