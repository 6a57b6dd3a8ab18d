#include "tests/chaos/scenarios.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/chaos/probes.h"

namespace tenaz::chaos {

using harness::eventually;
using std::chrono::milliseconds;

struct Scene {
  Ground& ground;
  int leader;
  std::vector<int> others;  // in random order
  bool preload;
  int step = 0;

  Network& network() { return ground.network(); }
};

namespace {

constexpr milliseconds kStep(200);
constexpr milliseconds kAtTheEnd(1000);
constexpr std::uint64_t kGoesOn = 100;  // writes that are more than what was on its way

void kill_leader(Scene& scene) {
  scene.ground.cluster().kill(scene.leader);
}

void pause_leader(Scene& scene) {
  scene.ground.cluster().pause(scene.leader);
}

void stall_leader(Scene& scene) {
  scene.ground.control(scene.leader).stall_syncs();
}

void transfer(Scene& scene) {
  scene.ground.cluster().request(scene.leader, "POST", "/v1/leadership", "{}", {{"Content-Type", "application/json"}});
}

void cut_leader_off(Scene& scene) {
  scene.network().isolate(scene.leader);
}

void leader_not_heard_by_one(Scene& scene) {
  scene.network().lose(scene.leader, scene.others[0], kDropMessages);
}

void leader_does_not_hear_one(Scene& scene) {
  scene.network().lose(scene.others[0], scene.leader, kDropMessages);
}

void deafen_leader(Scene& scene) {
  for (const int other : scene.others) scene.network().lose(other, scene.leader, kDropMessages);
}

void mute_leader(Scene& scene) {
  for (const int other : scene.others) scene.network().lose(scene.leader, other, kDropMessages);
}

void flap(Scene& scene, int node) {
  if (++scene.step % 2 == 1) {
    scene.network().isolate(node);
  } else {
    scene.network().mend_all();
  }
  scene.network().apply();
}
void flap_follower(Scene& scene) {
  flap(scene, scene.others[0]);
}
void flap_leader(Scene& scene) {
  flap(scene, scene.leader);
}

std::vector<std::pair<int, int>> all_with(int hub, const std::vector<int>& others) {
  std::vector<std::pair<int, int>> pairs;
  for (const int other : others) {
    if (other != hub) pairs.emplace_back(hub, other);
  }
  return pairs;
}

// One node keeps its links to all, the leader among them; nobody else has any but to it.
void lose_quorum(Scene& scene) {
  const int hub = scene.others[0];
  std::vector<int> all = scene.others;
  all.push_back(scene.leader);
  scene.network().connect_only(all_with(hub, all));
}

// The leader at one end of a line.
void chain(Scene& scene) {
  std::vector<std::pair<int, int>> pairs{{scene.leader, scene.others[0]}};
  for (std::size_t i = 1; i < scene.others.size(); ++i) pairs.emplace_back(scene.others[i - 1], scene.others[i]);
  scene.network().connect_only(pairs);
}

// The node that will be the only well-connected one misses some writes, which all others have.
void fall_behind(Scene& scene) {
  Ground& ground = scene.ground;
  const int hub = scene.others[0];
  scene.network().isolate(hub);
  scene.network().apply();
  // Of what reached it before, some may still be on its way into its log: it is asked again each time.
  EXPECT_TRUE(eventually([&] {
    const std::uint64_t has = ground.cluster().number(hub, "last_index");
    return has > 0 && ground.cluster().number(scene.leader, "commit_index") > has + 100;
  }));
}
// The leader is cut off, the others hear the hub alone: it cannot be elected for its log, they cannot for their links.
void constrain(Scene& scene) {
  scene.network().connect_only(all_with(scene.others[0], scene.others));
}
void mend_one_link(Scene& scene) {
  scene.network().mend(scene.others[1], scene.others[2]);
}

// The leader hears two of four, and one of these three cannot write: two are too few to commit. The others, who are
// whole, reach one another.
void stall_among_three(Scene& scene, int stalled) {
  for (const std::size_t cut : {2U, 3U}) scene.network().lose_both_ways(scene.leader, scene.others[cut], kDropPackets);
  scene.network().apply();
  // Otherwise those two may hold more than the disk that stalls.
  harness::Cluster& cluster = scene.ground.cluster();
  const std::uint64_t committed = cluster.number(scene.leader, "commit_index");
  EXPECT_TRUE(eventually([&] { return cluster.number(scene.leader, "commit_index") > committed + 100; }));
  scene.ground.control(stalled).stall_syncs();
}
void stall_leader_of_half(Scene& scene) {
  stall_among_three(scene, scene.leader);
}
void stall_follower_of_half(Scene& scene) {
  stall_among_three(scene, scene.others[0]);
}

std::uint64_t highest_term(const harness::Cluster& cluster, const std::vector<int>& nodes) {
  std::uint64_t highest = 0;
  for (const int id : nodes) highest = std::max(highest, cluster.number(id, "term"));
  return highest;
}

void put_right(Scene& scene) {
  harness::Cluster& cluster = scene.ground.cluster();
  scene.network().mend_all();
  scene.network().apply();
  for (const int id : cluster.ids()) {
    if (scene.preload) scene.ground.control(id).free_syncs();
    if (!cluster.running(id)) cluster.start(id);
    cluster.resume(id);
  }
  EXPECT_NE(cluster.wait_leader(), 0);
  for (const int id : cluster.ids()) EXPECT_TRUE(cluster.wait_ready(id)) << "node " << id;
}

double in_ms(model::Time time) {
  return static_cast<double>(time) / 1e6;
}

// Keeps the situation up until `done()`.
template <class Done>
bool watch(Scene& scene, const Scenario& scenario, std::chrono::nanoseconds patience, Done&& done) {
  auto next = std::chrono::steady_clock::now() + kStep;
  return eventually(
      [&] {
        if (scenario.go_on != nullptr && std::chrono::steady_clock::now() >= next) {
          scenario.go_on(scene);
          next += kStep;
        }
        return done();
      },
      patience);
}

}  // namespace

Measured measure(Ground& ground, const Scenario& scenario, milliseconds lasting) {
  Measured result;
  harness::Cluster& cluster = ground.cluster();
  result.nodes = cluster.size();
  const int leader = cluster.wait_leader();
  if (leader == 0) return result;
  std::vector<int> others = ground.shuffled();
  std::erase(others, leader);
  Probes probes(cluster);
  Scene scene{ground, leader, others, scenario.preload};
  const auto nothing = [] { return false; };
  const auto start = now();
  EXPECT_TRUE(eventually([&] { return probes.count(start) > 50; })) << "nothing is wrong, and no writes are taken";
  if (scenario.prepare != nullptr) scenario.prepare(scene);

  const std::uint64_t term = highest_term(cluster, others);
  model::Time begun = now();
  scenario.strike(scene);
  ground.network().apply();
  if (scenario.relieve != nullptr) {
    // What was on its way is over soon; from then on nothing may be acknowledged.
    watch(scene, scenario, milliseconds(500), nothing);
    const model::Time blocked_since = now();
    watch(scene, scenario, lasting, nothing);
    result.blocked = probes.count(blocked_since);
    begun = now();
    scenario.relieve(scene);
    ground.network().apply();
  }
  const model::Time in_force = now();
  result.taken = watch(scene, scenario, harness::kPatience, [&] { return probes.count(in_force) >= kGoesOn; });
  watch(scene, scenario, lasting, nothing);
  const model::Time end = now();
  result.outage_ms = in_ms(probes.longest_gap(begun, end));
  result.serving = static_cast<int>(probes.through(end - std::chrono::nanoseconds(kAtTheEnd).count()).size());
  result.terms = highest_term(cluster, others) - term;
  probes.stop();
  put_right(scene);
  return result;
}

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all{
      {.name = "leader-killed",
       .what = "kill -9 of the leader",
       .nodes = {3, 5},
       .whole_node = true,
       .strike = kill_leader},
      {.name = "leader-paused",
       .what = "SIGSTOP of the leader",
       .nodes = {3, 5},
       .whole_node = true,
       .strike = pause_leader},
      {.name = "leadership-handed-over",
       .what = "POST /v1/leadership",
       .nodes = {3, 5},
       .whole_node = true,
       .strike = transfer},
      {.name = "leader-cut-off",
       .what = "all links of the leader cut",
       .nodes = {3, 5},
       .whole_node = true,
       .strike = cut_leader_off},
      {.name = "leader-disk-stalls",
       .what = "the leader's fsync does not return",
       .nodes = {3, 5},
       .whole_node = true,
       .preload = true,
       .strike = stall_leader},
      {.name = "leader-deaf", .what = "the leader can send but not receive", .nodes = {3, 5}, .strike = deafen_leader},
      {.name = "leader-mute", .what = "the leader can receive but not send", .nodes = {3, 5}, .strike = mute_leader},
      {.name = "one-way-from-leader",
       .what = "one follower does not hear the leader",
       .nodes = {3, 5},
       .strike = leader_not_heard_by_one},
      {.name = "one-way-to-leader",
       .what = "the leader does not hear one follower",
       .nodes = {3, 5},
       .strike = leader_does_not_hear_one},
      {.name = "follower-flaps",
       .what = "a follower's links come and go every 0.2 s",
       .nodes = {3, 5},
       .strike = flap_follower,
       .go_on = flap_follower},
      {.name = "leader-flaps",
       .what = "the leader's links come and go every 0.2 s",
       .nodes = {3, 5},
       .strike = flap_leader,
       .go_on = flap_leader},
      {.name = "quorum-loss", .what = "all links lost but those to one follower", .nodes = {5}, .strike = lose_quorum},
      {.name = "chained",
       .what = "nodes hear their neighbours in a line, the leader at its end",
       .nodes = {3, 5},
       .strike = chain},
      {.name = "leader-disk-stalls-half-cut",
       .what = "the leader's fsync does not return, and it does not reach two of four",
       .nodes = {5},
       .preload = true,
       .strike = stall_leader_of_half},
      {.name = "follower-disk-stalls-half-cut",
       .what = "the leader does not reach two of four, and another's fsync does not return",
       .nodes = {5},
       .preload = true,
       .strike = stall_follower_of_half},
      {.name = "constrained",
       .what = "the leader gone, the others hear one alone, whose log is behind; then one link heals",
       .nodes = {5},
       .prepare = fall_behind,
       .strike = constrain,
       .relieve = mend_one_link}};
  return all;
}

const Scenario* find_scenario(const std::string& name) {
  const auto& all = scenarios();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Scenario& each) { return each.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace tenaz::chaos
