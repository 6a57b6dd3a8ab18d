#include "raft/describe.h"

#include <sstream>

namespace tenaz::raft {

namespace {

long long milliseconds(Duration d) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

const char* word(EntryKind kind) {
  switch (kind) {
    case EntryKind::noop:
      return "noop";
    case EntryKind::commands:
      return "commands";
    case EntryKind::configuration:
      return "configuration";
  }
  return "unknown";
}

const char* word(PeerStatus::Mode mode) {
  switch (mode) {
    case PeerStatus::Mode::probe:
      return "probe";
    case PeerStatus::Mode::replicate:
      return "replicate";
    case PeerStatus::Mode::snapshot:
      return "snapshot";
  }
  return "unknown";
}

template <class Range, class Print>
void list(std::ostream& out, const Range& range, Print print) {
  const char* separator = "";
  for (const auto& item : range) {
    out << separator;
    print(item);
    separator = " ";
  }
}

void put_position(std::ostream& out, Index index, Term term) {
  out << index.value << "@t" << term.value;
}

struct MessagePrinter {
  std::ostream& out;

  void operator()(const VoteRequest& m) const {
    out << (m.pre_vote ? "PreVoteRequest" : "VoteRequest") << " t" << m.term.value << " last=";
    put_position(out, m.last_index, m.last_term);
    if (m.transfer) out << " transfer";
  }
  void operator()(const VoteReply& m) const {
    out << (m.pre_vote ? "PreVoteReply" : "VoteReply") << " t" << m.term.value << " for=t" << m.campaign_term.value
        << (m.granted ? " granted" : " refused");
    if (m.trust_remaining > Duration::zero()) out << " trust=" << milliseconds(m.trust_remaining) << "ms";
  }
  void operator()(const AppendRequest& m) const {
    out << "Append t" << m.term.value << " #" << m.sequence << " prev=";
    put_position(out, m.prev_index, m.prev_term);
    out << " commit=" << m.commit.value << " [";
    list(out, m.entries, [this](const Entry& entry) { out << describe(entry); });
    out << "]";
  }
  void operator()(const AppendReply& m) const {
    out << "AppendReply t" << m.term.value << " #" << m.sequence;
    if (m.accepted) {
      out << " accepted match=" << m.match.value;
    } else {
      out << " refused prev=" << m.prev_index.value << " conflict=";
      put_position(out, m.conflict_index, m.conflict_term);
    }
    out << " last=" << m.last_index.value;
  }
  void operator()(const Heartbeat& m) const {
    out << "Heartbeat t" << m.term.value << " round=" << m.round << " commit=" << m.commit.value;
  }
  void operator()(const HeartbeatReply& m) const {
    out << "HeartbeatReply t" << m.term.value << " round=" << m.round << (m.disk_stalled ? " disk stalled" : "");
    if (m.promise > Duration::zero()) out << " promise=" << milliseconds(m.promise) << "ms";
  }
  void operator()(const InstallSnapshot& m) const {
    out << "InstallSnapshot t" << m.term.value << " at=";
    put_position(out, m.meta.index, m.meta.term);
    out << " id=" << m.snapshot_id;
  }
  void operator()(const InstallSnapshotFailed& m) const {
    out << "InstallSnapshotFailed t" << m.term.value << " at=" << m.index.value;
  }
  void operator()(const TimeoutNow& m) const { out << "TimeoutNow t" << m.term.value << " target=" << m.target.value; }
};

void put_messages(std::ostream& out, const char* when, const std::vector<Envelope>& envelopes) {
  for (const Envelope& envelope : envelopes)
    out << when << " ->" << envelope.to.value << " " << describe(envelope.message) << "\n";
}

void put_ids(std::ostream& out, const std::vector<NodeId>& ids) {
  list(out, ids, [&out](NodeId id) { out << id.value; });
}

}  // namespace

std::string describe(const Entry& entry) {
  std::ostringstream out;
  put_position(out, entry.index, entry.term);
  out << " " << word(entry.kind);
  if (!entry.payload->empty()) out << "(" << entry.payload->size() << ")";
  return out.str();
}

std::string describe(const Configuration& configuration) {
  std::ostringstream out;
  out << "voters={";
  put_ids(out, configuration.voters);
  out << "}";
  if (configuration.joint()) {
    out << " outgoing={";
    put_ids(out, configuration.outgoing);
    out << "}";
  }
  if (!configuration.learners.empty()) {
    out << " learners={";
    put_ids(out, configuration.learners);
    out << "}";
  }
  for (const Member& member : configuration.members) {
    if (member.promote) out << " promote=" << member.id.value;
    if (member.replaces) out << " replaces=" << member.replaces.value;
  }
  if (!configuration.retired.empty()) {
    out << " retired={";
    put_ids(out, configuration.retired);
    out << "}";
  }
  if (configuration.lease_reads) out << " lease_reads";
  return out.str();
}

std::string describe(const Message& message) {
  std::ostringstream out;
  std::visit(MessagePrinter{out}, message);
  return out.str();
}

std::string describe(const Output& output) {
  std::ostringstream out;
  put_messages(out, "now", output.send_now);
  if (output.persist) {
    out << "persist w" << output.persist->id.value;
    if (const auto& hard_state = output.persist->hard_state) {
      out << " term=" << hard_state->term.value << " vote=" << hard_state->vote.value;
      if (hard_state->promise > Duration::zero()) out << " promise=" << milliseconds(hard_state->promise) << "ms";
    }
    if (!output.persist->entries.empty()) {
      out << " [";
      list(out, output.persist->entries, [&out](const Entry& entry) { out << describe(entry); });
      out << "]";
    }
    out << "\n";
  }
  const std::string when = "after w" + std::to_string(output.durable_after.value);
  put_messages(out, when.c_str(), output.send_when_durable);
  if (!output.committed.empty())
    out << "apply " << output.committed.front().index.value << ".." << output.committed.back().index.value << "\n";
  for (const ReadConfirmed& read : output.reads_confirmed)
    out << "read " << read.id.value << " confirmed at " << read.index.value << (read.by_lease ? " by lease\n" : "\n");
  for (ReadId id : output.reads_failed) out << "read " << id.value << " failed\n";
  if (output.install) {
    out << "install snapshot " << output.install->snapshot_id << " of " << output.install->from.value << " at ";
    put_position(out, output.install->meta.index, output.install->meta.term);
    out << "\n";
  }
  for (NodeId id : output.snapshots_wanted) out << "snapshot wanted for " << id.value << "\n";
  for (NodeId id : output.rolled_back) out << "rolled back: " << id.value << "\n";
  return out.str();
}

std::string describe(const Status& s) {
  std::ostringstream out;
  out << "node " << s.self.value << ": " << to_string(s.role) << " t" << s.term.value << " vote=" << s.voted_for.value
      << " leader=" << s.leader.value << " log=" << s.first_index.value << ".." << s.last_index.value
      << " durable=" << s.durable_index.value << " commit=" << s.commit.value << " applied=" << s.applied.value;
  if (s.transfer_target) out << " transfer=" << s.transfer_target.value;
  if (s.read_ready) out << " read_ready";
  out << "\n";
  for (const PeerStatus& peer : s.peers) {
    out << "  peer " << peer.id.value << ": " << word(peer.mode) << " match=" << peer.match.value
        << " next=" << peer.next.value;
    if (peer.inflight > 0) out << " inflight=" << peer.inflight;
    if (!peer.recently_active) out << " silent";
    if (peer.rolled_back) out << " rolled_back";
    if (peer.caught_up) out << " caught_up";
    out << "\n";
  }
  return out.str();
}

}  // namespace tenaz::raft
