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
}

void draw_faults(Random& random, FaultWeights& faults) {
  const auto weight = [&random](std::uint64_t in_thousand, std::uint64_t most) {
    return random.chance(in_thousand) ? static_cast<unsigned>(random.between(1, most)) : 0U;
  };
  faults.crash = weight(700, 6);
  faults.crash_all = weight(300, 2);
  faults.stop = weight(300, 2);
  faults.pause = weight(500, 4);
  faults.disk_stall = weight(400, 3);
  faults.disk_low = weight(200, 2);
  faults.isolate = weight(600, 4);
  faults.split = weight(500, 4);
  faults.one_way = weight(500, 4);
  faults.bridge = weight(300, 2);
  faults.break_connections = weight(400, 4);
  faults.transfer = weight(500, 4);
  faults.heal = 4;
}

}  // namespace

Scenario draw_scenario(std::uint64_t seed) {
  Random random(seed, 1);
  Scenario scenario;
  scenario.nodes = random.one_of<std::size_t>({1, 2, 3, 3, 3, 3, 3, 5, 5, 5, 7});
  draw_options(random, scenario.replica);
  draw_network(random, scenario.network);
  draw_disk(random, scenario.disk);
  draw_faults(random, scenario.faults);
  scenario.fault_interval_max = milliseconds(random.between(300, 4000));
  scenario.fault_time = milliseconds(random.between(3000, 30'000));
  scenario.partial_heal = scenario.nodes >= 3 && random.chance(400);
  scenario.log_retain = random.chance(700) ? random.between(0, 20) : 10'000;
  scenario.flush_interval = milliseconds(random.between(100, 3000));
  scenario.clients = random.between(2, 8);
  scenario.keys = random.between(1, 6);
  scenario.think_time_max = milliseconds(random.between(50, 1500));
  if (random.chance(250)) {
    // Busy and short of log: conflicts are long, and whoever was away needs a snapshot.
    scenario.think_time_max = milliseconds(random.between(5, 60));
    scenario.fault_time = std::min<raft::Duration>(scenario.fault_time, seconds(8));
    scenario.log_retain = random.between(0, 5);
    scenario.flush_interval = milliseconds(random.between(20, 300));
  }
  return scenario;
}

}  // namespace tenaz::sim
