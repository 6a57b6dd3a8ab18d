// What a node does about the membership outside of its replica: a model of server/host_members.cc, which works with
// sockets and threads.
#include "raft/membership.h"
#include "tests/sim/machine.h"

namespace tenaz::sim {
namespace {

constexpr raft::Duration kWaitPause = seconds(1);

}  // namespace

raft::Configuration configuration_of_a_new_disk(const Scenario& scenario, std::size_t node) {
  if (node >= scenario.nodes) return {};
  std::vector<raft::Member> members;
  for (std::size_t founder = 0; founder < scenario.nodes; ++founder)
    members.push_back({node_id(founder), node_name(founder), {}, {}, {}});
  raft::Configuration founding = raft::founding_configuration(std::move(members));
  founding.lease_reads = scenario.lease_reads;
  return founding;
}

void Machine::set_members(const std::vector<raft::Member>& members, const std::vector<raft::NodeId>& retired) {
  network_.set_members(node_, members, retired);
}

// Over a connection in each direction, as requests and pieces of an image go.
bool Machine::reaches(const Machine& other) const {
  return network_.both_ways(other.node_, node_) && network_.admission().speaks_with(node_, other.node_) &&
         network_.admission().speaks_with(other.node_, node_);
}

// What is wrong by itself is said before anybody is called; a node to be added is called, and asked for its disk.
void Machine::change_membership(raft::MembershipChange change, raft::Instant deadline, server::ChangeDone done) {
  server::ChangeResult refusal;
  if (joining()) {
    refusal.fault = server::Failure::joining;
    return done(refusal);
  }
  auto* added = std::get_if<raft::AddMember>(&change);
  if (added) {
    const raft::Configuration& present = process_->replica->core().configuration();
    const auto next = present.joint() ? present : raft::changed(present, change);
    if (const auto* fault = std::get_if<raft::ChangeFault>(&next)) {
      refusal.fault = *fault;
      refusal.configuration = present;
      return done(refusal);
    }
    const Machine& other = peers_(node_of(added->member.id));
    if (!other.running() || other.paused() || !network_.both_ways(node_, other.node_)) {
      refusal.fault = server::AddressFault::unreachable;
      return done(refusal);
    }
    added->member.storage_id = identities_.of(other.node_).storage_id;
  }
  process_->replica->change_membership(local_now(), std::move(change), deadline, std::move(done));
  attend();
}

// A node that waits to be added asks the others now and then, one after the other: nobody calls it if it was removed
// before it has learned who the members are.
void Machine::seek_cluster() {
  if (!joining()) return;
  const Machine& other = peers_(asked_++ % scenario_.machines());
  if (other.serves() && !other.paused() && network_.both_ways(node_, other.node_) &&
      network_.admission().judge(other.node_, node_, false) == Admission::Verdict::removed)
    note_removal("says " + node_name(other.node_));
  world_.post(kWaitPause, event(EventKind::state_wanted));
}

// First durably, so that it does not come back as if nothing had happened.
void Machine::note_removal(const std::string& source) {
  if (!running() || std::exchange(process_->removal_noted, true)) return;
  world_.note(node_name(node_) + " was removed, " + source);
  process_->replica->on_removed();
  identities_.retire(node_);
}

void Machine::leave() {
  if (running() && !paused()) return stop();
  if (running()) return fate_.end("stops: it was removed");
  if (up()) crash();
}

}  // namespace tenaz::sim
