// The host loop on hand-driven ports: nothing is durable, applied or delivered until the test says so.
#pragma once

#include <gtest/gtest.h>

#include <map>

#include "raft/membership.h"
#include "server/replica.h"

namespace tenaz::server {

using raft::Index;
using raft::NodeId;
using raft::Term;
using std::chrono::milliseconds;

struct FakeLog final : LogPort, raft::LogReader {
  std::vector<raft::Entry> entries_;
  std::deque<raft::Persist> waiting;

  const raft::LogReader& reader() const override { return *this; }
  void write(raft::Persist write) override { waiting.push_back(std::move(write)); }
  void compact(Index index, raft::Configuration, Index) override { compacted = index; }
  void distrust(NodeId peer) override { distrusted.push_back(peer); }
  std::vector<NodeId> distrusted;
  // Nothing is kept back.
  Index compaction_target(Index limit) const override { return limit; }
  Index compacted;
  std::uint64_t bytes() const override { return 0; }

  // The log begins behind `index` from now on.
  void forget(Index index) { base = index; }
  Index base;

  Index first_index() const override { return base.next(); }
  Index last_index() const override { return Index{entries_.size()}; }
  std::optional<Term> term(Index i) const override {
    if (!i) return Term{0};
    if (i > last_index()) return std::nullopt;
    return entries_[i.value - 1].term;
  }
  std::vector<raft::Entry> entries(Index from, Index to, std::size_t) const override {
    if (from <= base) return {};
    return {entries_.begin() + static_cast<std::ptrdiff_t>(from.value - 1),
            entries_.begin() + static_cast<std::ptrdiff_t>(to.value)};
  }
  raft::WriteId make_durable() {
    auto write = std::move(waiting.front());
    waiting.pop_front();
    for (auto& entry : write.entries) {
      entries_.resize(entry.index.value - 1);
      entries_.push_back(entry);
    }
    return write.id;
  }
};

struct FakeState final : StatePort {
  std::deque<raft::Entry> waiting;
  void apply(std::vector<raft::Entry> entries) override {
    waiting.insert(waiting.end(), entries.begin(), entries.end());
  }
  History held;
  std::map<std::uint64_t, storage::Revision> marks;  // of the history clock
  History history() const override { return held; }
  storage::Revision revision_at(std::uint64_t clock_ms) const override {
    const auto later = marks.upper_bound(clock_ms);
    return later == marks.begin() ? storage::Revision() : std::prev(later)->second;
  }
};

struct FakeTransport final : TransportPort {
  std::vector<std::pair<NodeId, PeerMessage>> sent;
  bool connected = true;
  bool send(NodeId to, PeerMessage message) override {
    if (connected) sent.emplace_back(to, std::move(message));
    return connected;
  }
  std::vector<raft::Member> members;
  std::vector<NodeId> retired;
  void set_members(const std::vector<raft::Member>& now, const std::vector<NodeId>& gone) override {
    members = now;
    retired = gone;
  }
  template <class T>
  std::vector<T> take() {
    std::vector<T> out;
    std::erase_if(sent, [&](auto& item) {
      auto* message = std::get_if<T>(&item.second);
      if (message) out.push_back(std::move(*message));
      return message != nullptr;
    });
    return out;
  }
};

struct FakeSnapshots final : SnapshotPort {
  void make_image(NodeId peer) override { images_wanted.push_back(peer); }
  std::vector<NodeId> images_wanted;
  void install(const raft::Output::Install& install) override { installs.push_back(install); }
  void hurry() override { ++hurried; }
  std::vector<raft::Output::Install> installs;
  int hurried = 0;
};

struct CountingProbe final : Probe {
  std::vector<std::tuple<raft::Role, Term, NodeId>> standings;
  void standing_changed(raft::Role role, Term term, NodeId leader) override {
    standings.emplace_back(role, term, leader);
  }
  int read_indexes = 0;
  std::size_t by_leases = 0;
  std::vector<bool> stalls;
  std::vector<std::string> stepdowns;
  std::vector<std::pair<NodeId, Index>> overtaken;
  void image_overtaken(NodeId peer, Index image) override { overtaken.emplace_back(peer, image); }
  void disk_stalled(bool stalled) override { stalls.push_back(stalled); }
  void stepped_down(Term, const char* reason) override { stepdowns.emplace_back(reason); }
  void read_index_finished(raft::Duration) override { ++read_indexes; }
  void lease_reads(std::size_t reads) override { by_leases += reads; }
};

class ReplicaTest : public ::testing::Test {
 protected:
  // Node 1, in a cluster of the nodes `first` to `last`.
  void start(std::uint64_t last, std::uint64_t first = 1) {
    std::vector<raft::Member> members;
    for (std::uint64_t id = first; id <= last; ++id) members.push_back({NodeId(id), "", "", "", ""});
    ReplicaStart start;
    start.self = NodeId{1};
    start.boot = 99;
    start.hard_state = hard_state;
    start.applied = applied;
    start.configuration = raft::founding_configuration(std::move(members));
    start.configuration.lease_reads = lease_reads;
    start.now = now;
    start.random = [](std::uint64_t bound) { return bound / 2; };
    start.wall_time_ms = [] { return std::uint64_t{0}; };
    start.storage_ids = storage_ids;
    replica = std::make_unique<Replica>(options, start, Replica::Ports{log, state, transport, snapshots, probe});
    replica->introduce();
    pass(milliseconds(0));
  }

