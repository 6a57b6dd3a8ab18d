// Who belongs to the cluster, as far as that is the host's business: joining, trying the address of a node that should
// be added, being removed, and which disk belongs to which node.
#include <spdlog/spdlog.h>

#include "server/clock.h"
#include "server/hex.h"
#include "server/host.h"

namespace tenaz::server {

namespace {

// Between two questions which cluster it is, or whether a node that is to be added has learned that.
constexpr auto kSeekPause = std::chrono::milliseconds(250);
// Between two questions of a node that waits to be added.
constexpr auto kWaitPause = std::chrono::seconds(1);
// Nodes that are called at a time because they should be added. One change is made after the other, so more would only
// take open files.
constexpr std::size_t kMaxAdditions = 8;

ChangeResult address_fault(AddressFault fault, std::string detail) {
  ChangeResult out;
  out.fault = fault;
  out.detail = std::move(detail);
  return out;
}

}  // namespace

std::string Host::cluster_text() const {
  return to_hex(log_->cluster_id());
}

bool Host::joining() const {
  return replica_ && replica_->core().configuration().members.empty();
}

// --- joining
// ------------------------------------------------------------------------------------------------------------

// A node that joins asks those that it is told to which cluster they are, one after the other, until one knows. Then it
// waits to be added: the leader will call. It goes on to ask, though: whoever is removed before it has learned who the
// members are, or comes with an id that is not used again, is called by nobody.
void Host::seek_cluster(std::size_t asked) {
  if (!joining() || removal_noted_) return;
  const std::string& address = options_.join[asked % options_.join.size()];
  transport_->probe(address, raft::NodeId{}, options_.peer.connect_timeout,
                    [this, asked, address](const peer::Probed& probed) {
                      const bool knows = log_->cluster_id() != peer::kNoCluster;
                      const auto* refusal = std::get_if<peer::Refusal>(&probed);
                      if (refusal && refusal->code == peer::RefusalCode::removed)
                        return note_removal("says " + address);
                      if (!knows && refusal && !refusal->cluster_id.empty() && refusal->cluster_id != peer::kNoCluster)
                        return join_cluster(refusal->cluster_id, address, asked);
                      if (const auto* nobody = std::get_if<std::string>(&probed))
                        spdlog::debug("joining: {}", *nobody);
                      else if (refusal)
                        spdlog::debug("joining: {} says: {}", address, refusal->text);
                      seek_cluster_in(knows ? kWaitPause : kSeekPause, asked + 1);
                    });
}

void Host::seek_cluster_in(raft::Duration pause, std::size_t asked) {
  join_timer_.expires_after(pause);
  join_timer_.async_wait([this, asked](const boost::system::error_code& cancelled) {
    if (!cancelled) seek_cluster(asked);
  });
}

void Host::join_cluster(const std::string& cluster_id, const std::string& address, std::size_t asked) {
  log_writer_->run([this, cluster_id, address, asked](storage::RaftLog& log) {
    if (const auto done = log.set_cluster(cluster_id); !done) return fatal_(done.error());
    enqueue_task([this, cluster_id, address, asked] {
      transport_->set_cluster(cluster_id);
      spdlog::info(
          "joining cluster {} of {}: this node now waits to be added (POST /v1/members, or tenazctl member add)",
          to_hex(cluster_id), address);
      seek_cluster_in(kSeekPause, asked);
    });
  });
}

// --- adding
// -------------------------------------------------------------------------------------------------------------

void Host::change_membership(raft::MembershipChange change, raft::Duration timeout, ChangeDone done) {
  enqueue(Task([this, change = std::move(change), deadline = boot_now() + timeout, done = std::move(done)]() mutable {
    if (!replica_ || joining()) {
      ChangeResult result;
      result.fault = replica_ ? Failure::joining : Failure::not_ready;
      return done(result);
    }
    auto* added = std::get_if<raft::AddMember>(&change);
    if (!added) return replica_->change_membership(boot_now(), std::move(change), deadline, std::move(done));
    // What is wrong by itself is said before anybody is called. The leader looks again.
    const raft::Configuration& present = replica_->core().configuration();
    const auto next = present.joint() ? present : raft::changed(present, change);
    if (const auto* fault = std::get_if<raft::ChangeFault>(&next)) {
      ChangeResult result;
      result.fault = *fault;
      result.configuration = present;
      return done(result);
    }
    if (additions_.size() >= kMaxAdditions) {
      ChangeResult result;
      result.fault = Failure::overloaded;
      return done(result);
    }
    const std::uint64_t id = ++last_addition_;
    additions_[id] = {std::move(added->member), deadline, std::move(done)};
    try_address(id);
  }));
}

// A node that nobody can reach would only hold the others up. It is asked for its disk, too: no other may take its
// place.
void Host::try_address(std::uint64_t id) {
  const Addition& addition = additions_.at(id);
  const auto left = std::max<raft::Duration>(addition.deadline - boot_now(), std::chrono::milliseconds(1));
  transport_->probe(addition.member.peer, addition.member.id, left, [this, id](const peer::Probed& probed) {
    const auto found = additions_.find(id);
    if (found == additions_.end()) return;
    if (const auto* refusal = std::get_if<peer::Refusal>(&probed);
        refusal && refusal->code == peer::RefusalCode::joining && boot_now() + kSeekPause < found->second.deadline) {
      join_timer_for(id);
      return;
    }
    Addition addition = std::move(found->second);
    additions_.erase(found);
    const std::string& address = addition.member.peer;
    if (const auto* nobody = std::get_if<std::string>(&probed))
      return addition.done(address_fault(AddressFault::unreachable, *nobody));
    if (const auto* refusal = std::get_if<peer::Refusal>(&probed)) {
      const auto fault = refusal->code == peer::RefusalCode::wrong_cluster ? AddressFault::wrong_cluster
                         : refusal->code == peer::RefusalCode::wrong_node  ? AddressFault::wrong_node
                                                                           : AddressFault::refused;
      return addition.done(address_fault(fault, address + ": " + refusal->text));
    }
    const auto& other = std::get<peer::LocalIdentity>(probed);
    if (other.cluster_id != log_->cluster_id() || other.node != addition.member.id)
      return addition.done(address_fault(AddressFault::wrong_node, address + ": another node listens there"));
    addition.member.storage_id = other.storage_id;
    replica_->change_membership(boot_now(), raft::AddMember{std::move(addition.member)}, addition.deadline,
                                std::move(addition.done));
    carry_out();
  });
}

void Host::join_timer_for(std::uint64_t id) {
  const auto timer = std::make_shared<boost::asio::steady_timer>(io_, kSeekPause);
  timer->async_wait([this, id, timer](const boost::system::error_code& cancelled) {
    if (!cancelled && additions_.contains(id)) try_address(id);
  });
}

void Host::fail_additions() {
  for (auto& [id, addition] : std::exchange(additions_, {})) {
    ChangeResult result;
    result.fault = Failure::stopping;
    addition.done(result);
  }
}

// --- being removed
// ------------------------------------------------------------------------------------------------------

// Durably, so that it does not come back as if nothing had happened; then the program ends.
void Host::note_removal(const std::string& source) {
  if (std::exchange(removal_noted_, true)) return;
  spdlog::warn("this node was removed from the cluster ({}): it stops", source);
  if (replica_) replica_->on_removed();
  log_writer_->run([this, source](storage::RaftLog& log) {
    if (const auto done = log.retire(source); !done) return fatal_(done.error());
    if (options_.on_removed) options_.on_removed();
  });
}

// --- which disk belongs to which node
// -----------------------------------------------------------------------------------

// A peer's disk is pinned at first contact, durably before anything that it says can count. Later the number of its
// starts is kept up, and which start that was. Where a committed configuration records the disk, that is agreed upon: a
// pin of another one is left from an addition that came to nothing. And while none names the node at all, another
// disk is refused, but not condemned: it may be the right one, added by a leader that this node has yet to hear.
std::optional<peer::Refusal> Host::check_identity(const peer::LocalIdentity& other) {
  const auto another_disk = [&](const auto* recorded) {
    return recorded && !recorded->storage_id.empty() && recorded->storage_id != other.storage_id;
  };
  auto known = log_->pin_of(other.node);
  const raft::Configuration agreed = replica_ ? replica_->core().committed_configuration() : log_->configuration();
  const raft::Member* member = raft::find_member(agreed, other.node);
  if (another_disk(member))
    return peer::Refusal{
        peer::RefusalCode::identity,
        fmt::format("disk replaced: node {} was added with another disk; remove it from the cluster and add it anew",
                    other.node.value)};
  if (member && !member->storage_id.empty()) {
    if (known && known->storage_id != other.storage_id) known.reset();
  } else {
    const auto* coming = replica_ ? raft::find_member(replica_->core().configuration(), other.node) : nullptr;
    if (another_disk(coming) || (!member && known && known->storage_id != other.storage_id))
      return peer::Refusal{peer::RefusalCode::unsettled,
                           fmt::format("node {} was to be added with another disk, and this node does not know yet "
                                       "what became of that",
                                       other.node.value)};
  }
  if (!known) {
    pin(peer::pin_of(other)).wait();
    return std::nullopt;
  }
  if (auto why = peer::why_not_the_same_disk(*known, other))
    return peer::Refusal{peer::RefusalCode::identity, std::move(*why)};
  if (other.incarnation > known->incarnation) pin(peer::pin_of(other));
  return std::nullopt;
}

// Resolves once it is durable.
std::future<void> Host::pin(const storage::PeerPin& pin) {
  auto pinned = std::make_shared<std::promise<void>>();
  log_writer_->run([this, pin, pinned](storage::RaftLog& log) {
    if (const auto done = log.pin(pin); !done) fatal_(done.error());
    pinned->set_value();
  });
  return pinned->get_future();
}

// Who was told that its disk has forgotten something must not come back as if nothing had happened: each further start
// raises the incarnation, until the other members could not tell any more.
void Host::on_refused(raft::NodeId peer, const peer::Refusal& refusal) {
  if (refusal.code == peer::RefusalCode::removed) return note_removal(fmt::format("says node {}", peer.value));
  if (refusal.code != peer::RefusalCode::identity) return;
  const std::string reason = fmt::format("node {} refuses it: {}", peer.value, refusal.text);
  log_writer_->run([this, reason](storage::RaftLog& log) {
    if (const auto done = log.fence(reason); !done) return fatal_(done.error());
    fatal_({storage::ErrorCode::wrong_identity, "this node's disk is fenced: " + reason});
  });
}

}  // namespace tenaz::server
