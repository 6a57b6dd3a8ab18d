// The vocabulary of the consensus core: strong types, log entries, hard state, configuration.
// Plain values; safe to copy and to pass between threads (an entry's payload is immutable and shared).
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tenaz::raft {

// A 64-bit number that cannot be mixed with another kind of number.
template <class Tag>
struct Number {
  std::uint64_t value = 0;

  constexpr Number() = default;
  constexpr explicit Number(std::uint64_t v) : value(v) {}
  constexpr auto operator<=>(const Number&) const = default;
  constexpr explicit operator bool() const { return value != 0; }

  constexpr Number next() const { return Number{value + 1}; }
  // The number before this one; zero stays zero.
  constexpr Number previous() const { return Number{value == 0 ? 0 : value - 1}; }
  constexpr Number operator+(std::uint64_t n) const { return Number{value + n}; }
  // How far this number is past `other`; 0 if it is not.
  constexpr std::uint64_t past(Number other) const { return value > other.value ? value - other.value : 0; }
};

using Term = Number<struct TermTag>;      // 0: before the first election
using Index = Number<struct IndexTag>;    // position in the log; the first entry has index 1, 0 means "before the log"
using NodeId = Number<struct NodeIdTag>;  // 0: nobody
using ReadId = Number<struct ReadIdTag>;  // one linearizable read that waits; never used twice in a process
using WriteId = Number<struct WriteIdTag>;  // one persistence request; rises by one per request; 0: none
using GroupId = Number<struct GroupIdTag>;  // one Raft group; always 1 today

inline constexpr GroupId kDefaultGroup{1};

// Time since boot, suspended time included (CLOCK_BOOTTIME in production, virtual in simulation).
// It has no now(): whoever calls the core brings the time.
struct BootClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using Instant = BootClock::time_point;
using Duration = BootClock::duration;

enum class EntryKind : std::uint8_t {
  noop = 0,           // appended by a new leader in its term (thesis 6.4, 8): empty payload
  commands = 1,       // opaque to Raft
  configuration = 2,  // payload is encode(Configuration)
};

// Immutable bytes shared between the log, the wire and the applier; never null inside an Entry.
using Payload = std::shared_ptr<const std::string>;

inline Payload make_payload(std::string bytes) {
  return std::make_shared<const std::string>(std::move(bytes));
}
inline Payload empty_payload() {
  static const Payload empty = make_payload({});
  return empty;
}

struct Entry {
  Term term;
  Index index;
  EntryKind kind = EntryKind::noop;
  Payload payload = empty_payload();

  // What the entry is charged for in size limits, in bytes.
  std::size_t cost() const { return payload->size() + 64; }
};

// Must be durable before any message that depends on it leaves (Raft, figure 2).
struct HardState {
  Term term;
  NodeId vote;  // whom this node voted for in `term`; 0: nobody
  // No promise to a leader (lease.h) that may still be kept is longer than this; 0: none was given. Waited out after a
  // restart.
  Duration promise{0};

  bool operator==(const HardState&) const = default;
};

// One member as the log records it. The core uses only the id; the rest travels with it.
struct Member {
  NodeId id;
  std::string name;
  std::string peer;        // host:port for other nodes
  std::string client;      // host:port for clients
  std::string storage_id;  // 16 raw bytes; empty: not known yet (pinned at first contact)
  // A learner's: it becomes a voter by itself once it has caught up, in the place of the voter `replaces` (0: of
  // nobody).
  bool promote = false;
  NodeId replaces{};

  bool operator==(const Member&) const = default;
};

// Who counts. With `outgoing` empty the configuration is simple; otherwise it is joint (thesis 4.3) and a decision
// needs a majority of `voters` and a majority of `outgoing`. Id lists are sorted and free of duplicates.
// Invariant: members holds exactly the union of voters, outgoing and learners, sorted by id; a learner is neither in
// voters nor in outgoing.
struct Configuration {
  std::vector<NodeId> voters;
  std::vector<NodeId> outgoing;
  std::vector<NodeId> learners;
  std::vector<Member> members;
  std::vector<NodeId> retired{};  // were members once: no id is ever used again
  bool lease_reads = false;       // the leader may answer reads by its lease (thesis 6.4.1)

  bool joint() const { return !outgoing.empty(); }
  bool operator==(const Configuration&) const = default;
};

// The state that a snapshot stands for.
struct SnapshotMeta {
  Index index;
  Term term;
  Configuration configuration;  // in force at `index`, joint ones included
  Index configuration_index;    // where that configuration was appended; 0: the founding one

  bool operator==(const SnapshotMeta&) const = default;
};

}  // namespace tenaz::raft

template <class Tag>
struct std::hash<tenaz::raft::Number<Tag>> {
  std::size_t operator()(const tenaz::raft::Number<Tag>& n) const noexcept {
    return std::hash<std::uint64_t>{}(n.value);
  }
};
