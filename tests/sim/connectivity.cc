#include "tests/sim/connectivity.h"

#include <algorithm>

#include "tests/sim/cluster.h"

namespace tenaz::sim {
namespace {

constexpr raft::Duration kWatched = seconds(20);
constexpr raft::Duration kAskedEvery = milliseconds(20);
constexpr raft::Duration kPatience = seconds(2);

// What one scenario does to the links, and to disks.
struct Links {
  Ways cut;
  struct Flapping {
    Ways ways;
    raft::Duration up;  // at most; each time at least half of it
    raft::Duration down;
    bool is_down = false;
  };
  std::vector<Flapping> flapping;
  std::vector<std::size_t> stalled;  // whose disks do not answer
  std::vector<std::size_t> asked;    // who is asked to accept writes; empty: all
};

class Story {
 public:
  Story(const std::string& name, std::size_t nodes, std::uint64_t seed, std::FILE* trace);
  ConnectivityOutcome run();

 private:
  Scenario make_scenario(std::size_t nodes, std::uint64_t seed);
  void settle();
  Links links();
  Links promise_three();
  Links working_majority();
  void flap_all(Links& links, std::size_t node);
  void begin(Links links);
  void on(const Event& event);
  void watch(raft::Duration time);
  void ask();
  void stale_log(std::size_t leader);
  void heal_one_link();
  void finish();

  World& world() { return cluster_.world(); }
  std::size_t nodes() const { return scenario_.nodes; }
  std::optional<std::size_t> leader();
  std::size_t other_than(std::size_t node) {
    return (node + 1 + static_cast<std::size_t>(random_.below(nodes() - 1))) % nodes();
  }
  raft::Duration period() {
    // From a few milliseconds to two seconds, each magnitude as likely as the next.
    const raft::Duration longest = microseconds(2'000'000 >> random_.below(9));
    return random_.between(longest / 2, longest);
  }

