#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>

#include "server/peer/links.h"

namespace tenaz::server::peer {
namespace {

// One writev takes no more pieces than this.
constexpr std::size_t kMaxPieces = 64;
// Written in one go before others get a turn.
constexpr std::size_t kWriteBudget = 512 << 10;

}  // namespace

Outbound::Outbound(std::shared_ptr<LinkContext> context, std::shared_ptr<PeerLink> peer, Lane lane)
    : context_(std::move(context)),
      peer_(std::move(peer)),
      lane_(lane),
      socket_(context_->io),
      timer_(context_->io),
      resolver_(context_->io),
      delay_(context_->options.reconnect_min),
      filling_(context_->options.max_frame_bytes),
      flying_(context_->options.max_frame_bytes) {}

void Outbound::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  ++attempt_;
  boost::system::error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  resolver_.cancel();
  reset_buffers();
}

void Outbound::kick() {
  // A peer that refuses this node is no sooner convinced.
  if (state_ == State::waiting && !refused_) dial();
}

// --- the way up: dial, greet, be greeted ---------------------------------------------------------------------------

void Outbound::dial() {
  state_ = State::dialing;
  refused_ = false;
  const std::uint64_t attempt = ++attempt_;
  set_deadline();

  const auto address = split_address(peer_->address);
  if (!address) return break_off("'" + peer_->address + "' is not host:port");
  boost::system::error_code not_literal;
  const auto ip = asio::ip::make_address(address->host, not_literal);
  if (!not_literal) return connect({{ip, static_cast<std::uint16_t>(std::stoi(address->port))}});
  resolver_.async_resolve(address->host, address->port,
                          [self = shared_from_this(), attempt](const auto& error, const auto& results) {
                            if (attempt != self->attempt_) return;
                            if (error) return self->break_off(error.message());
                            self->connect(endpoints_of(results));
                          });
}

void Outbound::connect(const std::vector<Tcp::endpoint>& endpoints) {
  asio::async_connect(socket_, endpoints,
                      [self = shared_from_this(), attempt = attempt_](const auto& error, const auto&) {
                        if (attempt != self->attempt_) return;
                        if (error) return self->break_off(error.message(), error == asio::error::connection_refused);
                        self->greet();
                      });
}

void Outbound::greet() {
  state_ = State::greeting;
  set_deadline();
  tune(socket_);
  boost::system::error_code error;
  socket_.non_blocking(true, error);
  FrameWriter out(kMaxHandshakeFrameBytes);
  out.preamble();
  write_hello(out, {context_->admission.self(), lane_, peer_->id});
  pieces_.clear();
  out.pieces(0, 1, pieces_);
  // A fresh socket's send buffer takes far more than a handshake.
  const std::size_t n = socket_.write_some(asio::buffer(pieces_[0].data(), pieces_[0].size()), error);
  if (error || n != out.bytes()) return break_off("the handshake cannot be sent");
  reader_ = FrameReader(kMaxHandshakeFrameBytes);
  read();
}

// After the handshake too: the end of the connection is noticed by reading, and a late refusal arrives this way.
void Outbound::read() {
  const FrameReader::Space space = reader_.space();
  socket_.async_read_some(asio::buffer(space.data, space.bytes),
                          [self = shared_from_this(), attempt = attempt_](const auto& error, std::size_t bytes) {
                            if (attempt != self->attempt_) return;
                            if (error) return self->break_off(error.message());
                            self->reader_.received(bytes);
                            for (;;) {
                              const auto frame = self->reader_.next();
                              if (!frame) {
                                ++self->context_->counters.bad_frames;
                                return self->break_off(frame.error().message);
                              }
                              if (!frame->has_value()) break;
                              self->on_frame(**frame);
                              if (attempt != self->attempt_) return;
                            }
                            self->read();
                          });
}

void Outbound::on_frame(const Frame& frame) {
  if (const auto refusal = read_refused(frame)) return refused_by_peer(*refusal);
  const auto hello = read_hello(frame);
  if (!hello || state_ != State::greeting) {
    ++context_->counters.bad_frames;
    return break_off("it answers with an unexpected frame");
  }
  on_hello(*hello);
}

void Outbound::on_hello(const Hello& hello) {
  if (const auto refusal = context_->admission.judge(hello, peer_->id)) return refuse(*refusal);
  became_up();
}

void Outbound::became_up() {
  state_ = State::up;
  timer_.cancel();
  up_since_ = std::chrono::steady_clock::now();
  ++context_->counters.connects;
  if (lane_ == Lane::log && !peer_->reported_up) {
    peer_->reported_up = true;
    peer_->reported_down = false;
    spdlog::info("connected to node {} at {}", peer_->id.value, peer_->address);
  }
  context_->handler.on_connected(peer_->id, lane_);
  context_->flush();
}

// --- the way down ----------------------------------------------------------------------------------------------------

void Outbound::refused_by_peer(const Refusal& refusal) {
  ++context_->counters.refusals_received;
  refused_ = true;
  const std::string node = "node " + std::to_string(peer_->id.value);
  context_->warn(node, node + " refuses this node: " + refusal.text);
  const std::uint64_t attempt = attempt_;
  context_->handler.on_refused(peer_->id, refusal);
  if (attempt == attempt_) break_off("refused");
}

