// Faults of processes, processors and clocks, and what operators do.
//
// What the cluster must survive: power loss of any number of nodes at any step of their work, processes that freeze for
// any time and go on with all their timers late, processors that hardly get on, clocks that run at different rates and
// wall clocks that jump, and hand-overs at any moment.
#include "tests/sim/faults.h"

namespace tenaz::sim {
namespace {

constexpr raft::Duration kCrashPatience = seconds(5);
constexpr raft::Duration kRareCrashPatience = seconds(20);
constexpr std::uint64_t kWallJumpMax = 100'000'000'000;  // milliseconds: three years

}  // namespace

bool Faults::strike_node(Fault& fault) {
  Machine& node = machine(fault);
  Random& random = fault.random;
  switch (fault.kind) {
    case FaultKind::crash:
      note(fault, node_name(fault.node) + " loses power");
      crash(fault.node, random);
      return true;
    case FaultKind::crash_several:
      return crash_several(fault);
    case FaultKind::crash_at_step:
      arm_crash(fault);
      return true;
    case FaultKind::stop:
      if (node.paused()) return false;
      note(fault, node_name(fault.node) + " is asked to stop");
      node.stop();
      restart_later(fault.node, random);
      return true;
    case FaultKind::pause:
      note(fault, node_name(fault.node) + " is frozen");
      node.pause(world_.now() + lasting(random));
      return true;
    case FaultKind::slow_cpu:
      note(fault, node_name(fault.node) + " has a slow processor");
      node.slow_cpu(random.between(microseconds(100), milliseconds(4)));
      later(fault, lasting(random));
      return true;
    case FaultKind::clock_rate: {
      const std::int64_t most = scenario_.clock_fault_ppm_max;
      const auto ppm = static_cast<std::int64_t>(random.below(2 * static_cast<std::uint64_t>(most))) - most;
      note(fault, node_name(fault.node) + "'s clock gains " + std::to_string(ppm) + " ppm");
      node.set_clock_rate(ppm);
      later(fault, lasting(random));
      return true;
    }
    case FaultKind::wall_jump:
      note(fault, node_name(fault.node) + "'s wall clock jumps");
      node.jump_wall_clock(static_cast<std::int64_t>(random.below(2 * kWallJumpMax)) - std::int64_t{kWallJumpMax});
      return true;
    case FaultKind::transfer:
      return transfer(fault);
    case FaultKind::membership:
    default:
      return operators_.ask(fault.node, random);
  }
}

void Faults::node_recovers(Fault& fault) {
  Machine& node = machine(fault);
  switch (fault.kind) {
    case FaultKind::slow_cpu:
      return node.slow_cpu({});
    case FaultKind::clock_rate:
      return node.set_clock_rate(0);
    case FaultKind::crash_at_step:
      for (std::size_t each = 0; each < scenario_.machines(); ++each)
        if (fault.everywhere || each == fault.node) machines_[each]->fate().disarm();
      return;
    default:
      return;
  }
}

void Faults::crash(std::size_t node, Random& random) {
  machines_[node]->crash();
  restart_later(node, random);
}

bool Faults::crash_several(Fault& fault) {
  const bool all = fault.random.chance(300);
  note(fault, all ? "all lose power" : "some lose power");
  for (std::size_t node = 0; node < scenario_.machines(); ++node)
    if (machines_[node]->up() && (all || fault.random.chance(500))) crash(node, fault.random);
  return true;
}

void Faults::arm_crash(Fault& fault) {
  auto step = static_cast<Step>(fault.random.below(kSteps));
  if (step == Step::state_restored && !may_lose_state(fault.node)) step = Step::started;
  // Who will send or fetch a snapshot next, and when, is not known: whoever does.
  fault.everywhere = step >= Step::image_made && step <= Step::image_in_force;
  const bool rare = fault.everywhere || step == Step::peer_remembered;
  note(fault, (fault.everywhere ? "each node" : node_name(fault.node)) + " will crash at the step " + to_string(step));
  const auto passes = static_cast<unsigned>(rare || fault.random.chance(500) ? 0 : fault.random.below(30));
  for (std::size_t node = 0; node < scenario_.machines(); ++node)
    if (fault.everywhere || node == fault.node) machines_[node]->fate().arm(step, passes);
  // A step that a quiet node does not take is brought about.
  if (step == Step::started || step == Step::state_restored) {
    if (step == Step::state_restored) machine(fault).lose_state_at_crash();
    crash(fault.node, fault.random);
  }
  later(fault, rare ? kRareCrashPatience : kCrashPatience);
}

bool Faults::transfer(Fault& fault) {
  const std::uint64_t target = fault.random.below(scenario_.machines() + 1);
  if (!machine(fault).serves()) return false;
  note(fault, node_name(fault.node) + " is asked to hand leadership to " + std::to_string(target));
  clients_.transfer(fault.node, raft::NodeId(target));
  return true;
}

void Faults::restart_later(std::size_t node, Random& random) {
  Event event{.kind = EventKind::restart};
  event.node = static_cast<std::uint8_t>(node);
  world_.post(random.chance(500) ? random.between(milliseconds(1), milliseconds(300))
                                 : random.between(milliseconds(300), milliseconds(6000)),
              event);
}

}  // namespace tenaz::sim
