#include "server/peer/transport.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <functional>

#include "server/peer/links.h"
#include "server/peer/probe.h"

namespace tenaz::server::peer {

namespace {

// Nodes that are no members and are heard all the same.
constexpr std::ptrdiff_t kMaxGuests = 16;

}  // namespace

class Transport::Impl final : public LinkContext, public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& the_io, const PeerOptions& the_options, const LocalIdentity& self, Handler& the_handler)
      : LinkContext(the_io, the_options, self, the_handler), acceptor_(the_io), accept_timer_(the_io) {}

  storage::Result<void> listen();
  std::uint16_t port() const;
  void set_members(const std::vector<raft::Member>& members, const std::vector<raft::NodeId>& retired);
  void probe(const std::string& address, raft::NodeId target, std::chrono::nanoseconds within, Probe::Done done);
  void greet_again(raft::NodeId peer);
  bool send(raft::NodeId to, PeerMessage&& message);
  bool connected(raft::NodeId peer, Lane lane) const;
  void shut_down();

  void flush() override;
  void inbound_ready(const std::shared_ptr<Inbound>& link) override;
  void inbound_closed(Inbound& link) override;

 private:
  struct Peer {
    std::shared_ptr<PeerLink> link;
    std::array<std::shared_ptr<Outbound>, kLanes> outbound;
    std::array<std::shared_ptr<Inbound>, kLanes> inbound;
    bool guest = false;  // no member, as far as this node knows: stays while it is connected
  };

  Peer* find(raft::NodeId id);
  Peer make_peer(const raft::Member& member);
  Peer* welcome(const Inbound& link);
  void leave(Peer& peer);
  static void close(Peer& peer);
  void accept();
  void accepted(Socket socket);

  Acceptor acceptor_;
  Timer accept_timer_;
  std::vector<Peer> peers_;
  std::vector<std::shared_ptr<Inbound>> pending_;  // in handshake, the oldest first
  std::vector<std::weak_ptr<Probe>> probes_;
  bool unflushed_ = false;
  bool flush_posted_ = false;
  bool down_ = false;
};

// --- listening -------------------------------------------------------------------------------------------------------

storage::Result<void> Transport::Impl::listen() {
  const auto address = split_address(options.listen);
  if (!address) return storage::Error{storage::ErrorCode::invalid, "'" + options.listen + "' is not host:port"};
  boost::system::error_code error;
  Resolver resolver(io);
  const auto found = resolver.resolve(address->host, address->port, Resolver::resolver_base::passive, error);
  const auto fail = [&] {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    return storage::Error{storage::ErrorCode::io,
                          "cannot listen for peers on " + options.listen + ": " + error.message()};
  };
  if (error) return fail();
  const Tcp::endpoint endpoint = *found.begin();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(Acceptor::max_listen_connections, error);
  if (error) return fail();
  accept();
  return {};
}

std::uint16_t Transport::Impl::port() const {
  boost::system::error_code error;
  const auto endpoint = acceptor_.local_endpoint(error);
  return error ? std::uint16_t{0} : endpoint.port();
}

void Transport::Impl::accept() {
  acceptor_.async_accept(io.get_executor(), [self = shared_from_this()](const auto& error, Socket socket) {
    if (self->down_) return;
    if (!error) {
      self->accepted(std::move(socket));
      return self->accept();
    }
    // Out of file descriptors, most likely: trying at once would only spin.
    self->warn("listener", "cannot accept a peer's connection: " + error.message());
    self->accept_timer_.expires_after(std::chrono::milliseconds(100));
    self->accept_timer_.async_wait([self](const auto& cancelled) {
      if (!cancelled && !self->down_) self->accept();
    });
  });
}

void Transport::Impl::accepted(Socket socket) {
  if (pending_.size() >= kMaxPendingHandshakes) {
    const auto oldest = pending_.front();
    ++counters.handshakes_dropped;
    warn(oldest->source(), "too many connections without a handshake: closed the oldest, from " + oldest->source());
    oldest->close();
  }
  pending_.push_back(std::make_shared<Inbound>(shared_from_this(), std::move(socket)));
  pending_.back()->start();
}

