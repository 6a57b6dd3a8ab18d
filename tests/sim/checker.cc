#include "tests/sim/checker.h"

#include <algorithm>
#include <set>

#include "storage/command.h"
#include "tests/sim/disk.h"
#include "tests/sim/in_force.h"

namespace tenaz::sim {
namespace {

std::uint64_t content_of(const raft::Entry& entry) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const char c : *entry.payload) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return mix(h ^ static_cast<std::uint64_t>(entry.kind));
}

bool same(const storage::CommandResult& a, const storage::CommandResult& b) {
  return a.code == b.code && a.revision == b.revision && a.create_revision == b.create_revision &&
         a.mod_revision == b.mod_revision && a.version == b.version && a.deleted == b.deleted;
}

std::string text_of(const std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>& origin) {
  return "the write " + std::to_string(std::get<2>(origin)) + " of n" + std::to_string(std::get<0>(origin));
}

std::string text_of(raft::Index index) {
  return "entry " + std::to_string(index.value);
}

}  // namespace

void Checker::hard_state_written(std::size_t node, const raft::HardState& before, const raft::HardState& after) {
  if (after.term < before.term) fail(node, "the term on disk goes back");
  if (after.term == before.term && before.vote && after.vote != before.vote)
    fail(node, "the vote on disk changes within term " + std::to_string(after.term.value));
  remembered_[node] = std::max(remembered_[node], after.promise);
}

void Checker::entry_written(std::size_t node, const raft::Entry& entry, raft::Term term_before) {
  if (entry.term < term_before) fail(node, "terms fall in the log at " + text_of(entry.index));
  const std::uint64_t content = mix(content_of(entry) + term_before.value);
  const auto [found, fresh] = entries_.emplace((entry.index.value << 24) + entry.term.value, content);
  if (!fresh && found->second != content)
    fail(node, "logs do not match: " + text_of(entry.index) + " of term " + std::to_string(entry.term.value) +
                   " differs between nodes");
}

void Checker::sends(std::size_t node, std::size_t to, const server::PeerMessage& message) {
  const auto* raft_message = std::get_if<raft::Message>(&message);
  if (!raft_message) return;
  const raft::HardState& durable = disks_[node]->hard_state;
  const auto promises_in = [&](raft::Term term) { promised_[node] = std::max(promised_[node], term); };
  if (const auto* vote = std::get_if<raft::VoteReply>(raft_message); vote && vote->granted && !vote->pre_vote) {
    const auto [found, fresh] = votes_.emplace(std::pair(vote->campaign_term, node), to);
    if (!fresh && found->second != to)
      fail(node, "grants a second vote in term " + std::to_string(vote->campaign_term.value));
    promises_in(vote->campaign_term);
    // A vote may leave late, when the voter is already further: then it only has to have been durable once.
    if (durable.term < vote->campaign_term || (durable.term == vote->campaign_term && durable.vote != node_id(to)))
      fail(node, "says that it granted a vote which is not durable");
  } else if (const auto* append = std::get_if<raft::AppendReply>(raft_message); append && append->accepted) {
    if (append->match > disks_[node]->last_index() && durable.term <= append->term)
      fail(node, "acknowledges " + text_of(append->match) + " which is not durable");
    if (durable.term < append->term) fail(node, "acknowledges in a term that is not durable");
    promises_in(append->term);
  } else if (const auto* beat = std::get_if<raft::HeartbeatReply>(raft_message)) {
    // A leader counts on it not to go back to an earlier term.
    if (beat->round != 0 && durable.term < beat->term) fail(node, "answers a heartbeat in a term that is not durable");
    if (beat->round != 0) promises_in(beat->term);
    // An answer may leave when what it promised is over, and forgotten: it has to have been durable once.
    if (remembered_[node] < beat->promise) fail(node, "makes a promise that it would not remember");
  }
}

void Checker::reads_by_lease(std::size_t node, raft::Term term, raft::Instant judged) {
  const auto next = elected_.upper_bound(term);
  if (next != elected_.end() && next->second <= judged)
    fail(node, "answers by its lease of term " + std::to_string(term.value) + ", but " +
                   node_name(leaders_.at(next->first)) + " leads term " + std::to_string(next->first.value));
}

void Checker::starts(std::size_t node, raft::Term term) {
  if (term < promised_[node])
    fail(node, "starts in term " + std::to_string(term.value) + ", but has promised something in term " +
                   std::to_string(promised_[node].value));
  seen_[node] = {};
}

