// One core alone, fed by hand: its disk, its outputs, and short ways to write down entries and messages.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "raft/core.h"
#include "tests/unit/raft/support/memory_log.h"

namespace tenaz::raft::test {

inline Entry entry(std::uint64_t index, std::uint64_t term, std::string bytes = "x") {
  return {Term{term}, Index{index}, EntryKind::commands, make_payload(std::move(bytes))};
}

inline AppendRequest append(std::uint64_t term, std::uint64_t prev, std::uint64_t prev_term, std::uint64_t commit,
                            std::vector<Entry> entries) {
  return {Term{term}, Index{prev}, Term{prev_term}, Index{commit}, 1, std::move(entries)};
}

// Node 1 of the given configuration.
class Solo {
 public:
  explicit Solo(const Configuration& configuration, HardState hard_state = {}, std::vector<Entry> log = {})
      : disk_(configuration) {
    disk_.write({WriteId{1}, hard_state, std::move(log)});
  }

  // Started at the first use, so that options and disk can be prepared.
  Core& core() {
    if (!core_) {
      Start start;
      start.self = NodeId{1};
      start.hard_state = disk_.hard_state();
      start.applied = disk_.first_index().previous();
      start.configuration = disk_.configuration();
      start.configuration_index = disk_.configuration_index();
      start.now = now;
      start.random = [](std::uint64_t) { return 0; };
      core_ = std::make_unique<Core>(options, start, disk_);
    }
    return *core_;
  }
  MemoryLog& disk() { return disk_; }

  Output step(std::uint64_t from, Message message) {
    core().step(now, NodeId{from}, std::move(message));
    return core().take_output();
  }
  // Its time is up.
  Output wake() {
    now = std::max(now, core().deadline());
    core().advance(now);
    return core().take_output();
  }
  Output persist(const Output& output) {
    disk_.write(*output.persist);
    core().persisted(now, output.persist->id);
    return core().take_output();
  }
  VoteReply grant(std::uint64_t term, bool pre_vote) const { return {Term{term}, Term{term}, pre_vote, true, {}}; }

  // Of three or more voters, 2 votes for it. Returns the output with the no-op.
  Output lead() {
    wake();
    const std::uint64_t term = core().term().value + 1;
    const Output standing = step(2, grant(term, true));
    step(2, grant(term, false));
    return persist(standing);
  }

  Options options;
  Instant now{std::chrono::hours(1)};

 private:
  MemoryLog disk_;
  std::unique_ptr<Core> core_;
};

// The messages of one kind, in order.
template <class Kind>
std::vector<Kind> all(const std::vector<Envelope>& envelopes) {
  std::vector<Kind> found;
  for (const Envelope& envelope : envelopes)
    if (const auto* message = std::get_if<Kind>(&envelope.message)) found.push_back(*message);
  return found;
}

}  // namespace tenaz::raft::test
