#include "tests/sim/clients.h"

#include <algorithm>
#include <optional>

namespace tenaz::sim {
namespace {

constexpr std::uint64_t kProbeClient = 1000;
constexpr std::size_t kMaxOpen = 64;
// Deadlines are rounded up by the replica, and its loop takes a moment, on a busy processor a longer one.
constexpr raft::Duration kLateness = seconds(1);

}  // namespace

Clients::Clients(World& world, Checker& checker, const Scenario& scenario,
                 std::vector<std::unique_ptr<Machine>>& machines)
    : world_(world),
      checker_(checker),
      scenario_(scenario),
      machines_(machines),
      random_(world.salted_seed(), 3),
      call_interval_max_(scenario.call_interval_max),
      last_mod_(scenario.keys) {}

void Clients::start() {
  next();
}

void Clients::next() {
  world_.post(random_.between(microseconds(100), call_interval_max_), Event{.kind = EventKind::client});
}

void Clients::act(const Event&) {
  if (stopped_) return;
  next();
  if (open_ >= kMaxOpen) return;
  // Nobody listens where no process runs: the next address is tried.
  const std::size_t first = static_cast<std::size_t>(random_.below(scenario_.machines()));
  for (std::size_t i = 0; i < scenario_.machines(); ++i) {
    const std::size_t node = (first + i) % scenario_.machines();
    if (machines_[node]->serves()) return call(node);
  }
}

std::size_t Clients::open(Call call) {
  call.life = machines_[call.node]->life();
  call.operation.called = now();
  calls_.push_back(std::move(call));
  ++open_;
  arm_check(calls_.size() - 1);
  return calls_.size() - 1;
}

void Clients::arm_check(std::size_t index) {
  const Call& call = calls_[index];
  const Machine& machine = *machines_[call.node];
  Event event{.number = index, .kind = EventKind::call_check};
  const raft::Instant due = std::max(machine.true_time(call.deadline), machine.busy_until()) + kLateness;
  world_.post_at(std::max(due, world_.now() + milliseconds(10)), event);
}

Clients::What Clients::choose(std::uint64_t of_thousand) {
  struct Share {
    std::uint64_t in_thousand;
    What what;
  };
  static constexpr Share kShares[] = {{520, What::write}, {30, What::range_delete}, {5, What::compact},
                                      {270, What::get},   {60, What::list},         {40, What::local},
                                      {60, What::past},   {15, What::status}};
  for (const Share& share : kShares) {
    if (of_thousand < share.in_thousand) return share.what;
    of_thousand -= share.in_thousand;
  }
  return What::get;
}

void Clients::call(std::size_t node) {
  Call call;
  call.node = node;
  call.operation.client = operations_++;
  Machine& machine = *machines_[node];
  call.deadline = machine.local_now() + random_.between(milliseconds(50), milliseconds(4000));
  call.operation.key = key(random_.below(scenario_.keys));
  call.what = choose(random_.below(1000));
  if (call.what == What::status) {
    (void)machine.replica().status(machine.local_now());
    return;
  }
  if (call.what == What::list || call.what == What::past || call.what == What::range_delete)
    call.range_end = random_.chance(500) ? key(random_.below(scenario_.keys)) : "";
  if (call.what == What::local) call.wanted = highest_seen_ + random_.below(2);
  if (call.what == What::past) call.wanted = storage::Revision(random_.below(highest_seen_.value + 1));
  const std::size_t index = open(std::move(call));
  if (random_.chance(100)) {
    Event event{.number = index, .kind = EventKind::give_up};
    world_.post(random_.between(raft::Duration{}, milliseconds(500)), event);
  }
  ask(index);
  machine.attend();
}

void Clients::ask(std::size_t index) {
  Call& call = calls_[index];
  Machine& machine = *machines_[call.node];
  const raft::Instant now = machine.local_now();
  const auto done = [this, index](const server::ReadResult& result) { read_answered(index, result); };
  switch (call.what) {
    case What::get:
    case What::list:
      return machine.replica().read_index(now, call.deadline, done);
    case What::local:
    case What::past:
      return machine.replica().wait_revision(now, call.wanted, call.deadline, done);
    default:
      storage::pb::Command command;
      fill_write(call, command);
      send_write(index, std::move(command));
  }
}

void Clients::guard(Call& call, storage::pb::Condition& condition) {
  model::Operation& operation = call.operation;
  switch (random_.below(6)) {
    case 0:
      operation.guard = model::Guard::must_exist;
      condition.set_must_exist(true);
      break;
    case 1:
      operation.guard = model::Guard::must_not_exist;
      condition.set_must_not_exist(true);
      break;
    case 2:
    case 3:
      operation.expected = last_mod(operation.key);
      if (operation.expected == 0) break;
      operation.guard = model::Guard::mod_revision;
      condition.add_mod_revisions(operation.expected);
      break;
    default:
      break;
  }
}

void Clients::fill_write(Call& call, storage::pb::Command& command) {
  model::Operation& operation = call.operation;
  operation.kind = model::Kind::remove;
  if (call.what == What::range_delete) {
    auto& range = *command.mutable_delete_range();
    range.set_start(operation.key);
    range.set_end(call.range_end);
    range.set_max_keys(random_.between(1, 10));
  } else if (call.what == What::compact) {
    call.wanted = storage::Revision(random_.below(highest_seen_.value + 2));
    command.mutable_compact()->set_revision(call.wanted.value);
  } else if (random_.chance(740)) {
    operation.kind = model::Kind::put;
    operation.value = "v" + std::to_string(++values_);
    auto& put = *command.mutable_put();
    put.set_key(operation.key);
    put.set_value(operation.value);
    guard(call, *put.mutable_condition());
  } else {
    auto& remove = *command.mutable_delete_();
    remove.set_key(operation.key);
    guard(call, *remove.mutable_condition());
  }
}

void Clients::send_write(std::size_t index, storage::pb::Command command) {
  Call& call = calls_[index];
  Machine& machine = *machines_[call.node];
  const std::uint64_t sequence = machine.next_sequence();
  call.origin = {node_id(call.node), machine.boot(), sequence};
  command.set_apply_version(storage::kApplyVersion);
  command.mutable_origin()->set_node(call.origin.node.value);
  command.mutable_origin()->set_boot(call.origin.boot);
  command.mutable_origin()->set_sequence(sequence);
  const raft::Instant deadline = call.deadline;
  if (world_.tracing())
    world_.note("client " + std::to_string(call.operation.client) + " asks " + node_name(call.node) + " #" +
                std::to_string(sequence) + " " + describe(call.operation));
  machine.replica().write(machine.local_now(), sequence, command.SerializeAsString(), command.has_put(), deadline,
                          [this, index](const server::WriteResult& result) { write_answered(index, result); });
}

std::shared_ptr<Clients::Probe> Clients::probe(std::size_t node, raft::Duration timeout) {
  Call call;
  call.node = node;
  call.deadline = machines_[node]->local_now() + timeout;
  call.probe = std::make_shared<Probe>();
  call.operation.client = kProbeClient;
  call.operation.kind = model::Kind::put;
  call.operation.key = key(0);
  call.operation.value = "v" + std::to_string(++values_);
  storage::pb::Command command;
  command.mutable_put()->set_key(call.operation.key);
  command.mutable_put()->set_value(call.operation.value);
  const auto probe = call.probe;
  send_write(open(std::move(call)), std::move(command));
  machines_[node]->attend();
  return probe;
}

void Clients::transfer(std::size_t node, raft::NodeId target) {
  Call call;
  call.node = node;
  call.what = What::transfer;
  call.deadline = machines_[node]->local_now() + milliseconds(1000);
  call.operation.client = kProbeClient;
  const std::size_t index = open(std::move(call));
  machines_[node]->replica().transfer_leadership(machines_[node]->local_now(), target, calls_[index].deadline,
                                                 [this, index](server::TransferOutcome) {
                                                   if (answered(index)) finish(index);
                                                 });
  machines_[node]->attend();
}

void Clients::change(std::size_t node, raft::MembershipChange change, raft::Duration patience,
                     server::ChangeDone done) {
  Call call;
  call.node = node;
  call.what = What::change;
  call.deadline = machines_[node]->local_now() + patience;
  call.operation.client = kProbeClient;
  const std::size_t index = open(std::move(call));
  machines_[node]->change_membership(std::move(change), calls_[index].deadline,
                                     [this, index, done = std::move(done)](const server::ChangeResult& result) {
                                       if (!answered(index)) return;
                                       done(result);
                                       finish(index);
                                     });
}

bool Clients::answered(std::size_t index) {
  Call& call = calls_[index];
  // The process is gone before its answer leaves.
  if (machines_[call.node]->fate().ended()) return false;
  if (call.answered) {
    world_.fail("a call to " + node_name(call.node) + " is answered twice");
    return false;
  }
  call.answered = true;
  return !call.finished;
}

void Clients::write_answered(std::size_t index, const server::WriteResult& result) {
  if (!answered(index)) return;
  Call& call = calls_[index];
  model::Operation& operation = call.operation;
  using Code = storage::CommandResult::Code;
  checker_.answered(call.origin, result);
  if (result.failure) {
    operation.outcome = result.not_applied ? model::Outcome::not_applied : model::Outcome::unknown;
    if (result.not_applied) ++refused_;
  } else {
    ++acknowledged_;
    operation.answered = now();
    operation.revision = result.result.revision.value;
    highest_seen_ = std::max(highest_seen_, result.result.revision);
    if (result.result.code == Code::ok) {
      operation.outcome = model::Outcome::done;
      operation.existed = operation.kind == model::Kind::put ? result.result.version > 1 : result.result.deleted > 0;
    } else if (result.result.code == Code::precondition_failed) {
      operation.outcome = model::Outcome::precondition_failed;
      operation.mod_revision = result.result.mod_revision.value;
      operation.existed = operation.mod_revision != 0;
    } else {
      operation.outcome = model::Outcome::not_applied;  // applied without effect
    }
    if (call.what == What::write)
      last_mod(operation.key) = operation.kind == model::Kind::put && result.result.code == Code::ok
                                    ? operation.revision
                                    : operation.mod_revision;
  }
  if (world_.tracing())
    world_.note("client " + std::to_string(operation.client) + " told by " + node_name(call.node) + " #" +
                std::to_string(call.origin.sequence) + " " + describe(operation));
  world_.remember(operation.revision + static_cast<std::uint64_t>(operation.outcome) * 1'000'003);
  if (call.probe) {
    call.probe->answered = true;
    call.probe->accepted = !result.failure;
  }
  finish(index);
}

void Clients::read_answered(std::size_t index, const server::ReadResult& result) {
  if (!answered(index)) return;
  Call& call = calls_[index];
  const bool waited = call.what == What::local || call.what == What::past;
  if (waited && !result.failure && machines_[call.node]->state().revision < call.wanted)
    world_.fail(node_name(call.node) + " says that it has applied a revision which it has not");
  if (result.failure) return finish(index);
  // The state is read on another thread, a little later.
  Event event{.number = index, .life = call.life, .kind = EventKind::read_state};
  event.node = static_cast<std::uint8_t>(call.node);
  world_.post(random_.chance(500) ? raft::Duration{} : random_.between(raft::Duration{}, milliseconds(2)), event);
}

void Clients::read_state(const Event& event) {
  Call& call = calls_[event.number];
  Machine& machine = *machines_[event.node];
  if (call.finished || event.life != machine.life() || machine.fate().ended()) return;
  const KvState& state = machine.state();
  if (call.what == What::get || call.what == What::local)
    got(call, state);
  else
    listed(call, state);
  highest_seen_ = std::max(highest_seen_, state.revision);
  world_.remember(call.operation.revision * 31 + call.operation.mod_revision);
  finish(event.number);
}

void Clients::got(Call& call, const KvState& state) {
  model::Operation& operation = call.operation;
  const auto found = state.cells.find(operation.key);
  KvState::Cells shown;
  if (found != state.cells.end()) shown.insert(*found);
  checker_.read(call.node, state.revision, operation.key, operation.key + '\0', shown);
  if (call.what == What::local) return;
  operation.outcome = model::Outcome::done;
  operation.answered = now();
  operation.revision = state.revision.value;
  operation.existed = !shown.empty();
  if (*operation.existed) {
    operation.value = found->second.value;
    operation.mod_revision = found->second.mod_revision.value;
    last_mod(operation.key) = operation.mod_revision;
  }
  ++reads_;
  if (world_.tracing())
    world_.note("client " + std::to_string(operation.client) + " reads at " + node_name(call.node) + " " +
                describe(operation));
}

void Clients::listed(Call& call, const KvState& state) {
  const storage::Revision revision = call.what == What::past ? call.wanted : state.revision;
  if (revision < state.compact_revision) return;  // answered as compacted
  const KvState::Cells all = state.at(revision);
  const auto begin = all.lower_bound(call.operation.key);
  const auto end = call.range_end.empty() ? all.end() : all.lower_bound(std::max(call.operation.key, call.range_end));
  call.found.insert(begin, end);
  checker_.read(call.node, revision, call.operation.key, call.range_end, call.found);
  ++lists_;
  if (world_.tracing())
    world_.note("client " + std::to_string(call.operation.client) + " lists at " + node_name(call.node) + " [" +
                call.operation.key + ", " + call.range_end + ") at revision " + std::to_string(revision.value) + ": " +
                std::to_string(call.found.size()) + " keys");
  if (call.what == What::past) return;
  call.operation.outcome = model::Outcome::done;
  call.operation.answered = now();
  call.operation.revision = revision.value;
}

void Clients::finish(std::size_t index) {
  Call& call = calls_[index];
  if (call.finished) return;
  call.finished = true;
  if (call.operation.outcome == model::Outcome::unknown && call.what <= What::range_delete) ++unknown_;
  --open_;
}

void Clients::give_up(const Event& event) {
  Call& call = calls_[event.number];
  if (call.finished) return;
  world_.note("client " + std::to_string(call.operation.client) + " hangs up");
  finish(event.number);
}

// Also of a call whose client has hung up: the node owes an answer all the same.
void Clients::check_call(const Event& event) {
  const std::size_t index = event.number;
  Call& call = calls_[index];
  const Machine& machine = *machines_[call.node];
  if (call.life == machine.life() && machine.running()) {
    if (call.finished && call.answered) return;
    if (machine.busy_until() + kLateness > world_.now() || machine.true_time(call.deadline) + kLateness > world_.now())
      return arm_check(index);
    if (!call.answered) return world_.fail("a call to " + node_name(call.node) + " is not answered by its deadline");
    return arm_check(index);  // a read that is about to look at the state
  }
  // The process died with the call.
  if (call.probe) call.probe->answered = true;
  finish(index);
}

// Still without an answer: it may have taken effect at any time after the call.
void Clients::resolve(model::Operation& operation, const storage::CommandOrigin& origin) const {
  const storage::CommandResult* result = checker_.result_of(origin);
  const bool effect = result && result->code == storage::CommandResult::Code::ok &&
                      (operation.kind == model::Kind::put || result->deleted > 0);
  operation.outcome = effect ? model::Outcome::done : model::Outcome::not_applied;
  if (!effect) return;
  operation.revision = result->revision.value;
  operation.existed = operation.kind == model::Kind::put ? result->version > 1 : true;
}

model::History Clients::history(bool resolved) const {
  model::History history;
  for (const Call& call : calls_) {
    model::Operation operation = call.operation;
    const bool write = call.what == What::write || call.what == What::range_delete;
    if (resolved && write && operation.outcome == model::Outcome::unknown) resolve(operation, call.origin);
    if (call.what == What::write || call.what == What::get) {
      history.push_back(std::move(operation));
    } else if (call.what == What::range_delete || call.what == What::list) {
      // An operation on each key of the range, all of them at one revision.
      if (call.what == What::range_delete && operation.existed == true) operation.existed.reset();
      for (std::uint64_t number = 0; number < scenario_.keys; ++number) {
        operation.key = key(number);
        if (operation.key < call.operation.key || (!call.range_end.empty() && operation.key >= call.range_end))
          continue;
        if (call.what == What::list && operation.outcome == model::Outcome::done) {
          const auto found = call.found.find(operation.key);
          operation.existed = found != call.found.end();
          operation.value = *operation.existed ? found->second.value : "";
          operation.mod_revision = *operation.existed ? found->second.mod_revision.value : 0;
        }
        history.push_back(operation);
      }
    }
  }
  return history;
}

}  // namespace tenaz::sim
