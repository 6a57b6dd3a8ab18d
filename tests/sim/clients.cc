#include "tests/sim/clients.h"

#include <algorithm>
#include <optional>

namespace tenaz::sim {
namespace {

constexpr std::uint64_t kProbeClient = 1000;  // does not go on by itself
// Deadlines are rounded up by the replica, and its loop takes a moment.
constexpr raft::Duration kLateness = milliseconds(50);

}  // namespace

Clients::Clients(World& world, Checker& checker, const Scenario& scenario,
                 std::vector<std::unique_ptr<Machine>>& machines)
    : world_(world),
      checker_(checker),
      scenario_(scenario),
      machines_(machines),
      random_(world.seed(), 3),
      last_mod_(scenario.keys) {}

void Clients::start() {
  for (std::size_t client = 0; client < scenario_.clients; ++client) think(client);
}

void Clients::think(std::size_t client) {
  if (client >= scenario_.clients) return;
  Event event{.number = client, .kind = EventKind::client};
  world_.post(random_.between(microseconds(100), scenario_.think_time_max), event);
}

void Clients::act(const Event& event) {
  if (!stopped_) call(static_cast<std::size_t>(event.number));
}

std::size_t Clients::choose_node() {
  return static_cast<std::size_t>(random_.below(scenario_.nodes));
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
  Event event{.number = index, .kind = EventKind::call_check};
  world_.post_at(std::max(call.deadline, machines_[call.node]->paused_until()) + kLateness, event);
}

void Clients::call(std::size_t client) {
  Call call;
  call.node = choose_node();
  call.operation.client = client;
  Machine& machine = *machines_[call.node];
  if (!machine.running()) return think(client);
  call.deadline = world_.now() + random_.between(milliseconds(50), milliseconds(4000));
  call.operation.key = key(random_.below(scenario_.keys));
  const std::uint64_t kind = random_.below(100);
  if (kind < 35) {
    call.what = What::read;
    const std::size_t index = open(std::move(call));
    machine.replica().read_index(world_.now(), calls_[index].deadline,
                                 [this, index](const server::ReadResult& result) { read_answered(index, result); });
  } else if (kind < 40) {
    call.what = What::wait_revision;
    call.wanted = highest_seen_ + random_.below(2);
    const std::size_t index = open(std::move(call));
    machine.replica().wait_revision(world_.now(), calls_[index].wanted, calls_[index].deadline,
                                    [this, index](const server::ReadResult& result) { read_answered(index, result); });
  } else if (kind < 41) {
    (void)machine.replica().status(world_.now());
    return think(client);
  } else {
    storage::pb::Command command;
    fill_write(call, command);
    send_write(open(std::move(call)), std::move(command));
  }
  machine.attend();
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
      operation.expected = last_mod_[static_cast<std::size_t>(operation.key[1] - '0')];
      if (operation.expected == 0) break;
      operation.guard = model::Guard::mod_revision;
      condition.add_mod_revisions(operation.expected);
      break;
    default:
      break;
  }
}

