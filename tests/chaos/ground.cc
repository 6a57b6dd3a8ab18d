#include "tests/chaos/ground.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <iostream>

#include "tests/integration/harness/damage.h"

namespace tenaz::chaos {

namespace {

constexpr unsigned kSmallDiskMebibytes = 192;

// Exit codes of tenazd.
constexpr int kCannotStart = 3;
constexpr int kStorageFailed = 4;

}  // namespace

Ground::Ground(const GroundOptions& options)
    : cluster_(options.nodes, options.settings, "chaos"),
      network_(options.nodes, cluster_.directory() / "network"),
      random_(options.seed) {
  why_not_ = network_.why_not();
  if (!possible()) return;
  network_.place(cluster_);
  if (options.preload) cluster_.prepare_controls();
  if (!options.small_disks) return;
  for (std::size_t n = 1; n <= minority(); ++n) {
    const int id = static_cast<int>(n);
    auto disk =
        std::make_unique<harness::SmallDisk>(cluster_.directory(), kSmallDiskMebibytes, "disk-" + std::to_string(id));
    if (!disk->mounted()) why_not_ = disk->why_not();
    cluster_.set_data_dir(id, disk->path() / "data");
    small_disks_[id] = std::move(disk);
  }
}

Ground::~Ground() {
  cluster_.kill_all();
}

std::vector<int> Ground::remaining() const {
  std::vector<int> ids = cluster_.ids();
  std::erase_if(ids, [this](int id) { return is_lost(id); });
  return ids;
}

std::vector<int> Ground::shuffled() {
  std::vector<int> ids = remaining();
  std::shuffle(ids.begin(), ids.end(), random_);
  return ids;
}

std::vector<int> Ground::some(std::size_t most) {
  return some_of(shuffled(), most);
}

std::vector<int> Ground::some_sound(std::size_t most) {
  std::vector<int> ids = shuffled();
  std::erase_if(ids, [this](int id) { return is_down(id) || is_damaged(id); });
  return ids.empty() || most == 0 ? std::vector<int>{} : some_of(std::move(ids), most);
}

std::vector<int> Ground::some_of(std::vector<int> ids, std::size_t most) {
  const std::size_t count = 1 + below(std::min(std::max<std::size_t>(most, 1), ids.size()));
  const bool leader_too = chance(50);
  const int leader = leader_too ? cluster_.leader() : 0;
  if (const auto found = std::find(ids.begin(), ids.end(), leader); found != ids.end())
    std::iter_swap(ids.begin(), found);
  ids.resize(count);
  return ids;
}

std::size_t Ground::spare() const {
  std::set<int> gone = down_;
  gone.insert(lost_.begin(), lost_.end());
  return gone.size() >= minority() ? 0 : minority() - gone.size();
}

std::size_t Ground::spare_for_damage() const {
  std::set<int> gone = down_;
  gone.insert(lost_.begin(), lost_.end());
  for (const auto& [id, what] : damaged_) gone.insert(id);
  return gone.size() >= minority() ? 0 : minority() - gone.size();
}

std::vector<int> Ground::with_damaged_state() const {
  std::vector<int> ids;
  for (const auto& [id, what] : damaged_) {
    if (what == Damaged::state) ids.push_back(id);
  }
  return ids;
}

bool Ground::worn() const {
  return !lost_.empty() ||
         std::any_of(damaged_.begin(), damaged_.end(), [](const auto& each) { return each.second == Damaged::log; });
}

void Ground::take_state_away(int id) {
  std::filesystem::remove_all(harness::state_directory(cluster_.data_dir(id)));
  damaged_.erase(id);
}

void Ground::repair_state(int id) {
  cluster_.kill(id);
  take_state_away(id);
  start(id);
}

void Ground::revive(int id) {
  const std::string log = cluster_.log(id);
  const std::size_t critical = log.rfind(" critical ");  // what it stopped of this time
  const std::string last = critical == std::string::npos ? log : log.substr(log.rfind('\n', critical) + 1);
  if (last.find("move this directory out of the data directory and start again") != std::string::npos) {
    take_state_away(id);
    start(id);
    return;
  }
  std::cout << "node " << id << " is lost: " << last;
  damaged_.erase(id);
  up(id);
  lose(id);
}

bool Ground::majority_connected() const {
  const int nodes = cluster_.size();
  for (unsigned set = 0; set < 1u << nodes; ++set) {
    if (std::popcount(set) <= nodes / 2) continue;
    bool connected = true;
    for (int a = 1; connected && a <= nodes; ++a) {
      if ((set >> (a - 1) & 1) == 0) continue;
      connected = !is_down(a) && !is_damaged(a);
      for (int b = 1; connected && b < a; ++b) connected = (set >> (b - 1) & 1) == 0 || network_.connected(a, b);
    }
    if (connected) return true;
  }
  return false;
}

void Ground::start(int id) {
  cluster_.start(id);
  up(id);
}

bool stopped_for_its_disk(const std::optional<harness::Exit>& exit) {
  return exit && exit->signal == 0 && (exit->code == kCannotStart || exit->code == kStorageFailed);
}

std::string names(const std::vector<int>& ids) {
  std::string text;
  for (const int id : ids) text += " " + std::to_string(id);
  return text;
}

}  // namespace tenaz::chaos