void Checker::writes(std::size_t node, const raft::Persist& write) {
  if (write.entries.empty()) return;
  Seen& seen = seen_[node];
  seen.overwrote |= write.entries.front().index <= seen.written;
  seen.written = write.entries.back().index;
  for (const raft::Entry& entry : write.entries) {
    if (entry.kind != raft::EntryKind::noop) continue;
    seen.noop_term = entry.term;
    seen.noop = entry.index;
  }
}

void Checker::replica_state(std::size_t node, const raft::Core& core) {
  Seen& seen = seen_[node];
  const raft::Term term = core.term();
  const bool leads = core.role() == raft::Role::leader;
  if (term < seen.term) fail(node, "its term goes back");
  if (core.commit() < seen.commit) fail(node, "its commit index goes back");
  const bool leads_on = seen.leads && leads && seen.term == term;
  if (leads_on && seen.overwrote) fail(node, "leads and overwrites its own log");
  if (leads_on && core.configuration_index() != seen.configuration) changes_one_at_a_time(node, core);
  seen.leads = leads;
  seen.overwrote = false;
  seen.term = term;
  seen.commit = core.commit();
  seen.configuration = core.configuration_index();
  if (!leads) return;
  const bool fresh = led_[node] != term;
  led_[node] = term;
  if (fresh) new_leader(node, core);
  if (core.commit() > majority_checked()) commits(node, core, fresh);
}

// What a leader commits ends with an entry of its own term; what a fresh one knows may be its predecessors' doing.
void Checker::commits(std::size_t node, const raft::Core& core, bool fresh) {
  const raft::Index commit = core.commit();
  const raft::Term term = core.term();
  const std::optional<raft::Term> entry_term = fresh ? disks_[node]->term(commit) : term;
  if (!entry_term || !held_by_some_quorum(core, commit, *entry_term, fresh))
    fail(node, "takes " + text_of(commit) + " as committed, which no majority holds with its term " +
                   std::to_string(entry_term.value_or(term).value));
  committed_in_.resize(commit.value, entry_term == term ? term : term.previous());
}

void Checker::new_leader(std::size_t node, const raft::Core& core) {
  const raft::Term term = core.term();
  const auto [found, fresh] = leaders_.emplace(term, node);
  if (!fresh) {
    if (found->second != node) fail(node, "a second leader of term " + std::to_string(term.value));
    return;
  }
  elected_.emplace(term, world_.now());
  const Disk& disk = *disks_[node];
  if (disk.hard_state.term != term || disk.hard_state.vote != node_id(node))
    fail(node, "leads without a durable vote for itself");
  // Its own vote was never sent; those of others are known from what they said.
  std::set<std::size_t> votes = {node};
  for (auto vote = votes_.lower_bound({term, 0}); vote != votes_.end() && vote->first.first == term; ++vote)
    if (vote->second == node) votes.insert(vote->first.second);
  if (!is_quorum(core.configuration(), [&votes](std::size_t voter) { return votes.contains(voter); }))
    fail(node, "leads in term " + std::to_string(term.value) + " without a majority of votes");
  // Only what was committed in earlier terms: this leader may be late, and others further.
  const auto later = std::lower_bound(committed_in_.begin(), committed_in_.end(), term);
  const raft::Index committed(static_cast<std::uint64_t>(later - committed_in_.begin()));
  if (core.last_index() < committed) fail(node, "leads without " + text_of(committed) + ", which is committed");
  const raft::Index both = std::min({disk.last_index(), committed, highest_applied()});
  if (both > disk.base && *disk.term(both) != committed_[both.value - 1].term)
    fail(node, "leads with another " + text_of(both) + " than the committed one");
}

void Checker::disk_is_lost(std::size_t node) {
  lost_.emplace_back(node, std::make_shared<const Disk>(*disks_[node]));
  promised_[node] = {};
}

