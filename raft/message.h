// What consensus cores say to each other. Plain structs; server/peer maps them to the wire, tests build them by hand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "raft/types.h"

namespace tenaz::raft {

// Thesis 3.4 (vote) and 9.6 (pre-vote). A pre-vote asks for `term` = own term + 1 without entering it.
struct VoteRequest {
  Term term;
  Index last_index;  // of the candidate's log, with last_term: thesis 3.6.1
  Term last_term;
  bool pre_vote = false;
  bool transfer = false;  // sent on TimeoutNow: voters ignore stickiness, but no other rule (thesis 3.10)
};

struct VoteReply {
  Term term;           // the voter's term; for a granted pre-vote the term that was asked for
  Term campaign_term;  // the request's term: a reply counts only for the campaign it answers
  bool pre_vote = false;
  bool granted = false;
  // Refused because the voter still hears a leader: how long it will go on to trust that leader.
  Duration trust_remaining{0};
};

struct AppendRequest {
  Term term;
  Index prev_index;
  Term prev_term;
  Index commit;
  // Rises with every append that this leader sends to this peer in its term. Echoed, so that the leader can tell a late
  // refusal from one by a follower that has lost acknowledged entries.
  std::uint64_t sequence = 0;
  std::vector<Entry> entries;  // consecutive, the first at prev_index + 1
};

struct AppendReply {
  Term term;
  std::uint64_t sequence = 0;
  bool accepted = false;
  Index match;  // accepted: the last entry known equal to the leader's, and durable here
  // Refused: where the leader should try next (the follower's last index at or before prev_index whose term is
  // conflict_term; thesis 3.5, fast back-up).
  Index prev_index;  // of the refused request
  Index conflict_index;
  Term conflict_term;
  Index last_index;  // of the follower's log
};

// Small and frequent; overtakes appends, so `commit` is min(match of the peer, commit).
struct Heartbeat {
  Term term;
  Index commit;
  std::uint64_t round = 0;  // rises with every round of this leader: confirms reads and leadership
};

struct HeartbeatReply {
  Term term;
  std::uint64_t round = 0;
  // This voter votes for nobody else for so long, by its own clock, from when it got the heartbeat; 0: no promise
  // (lease.h).
  Duration promise{0};
  bool disk_stalled = false;  // it hears, and can commit nothing (Core::disk_stalled)
};

// "Your log is too far behind: take this state." The bytes move outside the core, asked for by the receiver's host.
struct InstallSnapshot {
  Term term;
  SnapshotMeta meta;
  std::string snapshot_id;  // names the image at the sender's host
};

// The receiver's host failed to fetch or install; success is an accepted AppendReply with match = meta.index.
struct InstallSnapshotFailed {
  Term term;
  Index index;
};

// Leadership transfer (thesis 3.10): stand at once. Bound to term and target.
struct TimeoutNow {
  Term term;
  NodeId target;
};

using Message = std::variant<VoteRequest, VoteReply, AppendRequest, AppendReply, Heartbeat, HeartbeatReply,
                             InstallSnapshot, InstallSnapshotFailed, TimeoutNow>;

// The term that every message carries.
Term term_of(const Message& message);

struct Envelope {
  NodeId to;
  Message message;
};

}  // namespace tenaz::raft