void Clients::fill_write(Call& call, storage::pb::Command& command) {
  const std::uint64_t kind = random_.below(100);
  if (kind < 70) {
    call.operation.kind = model::Kind::put;
    call.operation.value = "v" + std::to_string(++values_);
    auto& put = *command.mutable_put();
    put.set_key(call.operation.key);
    put.set_value(call.operation.value);
    guard(call, *put.mutable_condition());
  } else if (kind < 95) {
    call.operation.kind = model::Kind::remove;
    auto& remove = *command.mutable_delete_();
    remove.set_key(call.operation.key);
    guard(call, *remove.mutable_condition());
  } else {
    call.what = What::range_delete;
    call.operation.kind = model::Kind::remove;
    call.range_end = random_.chance(500) ? key(random_.below(scenario_.keys)) : "";
    auto& range = *command.mutable_delete_range();
    range.set_start(call.operation.key);
    range.set_end(call.range_end);
    range.set_max_keys(random_.between(1, 10));
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
  machine.replica().write(world_.now(), sequence, command.SerializeAsString(), command.has_put(), deadline,
                          [this, index](const server::WriteResult& result) { write_answered(index, result); });
}

std::shared_ptr<Clients::Probe> Clients::probe(std::size_t node, raft::Duration timeout) {
  Call call;
  call.node = node;
  call.deadline = world_.now() + timeout;
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
  call.deadline = world_.now() + milliseconds(1000);
  call.operation.client = kProbeClient;
  const std::size_t index = open(std::move(call));
  machines_[node]->replica().transfer_leadership(world_.now(), target, calls_[index].deadline,
                                                 [this, index](server::TransferOutcome) {
                                                   if (answered(index)) finish(index);
                                                 });
  machines_[node]->attend();
}

bool Clients::answered(std::size_t index) {
  Call& call = calls_[index];
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
      operation.outcome = model::Outcome::not_applied;  // too many keys: applied without effect
    }
    if (call.what == What::write)
      last_mod_[static_cast<std::size_t>(operation.key[1] - '0')] =
          operation.kind == model::Kind::put && result.result.code == Code::ok ? operation.revision
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
  if (call.what == What::wait_revision) {
    if (!result.failure && machines_[call.node]->state().revision < call.wanted)
      world_.fail(node_name(call.node) + " says that it has applied a revision which it has not");
    return finish(index);
  }
  if (result.failure) return finish(index);
  // The state is read on another thread, a little later.
  Event event{.number = index, .life = call.life, .kind = EventKind::read_state};
  event.node = static_cast<std::uint8_t>(call.node);
  world_.post(random_.chance(500) ? raft::Duration{} : random_.between(raft::Duration{}, milliseconds(2)), event);
}

void Clients::read_state(const Event& event) {
  Call& call = calls_[event.number];
  if (call.finished || event.life != machines_[event.node]->life()) return;
  const KvState& state = machines_[event.node]->state();
  model::Operation& operation = call.operation;
  operation.outcome = model::Outcome::done;
  operation.answered = now();
  operation.revision = state.revision.value;
  const auto found = state.cells.find(operation.key);
  operation.existed = found != state.cells.end();
  if (*operation.existed) {
    operation.value = found->second.value;
    operation.mod_revision = found->second.mod_revision.value;
    last_mod_[static_cast<std::size_t>(operation.key[1] - '0')] = operation.mod_revision;
  }
  highest_seen_ = std::max(highest_seen_, state.revision);
  ++reads_;
  if (world_.tracing())
    world_.note("client " + std::to_string(operation.client) + " reads at " + node_name(call.node) + " " +
                describe(operation));
  world_.remember(operation.revision * 31 + operation.mod_revision);
  finish(event.number);
}

void Clients::finish(std::size_t index) {
  Call& call = calls_[index];
  if (call.finished) return;
  call.finished = true;
  --open_;
  think(static_cast<std::size_t>(call.operation.client));
}

void Clients::check_call(const Event& event) {
  const std::size_t index = event.number;
  Call& call = calls_[index];
  if (call.finished) return;
  const Machine& machine = *machines_[call.node];
  if (call.life == machine.life() && machine.running()) {
    if (machine.paused() || machine.paused_until() + kLateness > world_.now()) return arm_check(index);
    if (!call.answered) return world_.fail("a call to " + node_name(call.node) + " is not answered by its deadline");
    return arm_check(index);  // a read that is about to look at the state
  }
  // The process died with the call.
  if (call.probe) call.probe->answered = true;
  finish(index);
}

model::History Clients::take_history() {
  model::History history;
  for (Call& call : calls_) {
    if (call.what == What::wait_revision || call.what == What::transfer) continue;
    if (call.what != What::range_delete) {
      history.push_back(std::move(call.operation));
      continue;
    }
    // One removal per key of the range. All in one revision: that the range was one step is checked on the states.
    model::Operation operation = call.operation;
    if (operation.existed == true) operation.existed.reset();
    for (std::uint64_t number = 0; number < scenario_.keys; ++number) {
      const std::string name = key(number);
      if (name < call.operation.key || (!call.range_end.empty() && name >= call.range_end)) continue;
      operation.key = name;
      history.push_back(operation);
    }
  }
  return history;
}

}  // namespace tenaz::sim