void Checker::applies(std::size_t node, const raft::Entry& entry) {
  if (disks_[node]->term(entry.index) != entry.term)
    fail(node, "applies " + text_of(entry.index) + " that is not durable in its own log");
  const std::uint64_t content = content_of(entry);
  if (entry.index.value == committed_.size() + 1) {
    committed_.push_back({entry.term, content, std::nullopt});
    if (entry.kind == raft::EntryKind::configuration) configuration_committed(node, entry);
    if (entry.kind != raft::EntryKind::commands) return;
    if (const auto batch = storage::parse_payload(*entry.payload))
      for (const auto& command : batch->commands()) {
        const storage::Revision before = truth_.revision;
        truth_.apply(command);
        if (truth_.revision != before) digests_.push_back(truth_.digest);
      }
  } else if (entry.index.value > committed_.size()) {
    fail(node, "applies " + text_of(entry.index) + " before anyone applied the one before");
  } else if (const Applied& known = committed_[entry.index.value - 1];
             known.term != entry.term || known.content != content) {
    fail(node, "applies another " + text_of(entry.index) + " than was committed");
  }
}

void Checker::applied_command(std::size_t node, raft::Index index, std::size_t position,
                              const storage::pb::Command& command, const storage::CommandResult& result) {
  const Origin origin(command.origin().node(), command.origin().boot(), command.origin().sequence());
  if (command.origin().sequence() == 0) return;  // a leader's own: nobody waits for it
  const auto [found, fresh] = commands_.try_emplace(origin, Command{index, position, result});
  if (fresh) return;
  if (found->second.index != index || found->second.position != position)
    fail(node, text_of(origin) + " is applied twice: in " + text_of(found->second.index) + " and " + text_of(index));
  else if (!same(found->second.result, result))
    fail(node, text_of(origin) + " has another result than on other nodes");
}

void Checker::applied_state(std::size_t node, const KvState& state) {
  if (state.applied.value > committed_.size()) return fail(node, "a state is ahead of all that was committed");
  if (!state.applied) return;
  if (state.revision && (state.revision.value > digests_.size() || digests_[state.revision.value - 1] != state.digest))
    fail(node, "the state at revision " + std::to_string(state.revision.value) + " is not what was written");
  std::optional<std::uint64_t>& known = committed_[state.applied.value - 1].digest;
  const std::uint64_t digest = mix(state.digest + mix(state.revision.value + mix(state.compact_revision.value)));
  if (!known)
    known = digest;
  else if (*known != digest)
    fail(node, "the state at " + text_of(state.applied) + " differs from that of other nodes");
}

void Checker::answered(const storage::CommandOrigin& origin, const server::WriteResult& result) {
  const Origin id(origin.node.value, origin.boot, origin.sequence);
  if (result.failure && !result.not_applied) return;
  if (!result.failure && !commands_.contains(id)) world_.fail(text_of(id) + " is answered before it is applied");
  answers_.push_back({id, !result.failure, result.result});
}

void Checker::read(std::size_t node, storage::Revision revision, const std::string& start, const std::string& end,
                   const KvState::Cells& cells) {
  if (revision > truth_.revision) return fail(node, "reads at a revision that nobody has reached");
  const KvState::Cells then = truth_.at(revision);
  auto it = then.lower_bound(start);
  const auto last = end.empty() ? then.end() : then.lower_bound(std::max(start, end));
  bool same = true;
  for (const auto& [key, cell] : cells) {
    same = same && it != last && it->first == key && it->second.value == cell.value &&
           it->second.mod_revision == cell.mod_revision && it->second.create_revision == cell.create_revision &&
           it->second.version == cell.version;
    if (it != last) ++it;
  }
  if (!same || it != last)
    fail(node, "[" + start + ", " + end + ") at revision " + std::to_string(revision.value) +
                   " is read otherwise than it was written");
}

const storage::CommandResult* Checker::result_of(const storage::CommandOrigin& origin) const {
  const auto found = commands_.find(Origin(origin.node.value, origin.boot, origin.sequence));
  return found == commands_.end() ? nullptr : &found->second.result;
}

void Checker::check_answers() {
  check_change_answers();
  for (const Answer& answer : answers_) {
    const auto found = commands_.find(answer.origin);
    if (answer.applied) {
      if (found == commands_.end())
        world_.fail(text_of(answer.origin) + " was acknowledged and is lost");
      else if (!same(found->second.result, answer.result))
        world_.fail(text_of(answer.origin) + " was answered with another result than it had");
    } else if (found != commands_.end()) {
      world_.fail(text_of(answer.origin) + " was called not_applied, yet " + text_of(found->second.index) +
                  " holds it");
    }
  }
}

}  // namespace tenaz::sim