void Transport::Impl::inbound_ready(const std::shared_ptr<Inbound>& link) {
  std::erase(pending_, link);
  Peer* peer = find(link->peer());
  if (peer == nullptr) peer = welcome(*link);
  if (peer == nullptr) return link->close();
  auto& slot = peer->inbound[static_cast<std::size_t>(link->lane())];
  // The one that was there is half dead, or its process is: the handshake has ruled out that the new one is the older
  // life.
  if (const auto previous = std::exchange(slot, link)) previous->close();
  for (const auto& outbound : peer->outbound) outbound->kick();
}

void Transport::Impl::inbound_closed(Inbound& link) {
  const auto is_it = [&](const std::shared_ptr<Inbound>& held) { return held.get() == &link; };
  std::erase_if(pending_, is_it);
  if (!link.greeted()) return;
  if (Peer* peer = find(link.peer())) {
    auto& slot = peer->inbound[static_cast<std::size_t>(link.lane())];
    if (!is_it(slot)) return;
    slot.reset();
    if (peer->guest && std::none_of(peer->inbound.begin(), peer->inbound.end(), std::identity())) leave(*peer);
  }
}

// A guest is called back, as a member would be. Nothing: there are too many.
Transport::Impl::Peer* Transport::Impl::welcome(const Inbound& link) {
  const auto guests = std::count_if(peers_.begin(), peers_.end(), [](const Peer& peer) { return peer.guest; });
  if (guests >= kMaxGuests || link.address().empty()) return nullptr;
  spdlog::info("node {} at {} is no member that this node knows of; it is heard as long as it is connected",
               link.peer().value, link.address());
  raft::Member member;
  member.id = link.peer();
  member.peer = link.address();
  peers_.push_back(make_peer(member));
  peers_.back().guest = true;
  const auto outbounds = peers_.back().outbound;
  for (const auto& outbound : outbounds) outbound->start();
  return find(link.peer());
}

void Transport::Impl::leave(Peer& peer) {
  Peer gone = std::move(peer);
  std::erase_if(peers_, [&](const Peer& held) { return &held == &peer; });
  close(gone);
}

// --- members ---------------------------------------------------------------------------------------------------------

Transport::Impl::Peer* Transport::Impl::find(raft::NodeId id) {
  const auto found = std::find_if(peers_.begin(), peers_.end(), [id](const Peer& peer) { return peer.link->id == id; });
  return found == peers_.end() ? nullptr : &*found;
}

Transport::Impl::Peer Transport::Impl::make_peer(const raft::Member& member) {
  Peer peer;
  peer.link = std::make_shared<PeerLink>(PeerLink{member.id, member.peer});
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    peer.outbound[lane] = std::make_shared<Outbound>(shared_from_this(), peer.link, static_cast<Lane>(lane));
  }
  return peer;
}

void Transport::Impl::close(Peer& peer) {
  for (const auto& outbound : peer.outbound) outbound->close();
  for (const auto& slot : peer.inbound) {
    if (const auto inbound = slot) inbound->close();
  }
}

void Transport::Impl::set_members(const std::vector<raft::Member>& members, const std::vector<raft::NodeId>& retired) {
  const raft::NodeId self = admission.self().node;
  std::vector<raft::NodeId> others;
  std::string own_address;
  for (const raft::Member& member : members) {
    if (member.id != self)
      others.push_back(member.id);
    else
      own_address = member.peer;
  }
  admission.set_members(others, retired, own_address);

  for (std::size_t i = 0; i < peers_.size();) {
    Peer& peer = peers_[i];
    const auto member =
        std::find_if(members.begin(), members.end(), [&](const raft::Member& m) { return m.id == peer.link->id; });
    const bool is_retired = std::find(retired.begin(), retired.end(), peer.link->id) != retired.end();
    const bool is_member = member != members.end() && member->peer == peer.link->address;
    const bool is_guest = member == members.end() && peer.guest && !is_retired;
    if (is_member || is_guest) {
      peer.guest = is_guest;
      ++i;
      continue;
    }
    leave(peer);
  }
  for (const raft::Member& member : members) {
    if (member.id == self || find(member.id) != nullptr) continue;
    peers_.push_back(make_peer(member));
    for (const auto& outbound : peers_.back().outbound) outbound->start();
  }
}

