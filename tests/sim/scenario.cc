#include "tests/sim/scenario.h"

#include <algorithm>
#include <vector>

#include "tests/sim/world.h"

namespace tenaz::sim {
namespace {

void draw_options(Random& random, server::ReplicaOptions& options) {
  raft::Options& raft = options.raft;
  raft.heartbeat_interval = milliseconds(50);
  raft.election_timeout_min = milliseconds(random.between(200, 500));
  raft.election_timeout_max = raft.election_timeout_min * static_cast<std::int64_t>(random.between(2, 6));
  raft.transfer_timeout = milliseconds(random.between(300, 1500));
  // Small limits are met often.
  if (random.chance(400)) raft.max_append_bytes = random.between(100, 2000);
  if (random.chance(400)) raft.max_inflight_appends = random.between(1, 8);
  if (random.chance(300)) raft.max_inflight_bytes = random.between(200, 4000);
  if (random.chance(300)) raft.max_uncommitted_bytes = random.between(500, 4000);
  if (random.chance(300)) raft.max_apply_bytes = random.between(100, 2000);
  raft.cache_bytes = random.chance(500) ? random.between(0, 2000) : 1 << 20;
  if (random.chance(300)) options.max_batch_bytes = random.between(50, 1000);
  if (random.chance(200)) options.max_inflight_bytes = random.between(300, 2000);
  options.max_unwritten_batches = random.between(1, 4);
}

void draw_network(Random& random, NetworkFaults& network) {
  network.delay_min = microseconds(random.between(50, 1000));
  network.delay_max = network.delay_min + microseconds(random.between(0, 20'000));
  if (random.chance(400)) network.slow_in_thousand = random.between(1, 50);
  network.slow_max = milliseconds(random.between(20, 1000));
  if (random.chance(500)) network.loss_in_thousand = random.between(1, 100);
  if (random.chance(500)) network.duplicate_in_thousand = random.between(1, 100);
  if (random.chance(300)) network.reorder_in_thousand = random.between(1, 200);
  if (random.chance(300)) network.break_in_thousand = random.between(1, 10);
}

void draw_disk(Random& random, DiskFaults& disk) {
  disk.sync_min = microseconds(random.between(20, 500));
  disk.sync_max = disk.sync_min + microseconds(random.between(0, 10'000));
  if (random.chance(400)) disk.slow_in_thousand = random.between(1, 50);
  disk.slow_max = milliseconds(random.between(20, 400));
  disk.keep_unsynced_in_thousand = random.chance(500) ? 500 : 0;
  if (random.chance(300)) disk.no_image_in_thousand = 200;
  disk.fetch_max = random.chance(300) ? milliseconds(random.between(1000, 6000)) : milliseconds(500);
  disk.fetch_pieces = random.between(1, 8);
}

void draw_clocks(Random& random, Scenario& scenario) {
  scenario.clock_ppm.assign(scenario.machines(), 0);
  if (scenario.lease_reads) scenario.clock_fault_ppm_max = 27'000;
  if (!random.chance(500)) return;
  // Crystals are off by 100 ppm at worst; some runs have clocks that are off by a hundred times that.
  const std::uint64_t most = random.chance(500) ? 200 : 20'000;
  for (std::int64_t& ppm : scenario.clock_ppm)
    ppm = static_cast<std::int64_t>(random.below(2 * most + 1)) - static_cast<std::int64_t>(most);
}

// Small, so that tables are written out, merged and cut within a run.
storage::Options draw_storage(std::uint64_t seed) {
  Random random(seed, 6);
  storage::Options options;
  options.cache_bytes = 64 << 10;
  options.write_buffer_bytes = random.between(64, 256) << 10;
  options.log_buffer_bytes = random.between(1000, 20'000);
  options.key_cache_bytes = random.between(1, 64) << 10;
  return options;
}

// How often a run has a fault at all, in a thousand, and the most weight that it then has. Few kinds at a time are
// better than always all of them: each gets runs in which it is the main thing.
struct Appetite {
  FaultKind kind;
  std::uint64_t in_thousand;
  std::uint64_t most;
};
constexpr Appetite kAppetites[] = {
    {FaultKind::crash, 600, 6},         {FaultKind::crash_several, 300, 2},  {FaultKind::crash_at_step, 500, 6},
    {FaultKind::stop, 300, 2},          {FaultKind::pause, 400, 4},          {FaultKind::slow_cpu, 250, 2},
    {FaultKind::disk_stall, 350, 3},    {FaultKind::slow_disk, 250, 2},      {FaultKind::slow_apply, 250, 2},
    {FaultKind::fsync_error, 250, 2},   {FaultKind::disk_low, 150, 2},       {FaultKind::corrupt_log, 100, 1},
    {FaultKind::corrupt_state, 200, 2}, {FaultKind::lose_state, 200, 2},     {FaultKind::empty_disk, 100, 1},
    {FaultKind::put_back_disk, 150, 2}, {FaultKind::step_back_disk, 100, 2}, {FaultKind::clock_rate, 200, 2},
    {FaultKind::wall_jump, 100, 1},     {FaultKind::isolate, 500, 4},        {FaultKind::split, 400, 4},
    {FaultKind::one_way, 400, 4},       {FaultKind::bridge, 200, 2},         {FaultKind::chain, 200, 2},
    {FaultKind::star, 200, 2},          {FaultKind::deaf, 200, 2},           {FaultKind::mute, 200, 2},
    {FaultKind::random_links, 250, 3},  {FaultKind::flap, 250, 3},           {FaultKind::break_connections, 300, 3},
    {FaultKind::storm, 200, 2},         {FaultKind::transfer, 400, 4},       {FaultKind::membership, 500, 12},
};

void draw_weights(Random& random, std::array<unsigned, kFaultKinds>& weights) {
  for (const Appetite& appetite : kAppetites)
    if (random.chance(appetite.in_thousand))
      weights[static_cast<std::size_t>(appetite.kind)] = static_cast<unsigned>(random.between(1, appetite.most));
  // Never nothing at all.
  ++weights[static_cast<std::size_t>(FaultKind::crash)];
}

void leave_out(Scenario& scenario, const Changes& changes) {
  NetworkFaults& network = scenario.network;
  if (changes.left_out(Condition::loss)) network.loss_in_thousand = 0;
  if (changes.left_out(Condition::delays)) network.slow_in_thousand = 0;
  if (changes.left_out(Condition::duplicates)) network.duplicate_in_thousand = 0;
  if (changes.left_out(Condition::reorder)) network.reorder_in_thousand = 0;
  if (changes.left_out(Condition::breaks)) network.break_in_thousand = 0;
  if (changes.left_out(Condition::slow_syncs)) scenario.disk.slow_in_thousand = 0;
  if (changes.left_out(Condition::no_images)) scenario.disk.no_image_in_thousand = 0;
  if (changes.left_out(Condition::clock_drift)) scenario.clock_ppm.assign(scenario.machines(), 0);
  if (changes.left_out(Condition::small_limits)) {
    const raft::Options defaults;
    raft::Options& raft = scenario.replica.raft;
    raft.max_append_bytes = defaults.max_append_bytes;
    raft.max_inflight_appends = defaults.max_inflight_appends;
    raft.max_inflight_bytes = defaults.max_inflight_bytes;
    raft.max_uncommitted_bytes = defaults.max_uncommitted_bytes;
    raft.max_apply_bytes = defaults.max_apply_bytes;
    raft.cache_bytes = defaults.cache_bytes;
    const server::ReplicaOptions plain;
    scenario.replica.max_batch_bytes = plain.max_batch_bytes;
    scenario.replica.max_inflight_bytes = plain.max_inflight_bytes;
  }
}

}  // namespace

const char* to_string(FaultKind kind) {
  static constexpr const char* kNames[] = {
      "crash",         "crash several",  "crash at a step", "stop",       "pause",
      "slow cpu",      "disk stall",     "slow disk",       "slow apply", "fsync error",
      "disk low",      "corrupt log",    "corrupt state",   "lose state", "empty disk",
      "put back disk", "step back disk", "clock rate",      "wall jump",  "isolate",
      "split",         "one way",        "bridge",          "chain",      "star",
      "deaf",          "mute",           "random links",    "flap",       "break connections",
      "storm",         "transfer",       "membership"};
  static_assert(std::size(kNames) == kFaultKinds);
  return kNames[static_cast<std::size_t>(kind)];
}

Scenario draw_scenario(std::uint64_t seed, const Changes& changes) {
  Random random(seed, 1);
  Scenario scenario;
  scenario.nodes = random.one_of<std::size_t>({1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 7, 7});
  if (changes.nodes != 0) scenario.nodes = changes.nodes;
  draw_options(random, scenario.replica);
  draw_network(random, scenario.network);
  draw_disk(random, scenario.disk);
  draw_weights(random, scenario.weights);
  if (scenario.weights[static_cast<std::size_t>(FaultKind::membership)] > 0 && scenario.nodes < kMachinesMax)
    scenario.guests = random.between(1, kMachinesMax - scenario.nodes);
  scenario.fault_interval_max = milliseconds(random.between(300, 4000));
  scenario.fault_time = kFaultTimeMin + milliseconds(random.between(0, 10'000));
  scenario.partial_heal = scenario.nodes >= 3 && random.chance(400);
  scenario.log_retain = random.chance(700) ? random.between(0, 20) : 10'000;
  scenario.flush_interval = milliseconds(random.between(100, 3000));
  scenario.keys = random.between(1, 6);
  scenario.call_interval_max = milliseconds(random.between(100, 200));
  if (random.chance(150)) {
    // Busy and short of log: conflicts are long, and whoever was away needs a snapshot.
    scenario.call_interval_max = milliseconds(random.between(10, 60));
    scenario.fault_time = kFaultTimeMin;
    scenario.log_retain = random.between(0, 5);
    scenario.flush_interval = milliseconds(random.between(20, 300));
  }
  // Of its own stream, so that what else is drawn does not depend on it.
  scenario.lease_reads = Random(seed, 8).chance(400);
  draw_clocks(random, scenario);
  if (changes.real_storage) scenario.storage = draw_storage(seed);
  leave_out(scenario, changes);
  return scenario;
}

Scenario plain_scenario(std::size_t nodes) {
  Scenario scenario;
  scenario.nodes = nodes;
  scenario.network.delay_min = microseconds(100);
  scenario.network.delay_max = milliseconds(2);
  scenario.disk.sync_min = microseconds(100);
  scenario.disk.sync_max = milliseconds(3);
  scenario.disk.fetch_max = milliseconds(500);
  scenario.clock_ppm.assign(nodes, 0);
  scenario.log_retain = 10'000;
  scenario.flush_interval = seconds(1);
  scenario.keys = 3;
  scenario.call_interval_max = kCallIntervalMax;
  return scenario;
}

}  // namespace tenaz::sim
