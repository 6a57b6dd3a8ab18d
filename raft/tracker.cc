#include "raft/tracker.h"

#include <algorithm>
#include <utility>

#include "raft/membership.h"
#include "raft/quorum.h"

namespace tenaz::raft {

void Tracker::start(const Configuration& configuration, NodeId self, Index next, Instant now) {
  self_ = self;
  peers_.clear();
  update(configuration, next, now);
}

void Tracker::update(const Configuration& configuration, Index next, Instant now) {
  std::erase_if(peers_, [&](const Progress& peer) { return !find_member(configuration, peer.id()); });
  for (const Member& member : configuration.members)
    if (member.id != self_ && !find(member.id)) peers_.emplace_back(member.id, next, now);
}

const Progress* Tracker::find(NodeId id) const {
  const auto found = std::find_if(peers_.begin(), peers_.end(), [id](const Progress& peer) { return peer.id() == id; });
  return found == peers_.end() ? nullptr : &*found;
}

Progress* Tracker::find(NodeId id) {
  return const_cast<Progress*>(std::as_const(*this).find(id));
}

template <class ValueOf>
std::uint64_t Tracker::quorum_of(const Configuration& configuration, std::uint64_t own, ValueOf value_of) const {
  return quorum_value(configuration, [&](NodeId id) -> std::uint64_t {
    if (id == self_) return own;
    const Progress* peer = find(id);
    return peer && !peer->rolled_back() ? value_of(*peer) : 0;
  });
}

template <class TimeOf>
Instant Tracker::quorum_time(const Configuration& configuration, Instant own, TimeOf time_of) const {
  const auto count = [](Instant at) { return static_cast<std::uint64_t>(at.time_since_epoch().count()); };
  const std::uint64_t reached =
      quorum_of(configuration, count(own), [&](const Progress& peer) { return count(time_of(peer)); });
  return Instant{Duration{static_cast<std::int64_t>(reached)}};
}

Index Tracker::committed(const Configuration& configuration, Index own_durable) const {
  return Index{quorum_of(configuration, own_durable.value, [](const Progress& peer) { return peer.match().value; })};
}

std::uint64_t Tracker::confirmed_round(const Configuration& configuration, std::uint64_t own_round) const {
  return quorum_of(configuration, own_round, [](const Progress& peer) { return peer.round(); });
}

Instant Tracker::quorum_heard(const Configuration& configuration, Instant now) const {
  return quorum_time(configuration, now, [](const Progress& peer) { return peer.last_heard(); });
}

Instant Tracker::quorum_able(const Configuration& configuration, Instant own) const {
  return quorum_time(configuration, own, [](const Progress& peer) { return peer.last_able(); });
}

Instant Tracker::all_heard(const Configuration& configuration, Instant now) const {
  Instant all = now;
  for (const Progress& peer : peers_)
    if (is_voter(configuration, peer.id())) all = std::min(all, peer.rolled_back() ? Instant{} : peer.last_heard());
  return all;
}

Instant Tracker::quorum_promised(const Configuration& configuration, Instant own) const {
  return quorum_time(configuration, own, [](const Progress& peer) { return peer.promised_until(); });
}

const Progress* Tracker::best_successor(const Configuration& configuration, Instant now, Duration active_within) const {
  const Progress* best = nullptr;
  for (const Progress& peer : peers_) {
    if (peer.rolled_back() || !peer.active(now, active_within)) continue;
    if (!std::binary_search(configuration.voters.begin(), configuration.voters.end(), peer.id())) continue;
    if (!best || peer.match() > best->match()) best = &peer;
  }
  return best;
}

}  // namespace tenaz::raft
