#include "tests/sim/fingerprint.h"

#include <cstring>

#include "tests/sim/random.h"

namespace tenaz::sim {
namespace {

// Folds one value after the other.
class Fold {
 public:
  std::uint64_t value() const { return value_; }

  Fold& operator<<(std::uint64_t number) {
    value_ = mix(value_ ^ number) + 0x9e3779b97f4a7c15u;
    return *this;
  }
  template <class Tag>
  Fold& operator<<(raft::Number<Tag> number) {
    return *this << number.value;
  }
  Fold& operator<<(const std::string& bytes) { return *this << fingerprint_of(bytes); }
  Fold& operator<<(const raft::Entry& entry) { return *this << fingerprint_of(entry); }
  template <class T>
  Fold& operator<<(const std::vector<T>& list) {
    *this << list.size();
    for (const T& each : list) *this << each;
    return *this;
  }
  Fold& operator<<(const raft::SnapshotMeta& meta) {
    return *this << meta.index << meta.term << meta.configuration_index << meta.configuration.voters
                 << meta.configuration.outgoing << meta.configuration.learners;
  }

  void operator()(const raft::VoteRequest& m) {
    *this << m.term << m.last_index << m.last_term << (m.pre_vote ? 1U : 0U) + (m.transfer ? 2U : 0U);
  }
  void operator()(const raft::VoteReply& m) {
    *this << m.term << m.campaign_term << (m.pre_vote ? 1U : 0U) + (m.granted ? 2U : 0U)
          << static_cast<std::uint64_t>(m.trust_remaining.count());
  }
  void operator()(const raft::AppendRequest& m) {
    *this << m.term << m.prev_index << m.prev_term << m.commit << m.sequence << m.entries;
  }
  void operator()(const raft::AppendReply& m) {
    *this << m.term << m.sequence << (m.accepted ? 1U : 0U) << m.match << m.prev_index << m.conflict_index
          << m.conflict_term << m.last_index;
  }
  void operator()(const raft::Heartbeat& m) { *this << m.term << m.commit << m.round; }
  void operator()(const raft::HeartbeatReply& m) {
    *this << m.term << m.round << static_cast<std::uint64_t>(m.promise.count()) << (m.disk_stalled ? 1U : 0U);
  }
  void operator()(const raft::InstallSnapshot& m) { *this << m.term << m.meta << m.snapshot_id; }
  void operator()(const raft::InstallSnapshotFailed& m) { *this << m.term << m.index; }
  void operator()(const raft::TimeoutNow& m) { *this << m.term << m.target; }

  void operator()(const raft::Message& m) {
    *this << m.index();
    std::visit(*this, m);
  }
  void operator()(const server::ForwardWrites& m) { *this << m.term << m.commands; }
  void operator()(const server::ForwardRefused& m) {
    *this << m.term << m.boot << m.sequences << static_cast<std::uint64_t>(m.reason);
  }
  void operator()(const server::ReadIndexRequest& m) { *this << m.boot << m.id; }
  void operator()(const server::ReadIndexReply& m) { *this << m.boot << m.id << (m.confirmed ? 1U : 0U) << m.index; }
  void operator()(const server::NodeReport& m) { *this << (m.disk_low ? 1U : 0U); }
  void operator()(const server::TransferRequest& m) { *this << m.target << m.boot << m.id; }
  void operator()(const server::TransferRefused& m) { *this << m.boot << m.id; }
  void operator()(const server::ChangeRequest& m) { *this << m.boot << m.id << m.change.index(); }
  void operator()(const server::ChangeReply& m) { *this << m.boot << m.id << m.result.index() << m.detail; }
  // Images move outside the messages here.
  void operator()(const server::SnapshotRequest&) {}
  void operator()(const server::SnapshotManifest&) {}
  void operator()(const server::SnapshotData&) {}

 private:
  std::uint64_t value_ = 0;
};

}  // namespace

std::uint64_t fingerprint_of(const std::string& bytes) {
  std::uint64_t h = bytes.size();
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    h = (h ^ word) * 0x9fb21c651e98df25u;
    h ^= h >> 32;
  }
  for (; at < bytes.size(); ++at) h = (h ^ static_cast<unsigned char>(bytes[at])) * 0x100000001b3u;
  return mix(h);
}

std::uint64_t fingerprint_of(const raft::Entry& entry) {
  Fold fold;
  fold << entry.term << entry.index << static_cast<std::uint64_t>(entry.kind) << *entry.payload;
  return fold.value();
}

std::uint64_t fingerprint_of(const server::PeerMessage& message) {
  Fold fold;
  fold << message.index();
  std::visit(fold, message);
  return fold.value();
}

std::uint64_t fingerprint_of(const raft::Persist& write) {
  Fold fold;
  fold << write.id << (write.hard_state ? 1U : 0U);
  if (write.hard_state)
    fold << write.hard_state->term << write.hard_state->vote
         << static_cast<std::uint64_t>(write.hard_state->promise.count());
  fold << write.entries;
  return fold.value();
}

}  // namespace tenaz::sim