  const std::string name_;
  Random random_;
  const Scenario scenario_;
  Cluster cluster_;
  Links links_;
  std::size_t stale_ = 0;
  std::vector<std::size_t> up_to_date_;
  struct Asked {
    std::shared_ptr<Clients::Probe> probe;
    raft::Instant at;
  };
  std::vector<Asked> open_;
  std::size_t next_asked_ = 0;
  std::optional<raft::Instant> first_accepted_;
  raft::Instant last_accepted_;
  ConnectivityOutcome outcome_;
};

Story::Story(const std::string& name, std::size_t nodes, std::uint64_t seed, std::FILE* trace)
    : name_(name),
      random_(seed, 6),
      scenario_(make_scenario(nodes, seed)),
      cluster_(seed, 0, scenario_, trace, [this](const Event& event) { on(event); }) {}

Scenario Story::make_scenario(std::size_t nodes, std::uint64_t seed) {
  Scenario scenario = plain_scenario(nodes);
  Random random(seed, 7);
  scenario.network.delay_max = microseconds(random.between(300, 20'000));
  scenario.disk.sync_max = microseconds(random.between(300, 10'000));
  // Some need a snapshot when they come back.
  if (random.chance(300)) scenario.log_retain = random.between(0, 10);
  scenario.flush_interval = milliseconds(random.between(50, 1000));
  for (std::int64_t& ppm : scenario.clock_ppm) ppm = static_cast<std::int64_t>(random.below(2001)) - 1000;
  return scenario;
}

std::optional<std::size_t> Story::leader() {
  std::optional<std::size_t> found;
  raft::Term term;
  for (std::size_t node = 0; node < nodes(); ++node) {
    const raft::Core& core = cluster_.machines()[node]->replica().core();
    if (core.role() != raft::Role::leader || core.term() < term) continue;
    found = node;
    term = core.term();
  }
  return found;
}

void Story::settle() {
  cluster_.start();
  cluster_.clients().start();
  for (std::size_t node = 0; node < nodes(); ++node)
    if (!cluster_.accepts_a_write({node}, seconds(10)) && !world().failed())
      return world().fail("the cluster does not come up");
  cluster_.run_for(random_.between(raft::Duration{}, seconds(2)));
}

void Story::flap_all(Links& links, std::size_t node) {
  const raft::Duration up = period();
  const raft::Duration down = period();
  links.flapping.push_back({isolate(nodes(), node), up, down});
}

// Some majority is pairwise connected. Every other direction of every link is whole, cut, or comes and goes.
Links Story::promise_three() {
  Links links;
  links.asked = shuffled(nodes(), random_);
  links.asked.resize(nodes() / 2 + 1);
  const auto inside = [&links](std::size_t node) {
    return std::find(links.asked.begin(), links.asked.end(), node) != links.asked.end();
  };
  const std::uint64_t cut = random_.below(1000);
  for (std::size_t from = 0; from < nodes(); ++from)
    for (std::size_t to = 0; to < nodes(); ++to) {
      if (from == to || (inside(from) && inside(to))) continue;
      if (random_.chance(cut))
        links.cut.emplace_back(from, to);
      else if (random_.chance(500))
        links.flapping.push_back({{{from, to}}, period(), period()});
    }
  return links;
}

// As promise_three(), and most disks outside that majority do not answer.
Links Story::working_majority() {
  Links links = promise_three();
  for (std::size_t node = 0; node < nodes(); ++node)
    if (std::find(links.asked.begin(), links.asked.end(), node) == links.asked.end() && random_.chance(700))
      links.stalled.push_back(node);
  return links;
}

Links Story::links() {
  const std::size_t boss = leader().value_or(0);
  Links links;
  if (name_ == "isolated-leader") {
    links.cut = isolate(nodes(), boss);
  } else if (name_ == "quorum-loss") {
    links.cut = star(nodes(), other_than(boss));
  } else if (name_ == "chained") {
    links.cut = chain(shuffled(nodes(), random_));
  } else if (name_ == "constrained") {
    links.cut = isolate(nodes(), boss);
    for (const Way& way : star(nodes(), stale_))
      if (way.first != boss && way.second != boss) links.cut.push_back(way);
    std::erase_if(up_to_date_, [boss](std::size_t node) { return node == boss; });
  } else if (name_ == "bridge") {
    const std::vector<std::size_t> order = shuffled(nodes(), random_);
    std::uint64_t side = 0;
    for (std::size_t i = 0; i < nodes() / 2; ++i) side |= std::uint64_t{1} << order[i];
    links.cut = bridge(nodes(), side, order.back());
  } else if (name_ == "deaf-leader") {
    links.cut = deafen(nodes(), boss);
  } else if (name_ == "mute-leader") {
    links.cut = mute(nodes(), boss);
  } else if (name_ == "one-way") {
    // Between the leader and one follower, or between two followers.
    const std::size_t a = random_.chance(700) ? boss : other_than(boss);
    const std::size_t b = other_than(a);
    links.cut.emplace_back(random_.chance(500) ? Way(a, b) : Way(b, a));
  } else if (name_ == "flapping") {
    flap_all(links, random_.chance(500) ? boss : other_than(boss));
  } else if (name_ == "flapping-link") {
    Ways link;
    add_both(link, boss, other_than(boss));
    links.flapping.push_back({link, period(), period()});
  } else if (name_ == "working-majority") {
    links = working_majority();
  } else {
    links = promise_three();
  }
  return links;
}

void Story::begin(Links links) {
  links_ = std::move(links);
  if (links_.asked.empty()) links_.asked = shuffled(nodes(), random_);
  if (world().tracing()) {
    std::string lost;
    for (const auto& [from, to] : links_.cut) lost += " " + std::to_string(from + 1) + ">" + std::to_string(to + 1);
    for (const auto& flapping : links_.flapping)
      for (const auto& [from, to] : flapping.ways)
        lost += " " + std::to_string(from + 1) + "~" + std::to_string(to + 1);
    world().note(name_ + ": cut (>) and coming and going (~):" + lost);
  }
  for (const std::size_t node : links_.stalled) {
    world().note(node_name(node) + "'s disk stalls");
    cluster_.machines()[node]->log().stall(world().now() + kWatched);
  }
  cluster_.network().cut(links_.cut);
  for (std::size_t i = 0; i < links_.flapping.size(); ++i)
    world().post(random_.between(raft::Duration{}, links_.flapping[i].up), Event{.number = i, .kind = EventKind::flap});
}

void Story::on(const Event& event) {
  if (event.kind != EventKind::flap || event.number >= links_.flapping.size()) return;
  Links::Flapping& flapping = links_.flapping[event.number];
  flapping.is_down = !flapping.is_down;
  if (flapping.is_down)
    cluster_.network().cut(flapping.ways);
  else
    cluster_.network().mend(flapping.ways);
  const raft::Duration longest = flapping.is_down ? flapping.down : flapping.up;
  world().post(random_.between(longest / 2, longest), event);
}

// One write at a node, and the next time at the next one.
void Story::ask() {
  const std::size_t node = links_.asked[next_asked_++ % links_.asked.size()];
  open_.push_back({cluster_.clients().probe(node, kPatience), world().now()});
}

void Story::watch(raft::Duration time) {
  const raft::Instant begun = world().now();
  first_accepted_.reset();
  last_accepted_ = begun;
  outcome_.longest_gap = {};
  open_.clear();
  while (world().now() < begun + time && !world().failed()) {
    ask();
    const raft::Instant next = world().now() + kAskedEvery;
    while (cluster_.run_until(next, [this] {
      return std::any_of(open_.begin(), open_.end(), [](const Asked& asked) { return asked.probe->answered; });
    })) {
      for (const Asked& asked : open_) {
        if (!asked.probe->accepted) continue;
        if (!first_accepted_)
          first_accepted_ = world().now();
        else
          outcome_.longest_gap = std::max<raft::Duration>(outcome_.longest_gap, world().now() - last_accepted_);
        last_accepted_ = world().now();
      }
      std::erase_if(open_, [](const Asked& asked) { return asked.probe->answered; });
    }
  }
  if (first_accepted_)
    outcome_.longest_gap = std::max<raft::Duration>(outcome_.longest_gap, begun + time - last_accepted_);
}

// The node that will see a quorum misses what the others commit.
void Story::stale_log(std::size_t boss) {
  stale_ = other_than(boss);
  for (std::size_t node = 0; node < nodes(); ++node)
    if (node != stale_) up_to_date_.push_back(node);
  Ways ways;
  add_both(ways, boss, stale_);
  cluster_.network().cut(ways);
  world().note(node_name(stale_) + " no longer hears the leader");
  for (int writes = 0; writes < 5; ++writes) (void)cluster_.accepts_a_write({boss}, seconds(5));
  // All others have them before the leader is gone.
  const auto level = [this, boss] {
    const raft::Index last = cluster_.machines()[boss]->disk().last_index();
    return std::all_of(up_to_date_.begin(), up_to_date_.end(),
                       [&](std::size_t node) { return cluster_.machines()[node]->disk().last_index() == last; });
  };
  cluster_.run_until(world().now() + seconds(5), level);
  cluster_.network().mend(ways);
}

// Between two nodes whose logs are complete: with the stale one they are a connected majority.
void Story::heal_one_link() {
  const std::size_t a = up_to_date_[random_.below(up_to_date_.size())];
  std::size_t b = a;
  while (b == a) b = up_to_date_[random_.below(up_to_date_.size())];
  Ways link;
  add_both(link, a, b);
  world().note("the link between " + node_name(a) + " and " + node_name(b) + " heals");
  cluster_.network().mend(link);
  const raft::Instant healed = world().now();
  const ConnectivityOutcome before = outcome_;
  watch(kWatched);
  if (first_accepted_) outcome_.recovery_by_one_link = *first_accepted_ - healed;
  outcome_.recovery = before.recovery;
  if (!first_accepted_) world().fail("no write is accepted after the link has healed");
}

void Story::finish() {
  links_ = {};
  cluster_.network().heal();
  std::vector<std::size_t> all = shuffled(nodes(), random_);
  for (const std::size_t node : all)
    if (!cluster_.accepts_a_write({node}, kConnectivityBound) && !world().failed())
      world().fail(node_name(node) + " accepts no write when all links are whole");
  cluster_.clients().stop();
  const auto settled = [&] { return cluster_.clients().idle() && cluster_.converged(all); };
  if (!cluster_.run_until(world().now() + seconds(30), settled) && !world().failed())
    world().fail("the nodes do not come to the same state");
  cluster_.judge();
}

ConnectivityOutcome Story::run() {
  settle();
  const std::optional<std::size_t> boss = leader();
  if (name_ == "constrained" && boss) stale_log(*boss);
  const raft::Instant changed = world().now();
  begin(links());
  watch(kWatched);
  if (first_accepted_) outcome_.recovery = *first_accepted_ - changed;
  const raft::Duration bound = name_ == "working-majority" ? kWorkingMajorityBound : kConnectivityBound;
  if (must_recover(name_, nodes())) {
    if (!outcome_.recovery)
      world().fail("no write is accepted");
    else if (*outcome_.recovery > bound || outcome_.longest_gap > bound)
      world().fail("writes are accepted too late, or with too long a pause between");
  } else if (outcome_.recovery) {
    world().fail("a write is accepted, which Raft cannot do: the scenario is not what it should be");
  }
  if (name_ == "constrained" && !must_recover(name_, nodes()) && !world().failed()) heal_one_link();
  finish();
  outcome_.failure = world().failure();
  outcome_.fingerprint = cluster_.fingerprint();
  outcome_.simulated_seconds = std::chrono::duration<double>(world().since_start()).count();
  return outcome_;
}

}  // namespace

const std::vector<Connectivity>& connectivities() {
  static const std::vector<Connectivity> all = {
      {"isolated-leader", "nothing reaches the leader, and nothing comes from it"},
      {"quorum-loss", "all hear only one node, which is not the leader (Omni-Paxos)"},
      {"chained", "each node hears only its neighbours in a row (Omni-Paxos)"},
      {"constrained", "the leader is gone, and all others hear only a node that lacks committed entries (Omni-Paxos)"},
      {"bridge", "two halves that do not hear each other, and one node that hears both"},
      {"one-way", "one direction of one link is cut"},
      {"deaf-leader", "the leader can send, and hears nobody"},
      {"mute-leader", "the leader hears all, and nobody hears it"},
      {"flapping", "all links of one node come and go"},
      {"flapping-link", "the link between the leader and one node comes and goes"},
      {"connected-majority",
       "some majority is pairwise connected; any other direction is whole, cut, or comes and goes"},
      {"working-majority", "the same, and disks outside that majority do not answer"}};
  return all;
}

bool is_connectivity(const std::string& name) {
  const auto& all = connectivities();
  return std::any_of(all.begin(), all.end(), [&name](const Connectivity& each) { return name == each.name; });
}

bool must_recover(const std::string& name, std::size_t nodes) {
  return name != "constrained" || nodes < 5;
}

ConnectivityOutcome run_connectivity(const std::string& name, std::size_t nodes, std::uint64_t seed, std::FILE* trace) {
  return Story(name, nodes, seed, trace).run();
}

}  // namespace tenaz::sim
