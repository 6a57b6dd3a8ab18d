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
  Probes& probes;
  int step = 0;

  Network& network() { return ground.network(); }
};

namespace {

constexpr milliseconds kStep(200);
constexpr milliseconds kAtTheEnd(1000);

void kill_leader(Scene& scene) {
  scene.ground.cluster().kill(scene.leader);
}

void pause_leader(Scene& scene) {
  scene.ground.cluster().pause(scene.leader);
}

void stall_leader(Scene& scene) {
  scene.ground.control(scene.leader).stall_syncs(true);
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
  const std::uint64_t before = ground.cluster().number(hub, "last_index");
  EXPECT_TRUE(eventually([&] { return ground.cluster().number(scene.leader, "commit_index") > before + 10; }));
}
// The leader is cut off, the others hear the hub alone: it cannot be elected for its log, they cannot for their links.
void constrain(Scene& scene) {
  scene.network().connect_only(all_with(scene.others[0], scene.others));
}
void mend_one_link(Scene& scene) {
  scene.network().mend(scene.others[1], scene.others[2]);
}

std::uint64_t highest_term(harness::Cluster& cluster) {
  std::uint64_t highest = 0;
  for (const int id : cluster.ids()) highest = std::max(highest, cluster.number(id, "term"));
  return highest;
}

void put_right(Scene& scene) {
  harness::Cluster& cluster = scene.ground.cluster();
  scene.network().mend_all();
  scene.network().apply();
  for (const int id : cluster.ids()) {
    scene.ground.control(id).stall_syncs(false);
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
  Scene scene{ground, leader, others, probes};
  const auto nothing = [] { return false; };
  const auto start = now();
  EXPECT_TRUE(eventually([&] { return probes.count(start) > 50; })) << "nothing is wrong, and no writes are taken";
  if (scenario.prepare != nullptr) scenario.prepare(scene);

  const std::uint64_t term = highest_term(cluster);
  model::Time before = now();
  scenario.strike(scene);
  ground.network().apply();
  model::Time begun = now();  // in force everywhere
  if (scenario.relieve != nullptr) {
    // What was on its way is over soon; from then on nothing may be acknowledged.
    watch(scene, scenario, milliseconds(500), nothing);
    const model::Time blocked_since = now();
    watch(scene, scenario, lasting, nothing);
    result.blocked = probes.count(blocked_since);
    before = now();
    scenario.relieve(scene);
    ground.network().apply();
    begun = now();
  }
  result.taken = watch(scene, scenario, harness::kPatience, [&] { return probes.first(begun).has_value(); });
  if (result.taken) result.outage_ms = in_ms(*probes.first(begun) - begun);
  watch(scene, scenario, lasting, nothing);
  const model::Time end = now();
  result.longest_gap_ms = in_ms(probes.longest_gap(before, end));
  result.serving = static_cast<int>(probes.through(end - std::chrono::nanoseconds(kAtTheEnd).count()).size());
  result.terms = highest_term(cluster) - term;
  probes.stop();
  put_right(scene);
  return result;
}

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all{
      {"leader-killed", "kill -9 of the leader", {3, 5}, false, nullptr, kill_leader, nullptr, nullptr},
      {"leader-paused", "SIGSTOP of the leader", {3, 5}, false, nullptr, pause_leader, nullptr, nullptr},
      {"leader-cut-off", "all links of the leader cut", {3, 5}, false, nullptr, cut_leader_off, nullptr, nullptr},
      {"leader-disk-stalls",
       "the leader's fsync does not return",
       {3, 5},
       true,
       nullptr,
       stall_leader,
       nullptr,
       nullptr},
      {"leader-deaf", "the leader can send but not receive", {3, 5}, false, nullptr, deafen_leader, nullptr, nullptr},
      {"leader-mute", "the leader can receive but not send", {3, 5}, false, nullptr, mute_leader, nullptr, nullptr},
      {"one-way-from-leader",
       "one follower does not hear the leader",
       {3, 5},
       false,
       nullptr,
       leader_not_heard_by_one,
       nullptr,
       nullptr},
      {"one-way-to-leader",
       "the leader does not hear one follower",
       {3, 5},
       false,
       nullptr,
       leader_does_not_hear_one,
       nullptr,
       nullptr},
      {"follower-flaps",
       "a follower's links come and go every 0.2 s",
       {3, 5},
       false,
       nullptr,
       flap_follower,
       flap_follower,
       nullptr},
      {"leader-flaps",
       "the leader's links come and go every 0.2 s",
       {3, 5},
       false,
       nullptr,
       flap_leader,
       flap_leader,
       nullptr},
      {"quorum-loss", "all links lost but those to one follower", {5}, false, nullptr, lose_quorum, nullptr, nullptr},
      {"chained",
       "nodes hear their neighbours in a line, the leader at its end",
       {3, 5},
       false,
       nullptr,
       chain,
       nullptr,
       nullptr},
      {"constrained",
       "the leader gone, the others hear one alone, whose log is behind; then one link heals",
       {5},
       false,
       fall_behind,
       constrain,
       nullptr,
       mend_one_link}};
  return all;
}

const Scenario* find_scenario(const std::string& name) {
  const auto& all = scenarios();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Scenario& each) { return each.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace tenaz::chaos