  std::string command(std::uint64_t sequence, bool put = true) {
    storage::pb::Command out;
    out.set_apply_version(storage::kApplyVersion);
    out.mutable_origin()->set_node(1);
    out.mutable_origin()->set_boot(99);
    out.mutable_origin()->set_sequence(sequence);
    if (put)
      out.mutable_put()->set_key("k");
    else
      out.mutable_delete_()->set_key("k");
    return out.SerializeAsString();
  }

  void write(std::uint64_t sequence, bool put = true) {
    replica->write(now, sequence, command(sequence, put), put, now + patience,
                   [this, sequence](const WriteResult& result) {
                     EXPECT_FALSE(writes.contains(sequence)) << "answered twice";
                     writes[sequence] = result;
                   });
    replica->carry_out(now);
  }

  void heartbeat(std::uint64_t leader, std::uint64_t term, std::uint64_t commit = 0) {
    replica->on_message(now, NodeId(leader), raft::Message(raft::Heartbeat{Term(term), Index(commit), 1}));
    replica->carry_out(now);
    persist_all();
  }

  // An append of one entry of `term` at `index`, committed as it arrives.
  void append(std::uint64_t leader, std::uint64_t term, std::uint64_t index, const std::string& payload) {
    raft::AppendRequest request;
    request.term = Term(term);
    request.prev_index = Index(index - 1);
    request.prev_term = log.term(Index(index - 1)).value();
    request.commit = Index(index);
    request.sequence = index;
    request.entries.push_back({Term(term), Index(index),
                               payload.empty() ? raft::EntryKind::noop : raft::EntryKind::commands,
                               raft::make_payload(payload)});
    replica->on_message(now, NodeId(leader), raft::Message(request));
    replica->carry_out(now);
    persist_all();
    apply_all();
  }

  void persist_all() {
    while (!log.waiting.empty()) {
      replica->on_persisted(now, log.make_durable());
      replica->carry_out(now);
    }
  }

  // Applies what was committed, answering every command in it as done.
  void apply_all() {
    while (!state.waiting.empty()) {
      storage::ApplyOutcome outcome;
      for (const auto& entry : state.waiting) {
        outcome.index = entry.index;
        outcome.term = entry.term;
        if (entry.kind != raft::EntryKind::commands) continue;
        const auto batch = storage::parse_payload(*entry.payload);
        ASSERT_TRUE(batch);
        for (const auto& parsed : batch->commands()) {
          outcome.revision = storage::Revision(++revision);
          if (parsed.origin().node() == 1)
            outcome.replies.push_back({{NodeId{1}, parsed.origin().boot(), parsed.origin().sequence()}, {}});
        }
      }
      state.waiting.clear();
      replica->on_applied(now, outcome);
      replica->carry_out(now);
    }
  }

  void pass(milliseconds time) {
    now += time;
    replica->tick(now);
    replica->carry_out(now);
  }

  std::string payload_of(std::uint64_t sequence) {
    storage::PayloadBuilder builder;
    builder.add(command(sequence));
    return *builder.finish(0);
  }

  // Node 1 leads term 1 of three, its no-op at index 1 committed by node 2; node 3 has said nothing yet.
  void lead_of_three() {
    start(3);
    pass(std::chrono::seconds(10));
    raft::VoteReply vote;
    vote.term = Term{1};
    vote.campaign_term = Term{1};
    vote.granted = vote.pre_vote = true;
    replica->on_message(now, NodeId{2}, raft::Message(vote));
    replica->carry_out(now);
    persist_all();
    vote.pre_vote = false;
    replica->on_message(now, NodeId{2}, raft::Message(vote));
    replica->carry_out(now);
    ASSERT_EQ(replica->core().role(), raft::Role::leader);
    acknowledge(2);
    apply_all();
  }
  // `peer` has everything.
  void acknowledge(std::uint64_t peer) {
    persist_all();
    raft::AppendReply reply;
    reply.term = replica->core().term();
    reply.accepted = true;
    reply.match = reply.last_index = replica->core().last_index();
    replica->on_message(now, NodeId(peer), raft::Message(reply));
    replica->carry_out(now);
  }
  void answer_heartbeats(std::uint64_t peer) {
    replica->on_message(now, NodeId(peer), raft::Message(raft::HeartbeatReply{replica->core().term(), 0}));
    replica->carry_out(now);
    pass(milliseconds(60));
    replica->on_message(now, NodeId(peer), raft::Message(raft::HeartbeatReply{replica->core().term(), 0}));
    replica->carry_out(now);
  }

  raft::HardState hard_state;
  bool lease_reads = false;
  Index applied;
  raft::Instant now{std::chrono::seconds(100)};
  FakeLog log;
  FakeState state;
  FakeTransport transport;
  FakeSnapshots snapshots;
  CountingProbe probe;
  ReplicaOptions options;
  raft::StorageIds storage_ids;
  std::unique_ptr<Replica> replica;
  std::map<std::uint64_t, WriteResult> writes;
  milliseconds patience{1000};  // of writes
  std::uint64_t revision = 0;
};

}  // namespace tenaz::server
