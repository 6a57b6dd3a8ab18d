// Inside of the transport: one TCP connection to a peer (Outbound, dialed by this node, carries what it sends) or from
// one (Inbound, accepted, carries what it hears). All on the io_context's thread; handlers keep their link alive, and a
// link that is closed calls nobody any more.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/basic_resolver.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "server/peer/handshake.h"
#include "server/peer/log_limiter.h"
#include "server/peer/wire.h"

namespace tenaz::server::peer {

namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;
using Tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<Tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<Tcp, Executor>;
using Resolver = asio::ip::basic_resolver<Tcp, Executor>;
using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

class Inbound;

// What links share. Outlives them (they hold it).
struct LinkContext {
  LinkContext(asio::io_context& the_io, const PeerOptions& the_options, const LocalIdentity& self, Handler& the_handler)
      : io(the_io), options(the_options), handler(the_handler), admission(self, the_handler), random(self.boot) {}
  virtual ~LinkContext() = default;

  // The handshake of `link` has succeeded: it takes the place of an older one from the same peer and lane.
  virtual void inbound_ready(const std::shared_ptr<Inbound>& link) = 0;
  virtual void inbound_closed(Inbound& link) = 0;
  // Callbacks that may send are over: write what they sent.
  virtual void flush() = 0;
  // A flush() is certain to follow, so send() need not arrange for one.
  void expect_flush() { flush_expected = true; }

  // A warning about `source`, held back when there are too many.
  void warn(const std::string& source, const std::string& line);

  asio::io_context& io;
  const PeerOptions options;
  Handler& handler;
  Admission admission;
  Encoder encoder;
  Decoder decoder;
  TransportCounters counters;
  LogLimiter limiter;
  std::minstd_rand random;
  bool flush_expected = false;
};

// TCP_NODELAY, and a dead peer is noticed within seconds. Errors are ignored: the socket works without.
void tune(Socket& socket);
// "host:port", "[v6]:port"; nothing if it is neither.
struct HostPort {
  std::string host;
  std::string port;
};
std::optional<HostPort> split_address(const std::string& address);
// All that a name stands for, in the resolver's order: the peer may listen on one of them only.
std::vector<Tcp::endpoint> endpoints_of(const Tcp::resolver::results_type& results);

// What this node knows of its connections to one peer, for one log line per change instead of one per lane and attempt.
struct PeerLink {
  raft::NodeId id;
  std::string address;
  bool reported_up = false;
  bool reported_down = false;
};

class Outbound : public std::enable_shared_from_this<Outbound> {
 public:
  Outbound(std::shared_ptr<LinkContext> context, std::shared_ptr<PeerLink> peer, Lane lane);

  void start() { dial(); }
  void close();
  // The peer has just shown that it lives: do not wait any longer.
  void kick();

  bool up() const { return state_ == State::up; }
  // True: queued for the next flush().
  bool queue(PeerMessage&& message);
  void flush();

 private:
  enum class State { waiting, dialing, greeting, up, closed };

  void dial();
  void connect(const std::vector<Tcp::endpoint>& endpoints);
  void greet();
  void read();
  void on_frame(const Frame& frame);
  void on_hello(const Hello& hello);
  void refused_by_peer(const Refusal& refusal);
  void refuse(const Refusal& refusal);
  void became_up();
  void set_deadline();
  void break_off(const std::string& why, bool nobody_there = false);
  void wait_and_dial();
  void reset_buffers();
  std::size_t waiting_bytes() const { return filling_.bytes() + flying_.bytes() - written_; }

  std::shared_ptr<LinkContext> context_;
  std::shared_ptr<PeerLink> peer_;
  const Lane lane_;
  State state_ = State::waiting;
  std::uint64_t attempt_ = 0;  // handlers of an earlier attempt are void
  bool refused_ = false;       // the last attempt ended in a refusal
  Socket socket_;
  Timer timer_;  // deadline of the attempt, or end of the wait
  Resolver resolver_;
  std::chrono::nanoseconds delay_;  // before the next attempt
  std::chrono::steady_clock::time_point up_since_;

  FrameReader reader_{kMaxHandshakeFrameBytes};
  // Messages collect in filling_ while flying_ is being written; written_ bytes of flying_ are gone.
  FrameWriter filling_;
  FrameWriter flying_;
  std::size_t written_ = 0;
  bool write_blocked_ = false;  // until the socket takes more
  std::vector<std::string_view> pieces_;
  std::vector<asio::const_buffer> buffers_;
};

class Inbound : public std::enable_shared_from_this<Inbound> {
 public:
  Inbound(std::shared_ptr<LinkContext> context, Socket socket);

  void start();
  void close();

  bool greeted() const { return peer_.has_value(); }
  raft::NodeId peer() const { return *peer_; }
  Lane lane() const { return lane_; }
  const std::string& source() const { return source_; }
  // Where the peer says that it can be reached; empty: it does not know.
  const std::string& address() const { return address_; }

 private:
  void read();
  // False: the link was closed.
  bool on_bytes();
  bool on_frame(const Frame& frame, bool& delivered);
  bool on_hello(const Frame& frame);
  void fail(const std::string& what);
  void ended(const boost::system::error_code& error);
  bool write_all(const FrameWriter& out);
  std::string describe() const;

  std::shared_ptr<LinkContext> context_;
  Socket socket_;
  Timer deadline_;       // of the handshake
  std::string source_;   // address without port
  std::string address_;  // the peer's own word
  std::optional<raft::NodeId> peer_;
  Lane lane_ = Lane::control;
  bool closed_ = false;
  FrameReader reader_{kMaxHandshakeFrameBytes};
};

}  // namespace tenaz::server::peer
