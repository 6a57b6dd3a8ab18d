// What the tests of the peer transport share: nodes driven by one io_context, a log to read, messages of every kind.
#pragma once

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "server/peer/framing.h"
#include "server/peer/transport.h"

namespace tenaz::server::peer::test {

// Every field of a message, as text: an equality that shares no code with the wire format.
std::string text(const PeerMessage& message);

// Random contents, one message of each kind of PeerMessage.
std::vector<PeerMessage> one_of_each(std::mt19937_64& random);
std::string random_bytes(std::mt19937_64& random, std::size_t max_bytes);
raft::Payload command_payload(std::mt19937_64& random, std::size_t value_bytes);

// What a writer holds, in one piece.
std::string stream_of(const FrameWriter& writer);

// While it lives, the default logger writes here.
class CapturedLog {
 public:
  CapturedLog();
  ~CapturedLog();
  std::size_t count(const std::string& part) const;
  std::string all() const;

 private:
  class Sink;
  std::shared_ptr<Sink> sink_;
  std::shared_ptr<spdlog::logger> previous_;
};

// Drives `io` until the condition holds; false after a generous deadline.
bool run_until(boost::asio::io_context& io, const std::function<bool()>& condition,
               std::chrono::seconds deadline = std::chrono::seconds(20));

// One node: a transport and what it was told.
class TestNode final : public Handler {
 public:
  struct Received {
    raft::NodeId from;
    PeerMessage message;
  };

  TestNode(boost::asio::io_context& io, std::uint64_t id,
           std::function<void(PeerOptions&, LocalIdentity&)> adjust = {});

  std::uint64_t id() const { return identity_.node.value; }
  const LocalIdentity& identity() const { return identity_; }
  Transport& transport() { return *transport_; }
  bool open() const { return transport_ != nullptr; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  raft::Member member() const { return {identity_.node, "n", address(), "", ""}; }
  // Ends the transport (as a killed process would); begin() opens it again at the same port, as the next incarnation.
  void end() { transport_.reset(); }
  void begin();
  bool connected_to(const TestNode& other) const;

  void on_message(raft::NodeId from, PeerMessage message) override;
  void on_messages_done() override { ++batches; }
  void on_unreachable(raft::NodeId peer) override { unreachable.push_back(peer.value); }
  void on_connected(raft::NodeId peer, Lane lane) override { connected.emplace_back(peer.value, lane); }
  std::optional<Refusal> check_identity(const LocalIdentity& other) override;
  void on_refused(raft::NodeId peer, const Refusal& refusal) override { refused.emplace_back(peer.value, refusal); }

  std::vector<Received> received;
  std::size_t batches = 0;
  std::vector<std::uint64_t> unreachable;
  std::vector<std::pair<std::uint64_t, Lane>> connected;
  std::vector<std::pair<std::uint64_t, Refusal>> refused;
  std::function<void(raft::NodeId, PeerMessage&)> hook;  // instead of `received`
  raft::NodeId distrusted;                               // refused at its next handshake

 private:
  boost::asio::io_context& io_;
  PeerOptions options_;
  LocalIdentity identity_;
  std::uint16_t port_ = 0;
  std::vector<std::pair<std::uint64_t, std::string>> pins_;
  std::unique_ptr<Transport> transport_;
};

// All of them know each other.
void introduce(std::vector<TestNode*> nodes);

}  // namespace tenaz::server::peer::test
