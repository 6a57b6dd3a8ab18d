#include "tests/sim/identity.h"

namespace tenaz::sim {

Identities::Identities(World& world, std::size_t nodes, Callbacks callbacks)
    : world_(world), callbacks_(std::move(callbacks)), random_(world.salted_seed(), 5), disks_(nodes) {
  for (std::size_t node = 0; node < nodes; ++node) replace(node);
}

void Identities::replace(std::size_t node) {
  disks_[node] = {};
  disks_[node].storage_id = "disk" + std::to_string(random_.next());
}

void Identities::started(std::size_t node, std::uint64_t boot) {
  disks_[node].boots.push_back(boot);
}

server::peer::LocalIdentity Identities::shown_by(std::size_t node) const {
  const DiskIdentity& disk = disks_[node];
  server::peer::LocalIdentity shown;
  shown.node = node_id(node);
  shown.storage_id = disk.storage_id;
  shown.incarnation = disk.boots.size();
  shown.boot = disk.boots.back();
  shown.earlier_boots.assign(disk.boots.rbegin() + 1, disk.boots.rend());
  return shown;
}

// As Host::check_identity. A disk that is met for the first time is remembered before anything that it says counts.
bool Identities::accepts(std::size_t node, std::size_t other) {
  const server::peer::LocalIdentity shown = shown_by(other);
  const Recorded recorded = callbacks_.recorded(node, other);
  if (!recorded.committed.empty() && recorded.committed != shown.storage_id) {
    world_.note(node_name(node) + " refuses " + node_name(other) + ": it was added with another disk");
    write(other, {Write::What::fence, node, {}});
    return false;
  }
  auto known = disks_[node].pins.find(other);
  const bool other_disk = known != disks_[node].pins.end() && known->second.storage_id != shown.storage_id;
  if (!recorded.committed.empty()) {
    // A pin of another disk is left from an addition that came to nothing.
    if (other_disk) {
      disks_[node].pins.erase(known);
      known = disks_[node].pins.end();
    }
  } else if ((!recorded.coming.empty() && recorded.coming != shown.storage_id) || (!recorded.member && other_disk)) {
    return false;  // not settled
  }
  if (known == disks_[node].pins.end()) {
    disks_[node].pins.emplace(other, server::peer::pin_of(shown));
    callbacks_.remembered(node);
    return true;
  }
  if (const auto why = server::peer::why_not_the_same_disk(known->second, shown)) {
    world_.note(node_name(node) + " refuses " + node_name(other) + ": " + *why);
    write(other, {Write::What::fence, node, {}});
    return false;
  }
  if (shown.incarnation > known->second.incarnation)
    write(node, {Write::What::pin, other, server::peer::pin_of(shown)});
  return true;
}

bool Identities::greet(std::size_t dialer, std::size_t listener) {
  return accepts(listener, dialer) && accepts(dialer, listener);
}

void Identities::distrust(std::size_t node, std::size_t peer) {
  write(node, {Write::What::distrust, peer, {}});
}

void Identities::retire(std::size_t node) {
  write(node, {Write::What::retire, node, {}});
}

bool Identities::known_to_all(std::size_t node, const std::vector<std::size_t>& others) const {
  for (const std::size_t other : others) {
    if (other == node) continue;
    const auto pin = disks_[other].pins.find(node);
    if (pin == disks_[other].pins.end() || pin->second.storage_id != disks_[node].storage_id ||
        pin->second.incarnation != disks_[node].boots.size())
      return false;
  }
  return true;
}

void Identities::write(std::size_t node, Write write) {
  Event event{.slot = writes_.put(std::move(write)), .kind = EventKind::identity_written};
  event.life = callbacks_.life(node);
  event.node = static_cast<std::uint8_t>(node);
  world_.post(random_.between(microseconds(50), milliseconds(20)), event);
}

void Identities::on_written(const Event& event) {
  const Write write = writes_.take(event.slot);
  const std::size_t node = event.node;
  if (event.life != callbacks_.life(node)) return;
  DiskIdentity& disk = disks_[node];
  switch (write.what) {
    case Write::What::pin: {
      storage::PeerPin& pin = disk.pins[write.peer];
      if (pin.incarnation < write.pin.incarnation) pin = write.pin;
      return callbacks_.remembered(node);
    }
    case Write::What::distrust:
      disk.pins[write.peer].incarnation = storage::PeerPin::kDistrusted;
      return callbacks_.distrusts(node, write.peer);
    case Write::What::fence:
      disk.fenced = true;
      return callbacks_.fenced(node);
    case Write::What::retire:
      disk.retired = true;
      return callbacks_.retired(node);
  }
}

}  // namespace tenaz::sim