void Outbound::refuse(const Refusal& refusal) {
  ++context_->counters.refusals_sent;
  refused_ = true;
  const std::string node = "node " + std::to_string(peer_->id.value);
  context_->warn(node, "refused " + node + " at " + peer_->address + ": " + refusal.text);
  FrameWriter out(kMaxHandshakeFrameBytes);
  write_refused(out, refusal);
  pieces_.clear();
  out.pieces(0, 1, pieces_);
  boost::system::error_code ignored;
  socket_.write_some(asio::buffer(pieces_[0].data(), pieces_[0].size()), ignored);
  break_off("refused");
}

void Outbound::set_deadline() {
  timer_.expires_after(context_->options.connect_timeout);
  timer_.async_wait([self = shared_from_this(), attempt = attempt_, state = state_](const auto& error) {
    if (error || attempt != self->attempt_ || self->state_ != state) return;
    self->break_off(state == State::dialing ? "no answer" : "no answer to the handshake");
  });
}

void Outbound::break_off(const std::string& why, bool nobody_there) {
  if (state_ == State::closed) return;
  const bool was_up = state_ == State::up;
  state_ = State::waiting;
  ++attempt_;
  boost::system::error_code ignored;
  socket_.close(ignored);
  resolver_.cancel();
  reset_buffers();
  ++(was_up ? context_->counters.disconnects : context_->counters.connect_failures);

  // A connection that breaks as soon as it is up must not be tried without pause.
  if (was_up && std::chrono::steady_clock::now() - up_since_ >= context_->options.reconnect_max) {
    delay_ = context_->options.reconnect_min;
  }
  wait_and_dial();

  if (lane_ != Lane::log) return;
  if (was_up && peer_->reported_up) {
    spdlog::warn("lost the connection to node {} at {}: {}", peer_->id.value, peer_->address, why);
    peer_->reported_up = false;
    peer_->reported_down = true;
  } else if (!was_up && !peer_->reported_down && !refused_) {
    spdlog::info("node {} at {} cannot be reached yet: {}", peer_->id.value, peer_->address, why);
    peer_->reported_down = true;
  }
  if (was_up || nobody_there) {
    context_->handler.on_unreachable(peer_->id);
    context_->flush();
  }
}

void Outbound::wait_and_dial() {
  // Half of the delay is drawn, so that nodes that lost each other together do not come back in step.
  std::uniform_int_distribution<std::int64_t> jitter(delay_.count() / 2, delay_.count());
  timer_.expires_after(std::chrono::nanoseconds(jitter(context_->random)));
  delay_ = std::min(delay_ * 2, context_->options.reconnect_max);
  timer_.async_wait([self = shared_from_this(), attempt = attempt_](const auto& error) {
    if (!error && attempt == self->attempt_) self->dial();
  });
}

void Outbound::reset_buffers() {
  filling_.clear();
  flying_.clear();
  written_ = 0;
  write_blocked_ = false;
}

// --- sending ---------------------------------------------------------------------------------------------------------

bool Outbound::queue(PeerMessage&& message) {
  LaneCounters& counters = context_->counters.lanes[static_cast<std::size_t>(lane_)];
  if (!up()) {
    ++counters.drops_not_connected;
    return false;
  }
  const std::size_t before = waiting_bytes();
  if (before >= context_->options.max_queue_bytes) {
    ++counters.drops_queue_full;
    return false;
  }
  if (!context_->encoder.encode(std::move(message), filling_)) {
    ++counters.drops_queue_full;
    context_->warn("node " + std::to_string(peer_->id.value),
                   "a message is longer than a frame may be and was dropped");
    return false;
  }
  ++counters.frames_out;
  return true;
}

void Outbound::flush() {
  if (state_ != State::up || write_blocked_) return;
  const std::uint64_t attempt = attempt_;
  for (std::size_t budget = kWriteBudget; budget > 0;) {
    if (written_ == flying_.bytes()) {
      flying_.clear();
      written_ = 0;
      if (filling_.empty()) return;
      std::swap(filling_, flying_);
    }
    pieces_.clear();
    flying_.pieces(written_, kMaxPieces, pieces_);
    buffers_.clear();
    for (const std::string_view piece : pieces_) buffers_.emplace_back(piece.data(), piece.size());
    boost::system::error_code error;
    const std::size_t n = socket_.write_some(buffers_, error);
    if (error == asio::error::would_block) break;
    if (error) {
      // Not from here: the caller may be the host, in the midst of its own work.
      write_blocked_ = true;
      asio::post(context_->io, [self = shared_from_this(), attempt, error] {
        if (attempt == self->attempt_) self->break_off(error.message());
      });
      return;
    }
    written_ += n;
    context_->counters.lanes[static_cast<std::size_t>(lane_)].bytes_out += n;
    budget -= std::min(budget, n);
  }
  write_blocked_ = true;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this(), attempt](const auto& error) {
    if (attempt != self->attempt_) return;
    self->write_blocked_ = false;
    if (error) return self->break_off(error.message());
    self->flush();
  });
}

}  // namespace tenaz::server::peer
