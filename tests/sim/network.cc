#include "tests/sim/network.h"

#include <algorithm>

#include "raft/describe.h"
#include "tests/sim/fingerprint.h"

namespace tenaz::sim {
namespace {

constexpr raft::Duration kNoticeBreakMax = seconds(2);
constexpr raft::Duration kReconnectMin = milliseconds(20);
constexpr raft::Duration kReconnectMax = milliseconds(500);
constexpr raft::Duration kLateCopyMax = milliseconds(3000);
constexpr raft::Duration kOvertakenMax = milliseconds(200);
constexpr std::uint64_t kStormLoss = 250;
constexpr std::uint64_t kStormSlow = 250;
constexpr raft::Duration kStormSlowMax = milliseconds(1500);
// It comes by another way than the connection that it was sent on.
constexpr std::uint32_t kAnyConnection = ~std::uint32_t{0};

std::string text_of(const server::PeerMessage& message) {
  if (const auto* raft = std::get_if<raft::Message>(&message)) return raft::describe(*raft);
  if (const auto* writes = std::get_if<server::ForwardWrites>(&message))
    return "forward " + std::to_string(writes->commands.size()) + " of t" + std::to_string(writes->term.value);
  if (const auto* refused = std::get_if<server::ForwardRefused>(&message))
    return "refused " + std::to_string(refused->sequences.size()) + " of t" + std::to_string(refused->term.value);
  if (const auto* ask = std::get_if<server::ReadIndexRequest>(&message)) return "read? " + std::to_string(ask->id);
  if (const auto* answer = std::get_if<server::ReadIndexReply>(&message))
    return "read! " + std::to_string(answer->id) + (answer->confirmed ? " at " : " refused ") +
           std::to_string(answer->index.value);
  if (const auto* report = std::get_if<server::NodeReport>(&message)) return report->disk_low ? "disk low" : "disk ok";
  if (const auto* transfer = std::get_if<server::TransferRequest>(&message))
    return "transfer to n" + std::to_string(transfer->target.value);
  if (const auto* change = std::get_if<server::ChangeRequest>(&message)) return "change " + std::to_string(change->id);
  if (const auto* answer = std::get_if<server::ChangeReply>(&message))
    return "change " + std::to_string(answer->id) + (answer->result.index() == 0 ? " appended" : " refused");
  if (std::holds_alternative<server::TransferRefused>(message)) return "transfer refused";
  return "other";
}

}  // namespace

Network::Network(World& world, const NetworkFaults& faults, std::size_t nodes, Greeter greeter)
    : world_(world),
      faults_(faults),
      greeter_(std::move(greeter)),
      random_(world.salted_seed(), 2),
      nodes_(nodes),
      links_(nodes * nodes),
      running_(nodes),
      admission_(nodes) {}

raft::Duration Network::delay() {
  if (storms_ > 0 && random_.chance(kStormSlow)) return random_.between(faults_.delay_min, kStormSlowMax);
  if (faults_.slow_in_thousand != 0 && random_.chance(faults_.slow_in_thousand))
    return random_.between(faults_.delay_min, std::max(faults_.delay_min, faults_.slow_max));
  return random_.between(faults_.delay_min, faults_.delay_max);
}

bool Network::send(std::size_t from, std::size_t to, server::PeerMessage message) {
  const std::size_t lane = static_cast<std::size_t>(server::lane_of(message));
  Link& way = link(from, to);
  Connection& connection = way.lanes[lane];
  if (world_.tracing())
    world_.note(node_name(from) + " -> " + node_name(to) + (connection.up ? " " : " (no connection) ") +
                text_of(message));
  if (!connection.up) return false;
  world_.remember(fingerprint_of(message) ^ (from * 64 + to));
  const bool cut = way.cuts > 0;
  const bool lost = cut || (faults_.loss_in_thousand != 0 && random_.chance(faults_.loss_in_thousand)) ||
                    (storms_ > 0 && random_.chance(kStormLoss));
  if (cut && !connection.breaking) {
    connection.breaking = true;
    Event event{.number = connection.number, .kind = EventKind::connection_break};
    event.node = static_cast<std::uint8_t>(from);
    event.peer = static_cast<std::uint8_t>(to);
    event.lane = static_cast<std::uint8_t>(lane);
    world_.post(random_.between(milliseconds(50), kNoticeBreakMax), event);
  }
  if (lost) return true;
  if (faults_.break_in_thousand != 0 && random_.chance(faults_.break_in_thousand)) {
    close(from, to, lane);
    return true;
  }
  const bool between_cores = std::holds_alternative<raft::Message>(message);
  if (faults_.reorder_in_thousand != 0 && between_cores && random_.chance(faults_.reorder_in_thousand)) {
    deliver_at(world_.now() + delay() + random_.between(raft::Duration{}, kOvertakenMax), from, to, lane,
               std::move(message), kAnyConnection);
    return true;
  }
  const raft::Instant at = std::max(world_.now() + delay(), connection.last_arrival);
  connection.last_arrival = at;
  if (faults_.duplicate_in_thousand != 0 && between_cores && random_.chance(faults_.duplicate_in_thousand)) {
    const raft::Duration later =
        random_.chance(500) ? raft::Duration{} : random_.between(milliseconds(1), kLateCopyMax);
    deliver_at(at + later, from, to, lane, message, kAnyConnection);
  }
  deliver_at(at, from, to, lane, std::move(message), connection.number);
  return true;
}

void Network::deliver_at(raft::Instant at, std::size_t from, std::size_t to, std::size_t lane,
                         server::PeerMessage message, std::uint32_t connection) {
  Event event{.number = connection, .slot = messages_.put(std::move(message)), .kind = EventKind::deliver};
  event.node = static_cast<std::uint8_t>(to);
  event.peer = static_cast<std::uint8_t>(from);
  event.lane = static_cast<std::uint8_t>(lane);
  world_.post_at(at, event);
}

std::optional<server::PeerMessage> Network::arrives(const Event& event) {
  server::PeerMessage message = messages_.take(event.slot);
  const Link& way = link(event.peer, event.node);
  const Connection& connection = way.lanes[event.lane];
  const bool same = event.number == kAnyConnection ? connection.up : event.number == connection.number;
  if (!same || way.cuts > 0 || !running_[event.node]) return std::nullopt;
  ++delivered_;
  if (world_.tracing()) world_.note(node_name(event.node) + " <- " + node_name(event.peer) + " " + text_of(message));
  return message;
}

void Network::close(std::size_t from, std::size_t to, std::size_t lane) {
  Connection& connection = link(from, to).lanes[lane];
  if (!connection.up) return;
  connection.up = false;
  connection.breaking = false;
  // What was under way is lost with it.
  ++connection.number;
  call(from, to, lane, random_.between(kReconnectMin, kReconnectMax));
  Event event{.kind = EventKind::unreachable};
  event.node = static_cast<std::uint8_t>(from);
  event.peer = static_cast<std::uint8_t>(to);
  event.lane = static_cast<std::uint8_t>(lane);
  world_.post(random_.between(raft::Duration{}, milliseconds(2)), event);
  see_guest_off(to, from);
}

void Network::call(std::size_t from, std::size_t to, std::size_t lane, raft::Duration after) {
  Event event{.number = ++link(from, to).lanes[lane].call, .kind = EventKind::reconnect};
  event.node = static_cast<std::uint8_t>(from);
  event.peer = static_cast<std::uint8_t>(to);
  event.lane = static_cast<std::uint8_t>(lane);
  world_.post(after, event);
}

void Network::set_members(std::size_t node, const std::vector<raft::Member>& members,
                          const std::vector<raft::NodeId>& retired) {
  const Admission::Changed changed = admission_.set_members(node, members, retired);
  for (const std::size_t peer : changed.gone) leave(node, peer);
  for (const std::size_t peer : changed.fresh)
    for (std::size_t lane = 0; lane < server::kLanes; ++lane)
      call(node, peer, lane, random_.between(raft::Duration{}, kReconnectMin));
}

void Network::leave(std::size_t node, std::size_t peer) {
  for (std::size_t lane = 0; lane < server::kLanes; ++lane) {
    Connection& outbound = link(node, peer).lanes[lane];
    outbound.up = outbound.breaking = false;
    ++outbound.number;
    ++outbound.call;
    close(peer, node, lane);
    ++link(peer, node).lanes[lane].number;  // its last words, too
  }
  // What was outbound here was inbound there.
  see_guest_off(peer, node);
}

void Network::see_guest_off(std::size_t node, std::size_t guest) {
  if (!admission_.is_guest(node, guest)) return;
  for (const Connection& connection : link(guest, node).lanes)
    if (connection.up) return;
  admission_.guest_left(node, guest);
  leave(node, guest);
}

void Network::on_break(const Event& event) {
  Connection& connection = link(event.node, event.peer).lanes[event.lane];
  if (connection.number != event.number) return;
  connection.breaking = false;
  if (is_cut(event.node, event.peer)) close(event.node, event.peer, event.lane);
}

void Network::on_reconnect(const Event& event) {
  Connection& connection = link(event.node, event.peer).lanes[event.lane];
  if (connection.up || event.number != connection.call || !running_[event.node]) return;
  if (!admission_.speaks_with(event.node, event.peer)) return;
  // A handshake needs both directions.
  if (running_[event.peer] && both_ways(event.node, event.peer) && greeter_(event.node, event.peer)) {
    connection.up = true;
    connection.last_arrival = world_.now();
    if (admission_.let_in(event.peer, event.node))
      for (std::size_t lane = 0; lane < server::kLanes; ++lane)
        call(event.peer, event.node, lane, random_.between(raft::Duration{}, kReconnectMin));
    return;
  }
  call(event.node, event.peer, event.lane, random_.between(kReconnectMin, kReconnectMax));
}

void Network::break_connections(std::size_t from, std::size_t to) {
  for (std::size_t lane = 0; lane < server::kLanes; ++lane) close(from, to, lane);
}

void Network::process_died(std::size_t node) {
  running_[node] = false;
  admission_.forget(node);
  const bool last_words_arrive = random_.chance(500);
  for (std::size_t peer = 0; peer < nodes_; ++peer) {
    if (peer == node) continue;
    break_connections(peer, node);
    for (Connection& connection : link(node, peer).lanes) {
      connection.up = false;
      ++connection.call;
      if (!last_words_arrive) ++connection.number;
    }
    see_guest_off(peer, node);
  }
}

void Network::process_started(std::size_t node) {
  running_[node] = true;
  for (std::size_t peer = 0; peer < nodes_; ++peer)
    for (Connection& connection : link(node, peer).lanes) ++connection.number;
}

void Network::cut(const Ways& ways) {
  for (const auto& [from, to] : ways) ++link(from, to).cuts;
}

void Network::mend(const Ways& ways) {
  for (const auto& [from, to] : ways) --link(from, to).cuts;
}

void Network::heal() {
  for (Link& way : links_) way.cuts = 0;
  storms_ = 0;
  faults_.slow_in_thousand = faults_.loss_in_thousand = faults_.duplicate_in_thousand = 0;
  faults_.reorder_in_thousand = faults_.break_in_thousand = 0;
}

}  // namespace tenaz::sim