void Transport::Impl::probe(const std::string& address, raft::NodeId target, std::chrono::nanoseconds within,
                            Probe::Done done) {
  std::erase_if(probes_, [](const auto& probe) { return probe.expired(); });
  const auto probe = std::make_shared<Probe>(shared_from_this(), address, target, std::move(done));
  probes_.push_back(probe);
  probe->start(std::min(within, options.connect_timeout));
}

void Transport::Impl::greet_again(raft::NodeId id) {
  Peer* peer = find(id);
  if (peer == nullptr) return;
  raft::Member member;
  member.id = id;
  member.peer = peer->link->address;
  Peer anew = make_peer(member);
  std::swap(*peer, anew);
  close(anew);
  for (const auto& outbound : find(id)->outbound) outbound->start();
}

// --- sending ---------------------------------------------------------------------------------------------------------

bool Transport::Impl::send(raft::NodeId to, PeerMessage&& message) {
  Peer* peer = find(to);
  if (peer == nullptr) return false;
  const auto lane = static_cast<std::size_t>(lane_of(message));
  if (!peer->outbound[lane]->queue(std::move(message))) return false;
  unflushed_ = true;
  if (!flush_expected && !flush_posted_) {
    flush_posted_ = true;
    asio::post(io, [self = shared_from_this()] {
      self->flush_posted_ = false;
      if (!self->down_) self->flush();
    });
  }
  return true;
}

void Transport::Impl::flush() {
  flush_expected = false;
  if (!unflushed_) return;
  unflushed_ = false;
  for (const Peer& peer : peers_) {
    for (const auto& outbound : peer.outbound) outbound->flush();
  }
}

bool Transport::Impl::connected(raft::NodeId id, Lane lane) const {
  const auto* peer = const_cast<Impl*>(this)->find(id);
  return peer != nullptr && peer->outbound[static_cast<std::size_t>(lane)]->up();
}

void Transport::Impl::shut_down() {
  down_ = true;
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  accept_timer_.cancel();
  auto peers = std::exchange(peers_, {});
  for (Peer& peer : peers) close(peer);
  for (const auto& probe : std::exchange(probes_, {})) {
    if (const auto running = probe.lock()) running->cancel();
  }
  const auto pending = std::exchange(pending_, {});
  for (const auto& link : pending) link->close();
}

// --- the outside -----------------------------------------------------------------------------------------------------

Transport::Transport(asio::io_context& io, const PeerOptions& options, const LocalIdentity& self, Handler& handler)
    : impl_(std::make_shared<Impl>(io, options, self, handler)) {}
Transport::~Transport() {
  impl_->shut_down();
}

storage::Result<void> Transport::listen() {
  return impl_->listen();
}
std::uint16_t Transport::port() const {
  return impl_->port();
}
void Transport::set_members(const std::vector<raft::Member>& members, const std::vector<raft::NodeId>& retired) {
  impl_->set_members(members, retired);
}
void Transport::set_cluster(const std::string& cluster_id) {
  impl_->admission.set_cluster(cluster_id);
}
void Transport::probe(const std::string& address, raft::NodeId target, std::chrono::nanoseconds within,
                      std::function<void(const Probed&)> done) {
  impl_->probe(address, target, within, std::move(done));
}
void Transport::greet_again(raft::NodeId peer) {
  impl_->greet_again(peer);
}
bool Transport::send(raft::NodeId to, PeerMessage message) {
  return impl_->send(to, std::move(message));
}
void Transport::flush() {
  impl_->flush();
}
bool Transport::connected(raft::NodeId peer, Lane lane) const {
  return impl_->connected(peer, lane);
}
const TransportCounters& Transport::counters() const {
  return impl_->counters;
}

}  // namespace tenaz::server::peer
