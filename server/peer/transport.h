// The connections between this node and the others: TCP, one connection per peer, lane and direction, dialed by the one
// who sends on it. So a connection's order and owner are plain: what a node says on a lane travels on one stream, and
// nothing small waits behind something big.
//
// Threads: everything, callbacks included, on the one thread that runs the io_context. Callbacks may call back into the
// transport, but not destroy it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "raft/types.h"
#include "server/messages.h"
#include "server/options.h"
#include "server/peer/identity.h"
#include "server/ports.h"
#include "storage/status.h"

namespace boost::asio {
class io_context;
}

namespace tenaz::server::peer {

// Why a handshake failed. The numbers are part of the wire format.
enum class RefusalCode : std::uint32_t {
  bad_hello = 1,      // does not make sense
  wrong_cluster = 2,  // another cluster id
  unknown_node = 3,   // not a member, as far as the refuser knows
  wrong_node = 4,     // the caller meant another node than the one that listens here
  version = 5,        // no common protocol version
  identity = 6,       // the disk is not the one that belongs to this node id: replaced or rolled back. Final
  other_life = 7,     // another process of the same node has been met: an earlier start, or one on a copied disk
  removed = 8,        // it was a member and is none any more; its id is not used again. Final
  joining = 9,        // one of the two does not yet know which cluster it joins
  unsettled = 10,     // another disk than was to be added under that id, which is no agreed member's yet. May change
};

struct Refusal {
  RefusalCode code = RefusalCode::bad_hello;
  std::string text;          // a sentence for an operator
  std::string cluster_id{};  // the refuser's, raw; empty: not told
};

// Who answered at an address, or why nobody did.
using Probed = std::variant<LocalIdentity, Refusal, std::string /*nobody: a sentence*/>;

class Handler {
 public:
  virtual ~Handler() = default;

  // A verified message of a member; entries in it have passed their proposer's checksum.
  virtual void on_message(raft::NodeId from, PeerMessage message) = 0;
  // After one or more on_message() that arrived together: the moment to carry out what they brought about. What is sent
  // from here leaves at once.
  virtual void on_messages_done() {}

  // The connection that carries this node's log lane to `peer` broke, or the peer's machine refused a new one (no
  // process listens there): what was sent may be lost.
  virtual void on_unreachable(raft::NodeId peer) = 0;
  // This node's connection to `peer` on `lane` is up: send() works from now on.
  virtual void on_connected(raft::NodeId /*peer*/, Lane /*lane*/) {}

  // Is this the disk that belongs to the member `other.node`? Nothing: yes (and it is remembered). Otherwise why it is
  // refused (identity, or unsettled), a sentence for both nodes' logs. Asked for every handshake, in both directions.
  virtual std::optional<Refusal> check_identity(const LocalIdentity& other) = 0;
  // `peer` wants nothing to do with this node. With RefusalCode::identity this node's disk is not the one that the
  // cluster knows: it can neither vote nor follow until it is removed and added anew.
  virtual void on_refused(raft::NodeId peer, const Refusal& refusal) = 0;
};

// Counters since the start; they only rise.
struct LaneCounters {
  std::uint64_t frames_out = 0;  // handed to send() and queued
  std::uint64_t bytes_out = 0;   // written to sockets
  std::uint64_t frames_in = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t drops_not_connected = 0;
  std::uint64_t drops_queue_full = 0;
};

struct TransportCounters {
  std::array<LaneCounters, kLanes> lanes;
  std::uint64_t connects = 0;            // own connections that came up
  std::uint64_t disconnects = 0;         // own connections that were up and broke
  std::uint64_t connect_failures = 0;    // attempts that found nobody
  std::uint64_t refusals_sent = 0;       // handshakes that this node refused
  std::uint64_t refusals_received = 0;   // handshakes in which this node was refused
  std::uint64_t bad_frames = 0;          // malformed, oversized, corrupt: each closed its connection
  std::uint64_t handshakes_dropped = 0;  // inbound connections that did not finish their handshake in time or in number
};

class Transport final : public TransportPort {
 public:
  // Inbound connections without a finished handshake; beyond, the oldest gives way.
  static constexpr std::size_t kMaxPendingHandshakes = 64;

  // `io`, `handler` outlive the transport.
  Transport(boost::asio::io_context& io, const PeerOptions& options, const LocalIdentity& self, Handler& handler);
  ~Transport() override;  // closes everything; no callback comes afterwards

  // Binds PeerOptions::listen and accepts. invalid or io: the address is no host:port, or cannot be bound; says which.
  storage::Result<void> listen();
  std::uint16_t port() const;  // that is listened on; 0 before listen()

  // Whom to talk to; of this node itself it takes the address only, which it tells the others. Dials new ones, closes
  // the connections of those that are gone, and of those whose address changed. Somebody else of this cluster who says
  // where it can be reached is heard and answered as a guest as long as it is connected: this node may have been away
  // while it was added. Who is `retired` is told so.
  void set_members(const std::vector<raft::Member>& members, const std::vector<raft::NodeId>& retired) override;
  void set_members(const std::vector<raft::Member>& members) { set_members(members, {}); }

  // A node that joins has learned which cluster it is: until then it refuses everybody.
  void set_cluster(const std::string& cluster_id);

  // Asks once who listens at `address`; `target`: whom it expects, 0: whoever it is. Answered within `within`, and
  // PeerOptions::connect_timeout; never from within this call.
  void probe(const std::string& address, raft::NodeId target, std::chrono::nanoseconds within,
             std::function<void(const Probed&)> done);

  // Closes the connections with `peer` and dials anew: it has to pass check_identity again. Not from within a callback.
  void greet_again(raft::NodeId peer);

  bool send(raft::NodeId to, PeerMessage message) override;
  // Writes what has been sent since; happens by itself soon after, so this only saves time.
  void flush();

  bool connected(raft::NodeId peer, Lane lane) const;  // send() would be taken, but for a full queue
  const TransportCounters& counters() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tenaz::server::peer
