// Images of the state: made for others, fetched piece by piece and put in force, and what a node does that has lost its
// state. Models of server/host_state.cc and snapshot_*.cc, which work with files and sockets.
#include <algorithm>

#include "raft/membership.h"
#include "raft/named.h"
#include "tests/sim/machine.h"

namespace tenaz::sim {
namespace {

constexpr std::size_t kImagesKept = 4;
// As the fetcher of images has them.
constexpr raft::Duration kGiveUp = seconds(60);
constexpr raft::Duration kGiveUpHurried = seconds(2);
constexpr raft::Duration kAskAgain = milliseconds(100);

}  // namespace

void Machine::make_image(raft::NodeId peer) {
  Event made = event(EventKind::image);
  made.number = peer.value;
  world_.post(random_.between(milliseconds(1), milliseconds(200)), made);
}

void Machine::image_made(raft::NodeId peer) {
  if (state_damaged_ || random_.chance(scenario_.disk.no_image_in_thousand))
    return process_->replica->on_image(local_now(), peer, {}, {}, {});
  ++counters_.images;
  const KvState& state = process_->applier.state();
  const std::string id = node_name(node_) + "-" + std::to_string(boot_) + "-" + std::to_string(++images_made_);
  process_->images.emplace(id, state);
  process_->image_order.emplace_back(peer, id);
  if (process_->image_order.size() > kImagesKept) {
    process_->images.erase(process_->image_order.front().second);
    if (stored_) stored_->drop_image(process_->image_order.front().second);
    process_->image_order.pop_front();
  }
  if (stored_) {
    const auto made = stored_->make_image(id);
    if (!made) return process_->applier.storage_failed(made.error());
    if (*made != state.applied) return world_.fail(node_name(node_) + ": the image stands at another index");
    process_->applier.see_durable();
  }
  if (fate_.ends_at(Step::image_made)) return;
  process_->replica->on_image(local_now(), peer, state.applied, state.term, id);
}

void Machine::install(const raft::Output::Install& install) {
  if (fate_.ended()) return;
  world_.note(node_name(node_) + " fetches a snapshot at " + std::to_string(install.meta.index.value));
  if (process_->installing) world_.fail(node_name(node_) + ": installs two snapshots at once");
  process_->installing = install;
  process_->pieces_missing = scenario_.disk.fetch_pieces;
  process_->give_up_at = world_.now() + kGiveUp;
  world_.post(piece_time(), event(EventKind::install_fetched));
}

raft::Duration Machine::piece_time() {
  const auto pieces = static_cast<std::int64_t>(scenario_.disk.fetch_pieces);
  return random_.between(milliseconds(1) / pieces, scenario_.disk.fetch_max / pieces);
}

void Machine::hurry() {
  process_->give_up_at = std::min(process_->give_up_at, world_.now() + kGiveUpHurried);
}

// A fetcher goes on asking a source that does not answer, as it would over a connection that may come back; what it has
// is not fetched again.
void Machine::fetched_piece() {
  const raft::Output::Install& install = *process_->installing;
  Machine& source = peers_(node_of(install.from));
  const bool reachable = source.running() && !source.paused() && reaches(source);
  if (!reachable && world_.now() < process_->give_up_at)
    return world_.post(kAskAgain, event(EventKind::install_fetched));
  const KvState* image = nullptr;
  if (reachable) {
    const auto found = source.process_->images.find(install.snapshot_id);
    if (found != source.process_->images.end()) image = &found->second;
  }
  if (!image) {
    if (stored_) stored_->stop_receiving();
    world_.note(node_name(node_) + " cannot fetch the snapshot");
    world_.post(random_.between(raft::Duration{}, milliseconds(1)), event(EventKind::install_failed));
    return;
  }
  if (fate_.ends_at(Step::piece_fetched)) return;
  const bool last = --process_->pieces_missing == 0;
  if (stored_ && !receive_stored(source, install.snapshot_id, last)) return;
  if (!last) return world_.post(piece_time(), event(EventKind::install_fetched));
  if (image->applied != install.meta.index || image->term != install.meta.term)
    world_.fail(node_name(node_) + ": the image is not what was announced");
  if (fate_.ends_at(Step::image_fetched)) return;
  process_->applier.install(install.meta, *image);
}

void Machine::installed() {
  ++counters_.installs;
  const raft::SnapshotMeta& meta = process_->applier.installed();
  process_->installing.reset();
  state_damaged_ = false;
  world_.note(node_name(node_) + " installed a snapshot at " + std::to_string(meta.index.value));
  process_->replica->on_installed(local_now(), meta, process_->applier.state().revision);
}

// As Host::fetch_state: a state that stands before the log's beginning cannot be brought on by the own log. Until some
// other node has given it one, this node takes no part in anything.
void Machine::fetch_state() {
  if (!fetching_state_) return;
  // Host::next_source: one of those whom the log names, or who calls.
  std::vector<raft::Member> named = raft::members_named(disk_, disk_.configuration);
  for (std::size_t node = 0; node < scenario_.machines(); ++node)
    if (peers_(node).calls(node_)) named.push_back({node_id(node), "", "", "", ""});
  const std::size_t source = named.empty() ? node_ : node_of(random_.one_of(named).id);
  if (!paused() && source != node_ && restore_state_from(peers_(source))) {
    fetching_state_ = false;
    ++counters_.states_restored;
    if (fate_.ends_at(Step::state_restored)) return;
    return take_part();
  }
  world_.post(random_.between(milliseconds(10), milliseconds(500)), event(EventKind::state_wanted));
}

bool Machine::calls(std::size_t other) const {
  if (!running() || paused()) return false;
  const raft::Core& core = process_->replica->core();
  return core.role() == raft::Role::leader && raft::find_member(core.configuration(), node_id(other)) != nullptr;
}

// As RaftLog::replace_state: a log that holds the very entry where the state stands agrees with the others up to there,
// and stays as it is; any other ends before, or went another way.
bool Machine::restore_state_from(Machine& source) {
  if (!source.running() || source.paused() || source.state_damaged_ || !network_.both_ways(source.node_, node_))
    return false;
  if (network_.admission().judge(source.node_, node_, false) == Admission::Verdict::removed) {
    identities_.retire(node_);
    return false;
  }
  const KvState& state = source.state();
  if (state.applied < disk_.base) return false;
  if (disk_.term(state.applied) != state.term) {
    const auto [configuration, index] = source.replica().core().configuration_at(state.applied);
    disk_.log.clear();
    disk_.base = state.applied;
    disk_.base_term = state.term;
    disk_.configuration = configuration;
    disk_.configuration_index = index;
    if (disk_.hard_state.term < state.term) disk_.hard_state = {state.term, {}, disk_.hard_state.promise};
  }
  disk_.state = state;
  disk_.later.clear();
  if (stored_ && !restore_stored(source, {state.applied, state.term, disk_.configuration, disk_.configuration_index}))
    return false;
  world_.note(node_name(node_) + " has got a state at " + std::to_string(state.applied.value) + " from " +
              node_name(source.node_));
  return true;
}

}  // namespace tenaz::sim
