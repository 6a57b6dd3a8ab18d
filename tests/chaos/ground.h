// The cluster of a chaos run and all by which it can be hurt: one place that knows who is down, who is cut off, and
// whether a majority is left that must go on. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/chaos/network.h"
#include "tests/integration/harness/cluster.h"
#include "tests/integration/harness/small_disk.h"

namespace tenaz::chaos {

struct GroundOptions {
  int nodes = 5;
  std::uint64_t seed = 1;
  bool preload = false;      // clocks and syncs can be touched
  bool small_disks = false;  // a minority of the nodes have disks that can be filled
  harness::Settings settings;
};

class Ground {
 public:
  // Starts nothing. Not possible() for lack of root or tools: nothing else may be called.
  explicit Ground(const GroundOptions& options);
  ~Ground();  // ends all nodes

  bool possible() const { return why_not_.empty(); }
  const std::string& why_not() const { return why_not_; }

  harness::Cluster& cluster() { return cluster_; }
  Network& network() { return network_; }
  harness::NodeControl& control(int id) { return cluster_.control(id); }
  const std::map<int, std::unique_ptr<harness::SmallDisk>>& small_disks() const { return small_disks_; }

  // --- chance: all of it comes from the seed ------------------------------------------------------------------------
  std::size_t below(std::size_t n) { return n == 0 ? 0 : random_() % n; }
  bool chance(int percent) { return below(100) < static_cast<std::size_t>(percent); }
  // In random order. Lost nodes are not among them.
  std::vector<int> shuffled();
  // So many at most, one at least; where there is a leader, with some chance it is among them.
  std::vector<int> some(std::size_t most);
  // As some(), of those that are up and have no damaged files; perhaps none.
  std::vector<int> some_sound(std::size_t most);
  int one() { return some(1).front(); }

  // --- who is there --------------------------------------------------------------------------------------------------
  std::size_t minority() const { return static_cast<std::size_t>(cluster_.size() - 1) / 2; }
  // How many more may go without losing the majority.
  std::size_t spare() const;
  void down(int id) { down_.insert(id); }  // cannot be counted on for now
  void up(int id) { down_.erase(id); }
  bool is_down(int id) const { return down_.contains(id) || lost_.contains(id); }
  // It does not come back to this ground: its disk has forgotten something. Only ever a minority.
  void lose(int id) { lost_.insert(id); }
  bool is_lost(int id) const { return lost_.contains(id); }
  std::vector<int> remaining() const;  // all but the lost

  // --- damaged disks -------------------------------------------------------------------------------------------------
  enum class Damaged { state, log };
  // This node's files were damaged, and it runs: it may come upon it at any time, and stop.
  void damaged(int id, Damaged what) { damaged_[id] = what; }
  bool is_damaged(int id) const { return damaged_.contains(id); }
  // So many more may be damaged: never more than a minority at a time, whether it has shown or not.
  std::size_t spare_for_damage() const;
  // The node stopped because of it: is started again as its log says, or is lost.
  void revive(int id);
  // As an operator would who knows of a damaged state: takes it away; the node fetches another. A damaged log stays.
  void repair_state(int id);
  std::vector<int> with_damaged_state() const;
  // Some are lost, or their logs damaged, for as long as this ground lasts: less and less can be done to it.
  bool worn() const;

  // Some majority is up, will not stop of damaged files, and is pairwise connected in both directions: it must make
  // progress (design, promise 3).
  bool majority_connected() const;

  void start(int id);

 private:
  harness::Cluster cluster_;
  Network network_;
  std::map<int, std::unique_ptr<harness::SmallDisk>> small_disks_;
  std::string why_not_;
  std::mt19937_64 random_;
  std::vector<int> some_of(std::vector<int> ids, std::size_t most);
  void take_state_away(int id);

  std::set<int> down_, lost_;
  std::map<int, Damaged> damaged_;
};

// With the exit code for a disk that fails a node that runs, or one that starts.
bool stopped_for_its_disk(const std::optional<harness::Exit>& exit);

std::string names(const std::vector<int>& ids);  // " 1 2 3"

}  // namespace tenaz::chaos
