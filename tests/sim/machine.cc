#include "tests/sim/machine.h"

#include <algorithm>

#include "raft/describe.h"
#include "raft/membership.h"

namespace tenaz::sim {
namespace {

constexpr unsigned kIdleTicksMax = 1000;

}  // namespace

Machine::Process::Process(Machine& machine, std::uint32_t life)
    : log(
          machine.world_, machine.checker_, machine.random_, machine.scenario_, machine.disk_, machine.fate_,
          machine.node_, life,
          [&machine](raft::NodeId peer) { machine.identities_.distrust(machine.node_, node_of(peer)); },
          machine.stored_.get()),
      applier(machine.world_, machine.checker_, machine.random_, machine.scenario_, machine.disk_, log, machine.fate_,
              machine.node_, life, machine.stored_.get()) {}

Machine::Machine(World& world, Network& network, Identities& identities, Checker& checker, const Scenario& scenario,
                 std::size_t node, Peers peers, Counters& counters)
    : world_(world),
      network_(network),
      identities_(identities),
      checker_(checker),
      scenario_(scenario),
      node_(node),
      peers_(std::move(peers)),
      counters_(counters),
      random_(world.salted_seed(), 100 + node),
      fate_(world, node) {
  disk_.configuration = configuration_of_a_new_disk(scenario, node);
  // Machines were not switched on together.
  clock_ = Clock(world.now(), raft::Instant(seconds(1)) + random_.between(raft::Duration{}, seconds(100'000)));
  set_clock_rate(0);
  if (scenario.storage) stored_ = std::make_unique<StoredNode>(world, node, *scenario.storage);
  may_be_found_ = {disk_};
}

Machine::~Machine() = default;

Event Machine::event(EventKind kind) const {
  Event event{.life = life_, .kind = kind};
  event.node = static_cast<std::uint8_t>(node_);
  return event;
}

void Machine::start() {
  if (disk_.log_is_broken()) return world_.note(node_name(node_) + " does not start: its log is damaged");
  if (identities_.of(node_).fenced) return world_.note(node_name(node_) + " does not start: its disk is fenced");
  if (identities_.of(node_).retired) return world_.note(node_name(node_) + " does not start: it was removed");
  if (stored_ && !open_stored()) return;
  ++life_;
  fate_.process_begins(life_);
  paused_until_ = busy_until_ = world_.now();
  boot_ = random_.next() | 1;
  sequence_ = 0;
  identities_.started(node_, boot_);
  if (!disk_.state_is_missing()) return take_part();
  world_.note(node_name(node_) + " starts without its state");
  fetching_state_ = true;
  fetch_state();
}

void Machine::take_part() {
  world_.note(node_name(node_) + " starts: term " + std::to_string(disk_.hard_state.term.value) + " vote " +
              std::to_string(disk_.hard_state.vote.value) + " log (" + std::to_string(disk_.base.value) + ", " +
              std::to_string(disk_.last_index().value) + "] state " + std::to_string(disk_.state.applied.value));
  checker_.starts(node_, disk_.hard_state.term);
  process_ = std::make_unique<Process>(*this, life_);
  server::ReplicaStart start;
  start.self = node_id(node_);
  start.boot = boot_;
  start.hard_state = disk_.hard_state;
  start.configuration = disk_.configuration;
  start.configuration_index = disk_.configuration_index;
  start.applied = disk_.state.applied;
  start.revision = disk_.state.revision;
  start.now = local_now();
  start.random = [this](std::uint64_t bound) { return random_.below(bound); };
  start.wall_time_ms = [this] { return static_cast<std::uint64_t>(wall_ms_ + world_.since_start() / milliseconds(1)); };
  start.storage_ids = [this](raft::NodeId id) {
    const DiskIdentity& own = identities_.of(node_);
    if (id == node_id(node_)) return own.storage_id;
    const auto pin = own.pins.find(node_of(id));
    return pin == own.pins.end() ? std::string() : pin->second.storage_id;
  };
  process_->replica = std::make_unique<server::Replica>(
      scenario_.replica, start,
      server::Replica::Ports{process_->log, process_->applier, *this, *this, static_cast<server::Probe&>(*this)});
  if (state_damaged_) process_->applier.corrupt();
  network_.process_started(node_);
  process_->replica->introduce();
  if (joining()) seek_cluster();
  if (fate_.ends_at(Step::started)) return;
  attend();
}

void Machine::crash() {
  world_.note(node_name(node_) + (fate_.ended() ? " " + fate_.why() : " crashes"));
  ++counters_.crashes;
  ++life_;
  fetching_state_ = false;
  if (process_) {
    if (!stored_) process_->log.crash();
    // Found when it is next opened, if not before: whoever runs it moves the state away.
    loses_state_ |= process_->applier.corrupted() && (!stored_ || fate_.ended());
    if (stored_) lose_power();
    process_.reset();
    network_.process_died(node_);
  } else if (stored_) {
    lose_power();
  }
  if (!std::exchange(loses_state_, false)) return;
  disk_.state = {};
  state_damaged_ = false;
  if (!stored_) return;
  stored_->remove_state();
  for (Disk& disk : may_be_found_) {
    disk.state = {};
    disk.later.clear();
  }
}

void Machine::stop() {
  world_.note(node_name(node_) + " stops");
  process_->replica->stop(local_now());
  process_->replica->carry_out(local_now());
  inspect();
  if (process_->replica->waiting() != 0) world_.fail(node_name(node_) + ": somebody still waits after stop()");
  crash();
}

void Machine::empty_disk() {
  disk_ = {};
  disk_.configuration = configuration_of_a_new_disk(scenario_, node_);
  if (stored_) stored_->put_back(FileTree());
  may_be_found_ = {disk_};
  log_damaged_ = state_damaged_ = false;
  identities_.replace(node_);
}

void Machine::set_disk_low(bool low) {
  process_->replica->on_disk_low(local_now(), low);
  attend();
}

void Machine::set_clock_rate(std::int64_t ppm) {
  clock_.set_rate(world_.now(), scenario_.clock_ppm[node_] + ppm);
  if (process_ == nullptr) return;
  process_->tick_at = raft::Instant::max();
  schedule_tick();
}

void Machine::calm() {
  // Damage that nobody has met is found by whoever looks after the machine, and the state moved away.
  if (state_damaged_) {
    loses_state_ = true;
    crash();
  }
  paused_until_ = busy_until_ = world_.now();
  cpu_cost_ = {};
  fate_.disarm();
  set_clock_rate(0);
  if (!running()) return;
  // One that was put off to the end of a pause comes only then, though the pause is over now.
  process_->carry_out_posted = false;
  process_->log.recover();
  process_->applier.slow_down({});
  set_disk_low(false);
}

void Machine::handle(const Event& event) {
  if (event.life != life_) return;
  if (event.kind == EventKind::state_wanted) return running() ? seek_cluster() : fetch_state();
  if (!running()) return;
  server::Replica& replica = *process_->replica;
  const raft::Instant now = local_now();
  switch (event.kind) {
    case EventKind::persisted:
      replica.on_persisted(now, raft::WriteId(event.number));
      if (fate_.ends_at(Step::reported)) return;
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
    case EventKind::installed:
      installed();
      break;
    case EventKind::install_failed:
      process_->installing.reset();
      replica.on_install_failed(now);
      break;
    case EventKind::install_fetched:
      return fetched_piece();
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
  process_->replica->on_message(local_now(), node_id(from), std::move(message));
  attend();
}

void Machine::attend() {
  if (cpu_cost_ > raft::Duration{}) busy_until_ = world_.now() + random_.between(raft::Duration{}, cpu_cost_);
  asked_at_ = std::min(asked_at_, world_.now());
  if (process_->carry_out_posted || fate_.ended()) return;
  if (random_.chance(750)) return carry_out();
  process_->carry_out_posted = true;
  world_.post(random_.between(raft::Duration{}, microseconds(300)), event(EventKind::carry_out));
}

void Machine::carry_out() {
  process_->replica->carry_out(local_now());
  asked_at_ = raft::Instant::max();
  inspect();
  if (process_->replica->removed()) note_removal("by its own log");
  schedule_tick();
  // The reader of a broken block stops the process.
  if (disk_.broken_found) fate_.end("stops: its log is damaged");
}

void Machine::inspect() {
  if (fate_.ended()) return;
  const raft::Core& core = process_->replica->core();
  checker_.replica_state(node_, core);
}

void Machine::schedule_tick() {
  const raft::Instant due = process_->replica->deadline();
  if (due >= process_->tick_at) return;
  process_->tick_at = due;
  world_.post_at(clock_.when(due), event(EventKind::tick));
}

void Machine::tick() {
  const raft::Instant now = local_now();
  if (now < process_->tick_at) return;  // an earlier one has taken its place, or the clock runs otherwise now
  process_->tick_at = raft::Instant::max();
  if (process_->replica->deadline() <= now) {
    process_->replica->tick(now);
    process_->replica->carry_out(now);
    if (process_->replica->deadline() > now)
      process_->idle_ticks = 0;
    else if (++process_->idle_ticks > kIdleTicksMax)
      world_.fail(node_name(node_) + ": the deadline stays in the past");
  }
  carry_out();
}

bool Machine::send(raft::NodeId to, server::PeerMessage message) {
  const std::size_t peer = node_of(to);
  if (peer == node_ || peer >= scenario_.machines()) {
    world_.fail(node_name(node_) + ": sends to n" + std::to_string(to.value));
    return false;
  }
  if (fate_.ends_at(Step::sending)) return true;
  checker_.sends(node_, peer, message);
  return network_.send(node_, peer, std::move(message));
}

void Machine::role_changed(raft::Role role, raft::Term term) {
  world_.note(node_name(node_) + " is " + raft::to_string(role) + " of term " + std::to_string(term.value));
  world_.remember(node_ * 1000 + static_cast<std::uint64_t>(role) * 100 + term.value);
}

void Machine::lease_reads(std::size_t reads) {
  counters_.lease_reads += reads;
  checker_.reads_by_lease(node_, process_->replica->core().term(), std::min(asked_at_, world_.now()));
}

void Machine::peer_rolled_back(raft::NodeId peer) {
  world_.note(node_name(node_) + " takes " + node_name(node_of(peer)) + "'s disk as rolled back");
  if (!peers_(node_of(peer)).written_off())
    world_.fail(node_name(node_) + ": takes the disk of " + node_name(node_of(peer)) +
                " as rolled back, which is whole");
}

void Machine::election_started(raft::Term, bool) {
  ++counters_.elections;
}

}  // namespace tenaz::sim
