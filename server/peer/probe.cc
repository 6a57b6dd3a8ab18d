#include "server/peer/probe.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>

namespace tenaz::server::peer {

Probe::Probe(std::shared_ptr<LinkContext> context, std::string address, raft::NodeId target, Done done)
    : context_(std::move(context)),
      address_(std::move(address)),
      target_(target),
      done_(std::move(done)),
      socket_(context_->io),
      deadline_(context_->io),
      resolver_(context_->io) {}

void Probe::start(std::chrono::nanoseconds within) {
  deadline_.expires_after(within);
  deadline_.async_wait([self = shared_from_this()](const auto& cancelled) {
    if (!cancelled) self->finish("nobody answers at " + self->address_);
  });
  const auto address = split_address(address_);
  if (!address) {
    asio::post(context_->io,
               [self = shared_from_this()] { self->finish("'" + self->address_ + "' is not host:port"); });
    return;
  }
  resolver_.async_resolve(address->host, address->port,
                          [self = shared_from_this()](const auto& error, const auto& results) {
                            if (!self->done_) return;
                            if (error) return self->finish(self->address_ + ": " + error.message());
                            self->connect(endpoints_of(results));
                          });
}

void Probe::connect(const std::vector<Tcp::endpoint>& endpoints) {
  asio::async_connect(socket_, endpoints, [self = shared_from_this()](const auto& error, const auto&) {
    if (!self->done_) return;
    if (error) return self->finish(self->address_ + ": " + error.message());
    self->greet();
  });
}

void Probe::greet() {
  boost::system::error_code error;
  socket_.non_blocking(true, error);
  FrameWriter out(kMaxHandshakeFrameBytes);
  out.preamble();
  write_hello(out, {context_->admission.self(), Lane::control, target_, true});
  std::vector<std::string_view> pieces;
  out.pieces(0, 1, pieces);
  // A fresh socket's send buffer takes far more than a handshake.
  const std::size_t n = socket_.write_some(asio::buffer(pieces[0].data(), pieces[0].size()), error);
  if (error || n != out.bytes()) return finish(address_ + ": the handshake cannot be sent");
  read();
}

void Probe::read() {
  const FrameReader::Space space = reader_.space();
  socket_.async_read_some(
      asio::buffer(space.data, space.bytes), [self = shared_from_this()](const auto& error, std::size_t bytes) {
        if (!self->done_) return;
        if (error) return self->finish(self->address_ + " does not answer as a tenaz node: " + error.message());
        self->reader_.received(bytes);
        const auto frame = self->reader_.next();
        if (!frame) return self->finish(self->address_ + " does not answer as a tenaz node: " + frame.error().message);
        if (!frame->has_value()) return self->read();
        self->on_frame(**frame);
      });
}

void Probe::on_frame(const Frame& frame) {
  if (const auto refusal = read_refused(frame)) return finish(*refusal);
  if (const auto hello = read_hello(frame)) return finish(hello->from);
  finish(address_ + " does not answer as a tenaz node");
}

void Probe::cancel() {
  done_ = nullptr;
  deadline_.cancel();
  resolver_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Probe::finish(const Probed& result) {
  if (!done_) return;
  const Done done = std::move(done_);
  cancel();
  done(result);
}

}  // namespace tenaz::server::peer
