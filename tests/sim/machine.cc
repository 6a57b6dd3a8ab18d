#include "tests/sim/machine.h"

#include <algorithm>

#include "raft/describe.h"
#include "raft/membership.h"

namespace tenaz::sim {
namespace {

constexpr std::size_t kImagesKept = 4;
constexpr unsigned kIdleTicksMax = 1000;
// As the fetcher of images has them.
constexpr raft::Duration kGiveUp = seconds(60);
constexpr raft::Duration kGiveUpHurried = seconds(2);
constexpr raft::Duration kAskAgain = milliseconds(100);

raft::Configuration founders(std::size_t nodes) {
  std::vector<raft::Member> members;
  for (std::size_t node = 0; node < nodes; ++node) members.push_back({node_id(node), node_name(node), {}, {}, {}});
  return raft::founding_configuration(std::move(members));
}

}  // namespace

Machine::Process::Process(Machine& machine, std::uint32_t life)
    : log(machine.world_, machine.checker_, machine.random_, machine.scenario_, machine.disk_, machine.node_, life),
      applier(machine.world_, machine.checker_, machine.random_, machine.scenario_, machine.disk_, log, machine.node_,
              life) {}

Machine::Machine(World& world, Network& network, Checker& checker, const Scenario& scenario, std::size_t node,
                 Peers peers, Counters& counters)
    : world_(world),
      network_(network),
      checker_(checker),
      scenario_(scenario),
      node_(node),
      peers_(std::move(peers)),
      counters_(counters),
      random_(world.seed(), 100 + node) {
  disk_.configuration = founders(scenario.nodes);
}

Machine::~Machine() = default;

Event Machine::event(EventKind kind) const {
  Event event{.life = life_, .kind = kind};
  event.node = static_cast<std::uint8_t>(node_);
  return event;
}

void Machine::start() {
  ++life_;
  boot_ = random_.next() | 1;
  sequence_ = 0;
  paused_until_ = world_.now();
  world_.note(node_name(node_) + " starts: term " + std::to_string(disk_.hard_state.term.value) + " vote " +
              std::to_string(disk_.hard_state.vote.value) + " log (" + std::to_string(disk_.base.value) + ", " +
              std::to_string(disk_.last_index().value) + "] state " + std::to_string(disk_.state.applied.value));
  process_ = std::make_unique<Process>(*this, life_);
  server::ReplicaStart start;
  start.self = node_id(node_);
  start.boot = boot_;
  start.hard_state = disk_.hard_state;
  start.configuration = disk_.configuration;
  start.configuration_index = disk_.configuration_index;
  start.applied = disk_.state.applied;
  start.revision = disk_.state.revision;
  start.now = world_.now();
  start.random = [this](std::uint64_t bound) { return random_.below(bound); };
  start.wall_time_ms = [] { return std::uint64_t{0}; };
  process_->replica = std::make_unique<server::Replica>(
      scenario_.replica, start,
      server::Replica::Ports{process_->log, process_->applier, *this, *this, static_cast<server::Probe&>(*this)});
  network_.process_started(node_);
  attend();
}

void Machine::crash() {
  world_.note(node_name(node_) + " crashes");
  ++counters_.crashes;
  process_->log.crash();
  process_.reset();
  ++life_;
  network_.process_died(node_);
}

void Machine::stop() {
  world_.note(node_name(node_) + " stops");
  process_->replica->stop(world_.now());
  process_->replica->carry_out(world_.now());
  inspect();
  if (process_->replica->waiting() != 0) world_.fail(node_name(node_) + ": somebody still waits after stop()");
  crash();
}

void Machine::stall_disk(raft::Instant until) {
  world_.note(node_name(node_) + " disk stalls");
  process_->log.stall(until);
}

void Machine::set_disk_low(bool low) {
  process_->replica->on_disk_low(world_.now(), low);
  attend();
}

void Machine::handle(const Event& event) {
  if (!running() || event.life != life_) return;
  server::Replica& replica = *process_->replica;
  const raft::Instant now = world_.now();
  switch (event.kind) {
    case EventKind::persisted:
      replica.on_persisted(now, raft::WriteId(event.number));
      break;
    case EventKind::log_compacted:
      replica.on_log_compacted(now, raft::Index(event.number));
      break;
    case EventKind::applied:
      replica.on_applied(now, process_->applier.take_outcome(event.slot));
      break;
    case EventKind::durable_state:
      replica.on_durable_state(now, raft::Index(event.number));
      break;
    case EventKind::image:
      image_made(raft::NodeId(event.number));
      break;
    case EventKind::installed: {
      ++counters_.installs;
      const raft::SnapshotMeta& meta = process_->applier.installed();
      process_->installing.reset();
      world_.note(node_name(node_) + " installed a snapshot at " + std::to_string(meta.index.value));
      replica.on_installed(now, meta, process_->applier.state().revision);
      break;
    }
    case EventKind::install_failed:
      process_->installing.reset();
      replica.on_install_failed(now);
      break;
    case EventKind::install_fetched:
      return fetched();
    case EventKind::tick:
      return tick();
    case EventKind::carry_out:
      process_->carry_out_posted = false;
      return carry_out();
    case EventKind::log_synced:
      return process_->log.synced();
    case EventKind::apply_step:
      return process_->applier.step();
    case EventKind::flush_begun:
      return process_->applier.begin_flush();
    case EventKind::flush_done:
      return process_->applier.end_flush();
    default:
      return;
  }
  attend();
}

void Machine::receive(std::size_t from, server::PeerMessage message) {
  if (!running()) return;
  process_->replica->on_message(world_.now(), node_id(from), std::move(message));
  attend();
}

void Machine::attend() {
  if (process_->carry_out_posted) return;
  if (random_.chance(750)) return carry_out();
  process_->carry_out_posted = true;
  world_.post(random_.between(raft::Duration{}, microseconds(300)), event(EventKind::carry_out));
}

void Machine::carry_out() {
  process_->replica->carry_out(world_.now());
  inspect();
  schedule_tick();
}

void Machine::inspect() {
  const raft::Core& core = process_->replica->core();
  checker_.replica_state(node_, core.role(), core.term(), core.commit(), core.last_index());
}

void Machine::schedule_tick() {
  const raft::Instant due = process_->replica->deadline();
  if (due >= process_->tick_at) return;
  process_->tick_at = due;
  world_.post_at(due, event(EventKind::tick));
}

void Machine::tick() {
  if (world_.now() < process_->tick_at) return;  // an earlier one has taken its place
  process_->tick_at = raft::Instant::max();
  const raft::Instant due = process_->replica->deadline();
  if (due <= world_.now()) {
    process_->replica->tick(world_.now());
    process_->replica->carry_out(world_.now());
    if (process_->replica->deadline() > world_.now())
      process_->idle_ticks = 0;
    else if (++process_->idle_ticks > kIdleTicksMax)
      world_.fail(node_name(node_) + ": the deadline stays in the past");
  }
  carry_out();
}

bool Machine::send(raft::NodeId to, server::PeerMessage message) {
  const std::size_t peer = node_of(to);
  if (peer == node_ || peer >= scenario_.nodes) {
    world_.fail(node_name(node_) + ": sends to n" + std::to_string(to.value));
    return false;
  }
  checker_.sends(node_, peer, message);
  return network_.send(node_, peer, std::move(message));
}

void Machine::make_image(raft::NodeId peer) {
  Event made = event(EventKind::image);
  made.number = peer.value;
  world_.post(random_.between(milliseconds(1), milliseconds(200)), made);
}

void Machine::image_made(raft::NodeId peer) {
  if (random_.chance(scenario_.disk.no_image_in_thousand))
    return process_->replica->on_image(world_.now(), peer, {}, {}, {});
  ++counters_.images;
  const KvState& state = process_->applier.state();
  const std::string id = node_name(node_) + "-" + std::to_string(boot_) + "-" + std::to_string(++images_made_);
  process_->images.emplace(id, state);
  process_->image_order.emplace_back(peer, id);
  if (process_->image_order.size() > kImagesKept) {
    process_->images.erase(process_->image_order.front().second);
    process_->image_order.pop_front();
  }
  process_->replica->on_image(world_.now(), peer, state.applied, state.term, id);
}

void Machine::install(const raft::Output::Install& install) {
  world_.note(node_name(node_) + " fetches a snapshot at " + std::to_string(install.meta.index.value));
  if (process_->installing) world_.fail(node_name(node_) + ": installs two snapshots at once");
  process_->installing = install;
  process_->give_up_at = world_.now() + kGiveUp;
  world_.post(random_.between(milliseconds(1), scenario_.disk.fetch_max), event(EventKind::install_fetched));
}

void Machine::hurry() {
  process_->give_up_at = std::min(process_->give_up_at, world_.now() + kGiveUpHurried);
}

// A fetcher goes on asking a source that does not answer, as it would over a connection that may come back.
void Machine::fetched() {
  const raft::Output::Install& install = *process_->installing;
  const std::size_t from = node_of(install.from);
  Machine& source = peers_(from);
  const bool reachable = source.running() && !network_.is_cut(from, node_) && !network_.is_cut(node_, from);
  if (!reachable && world_.now() < process_->give_up_at)
    return world_.post(kAskAgain, event(EventKind::install_fetched));
  const KvState* image = nullptr;
  if (reachable) {
    const auto found = source.process_->images.find(install.snapshot_id);
    if (found != source.process_->images.end()) image = &found->second;
  }
  if (!image) {
    world_.post(random_.between(raft::Duration{}, milliseconds(1)), event(EventKind::install_failed));
    return;
  }
  if (image->applied != install.meta.index || image->term != install.meta.term)
    world_.fail(node_name(node_) + ": the image is not what was announced");
  process_->applier.install(install.meta, *image);
}

void Machine::role_changed(raft::Role role, raft::Term term) {
  world_.note(node_name(node_) + " is " + raft::to_string(role) + " of term " + std::to_string(term.value));
  world_.remember(node_ * 1000 + static_cast<std::uint64_t>(role) * 100 + term.value);
}

// No disk here ever loses what was synced.
void Machine::peer_rolled_back(raft::NodeId peer) {
  world_.fail(node_name(node_) + ": takes n" + std::to_string(peer.value) + "'s disk as rolled back");
}

void Machine::election_started(raft::Term, bool) {
  ++counters_.elections;
}

}  // namespace tenaz::sim
