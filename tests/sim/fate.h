// How a node's process ends while it works: at a chosen step of what it does with its disk and its peers, or because of
// what it found there. From that moment nothing that it still does on the way out of its call has any effect, as if the
// machine had stopped between two instructions.
//
// What the cluster must survive: a crash between any two of these steps, on any node, any number of times.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "tests/sim/world.h"

namespace tenaz::sim {

enum class Step : std::uint8_t {
  write_queued,     // a write was asked for and is lost
  sync_begun,       // the disk has begun with it: none of it, or a part that ends anywhere, is found later
  synced,           // it is durable, and nobody knows
  reported,         // the replica knows, and has not acted on it
  sending,          // some of what it then says has left
  applied,          // entries are applied, and the replica does not know
  flush_begun,      // the state is being made durable
  flushed,          // it is, and the replica does not know
  log_cut,          // the log is compacted, and the replica does not know
  image_made,       // for another node, and not announced
  piece_fetched,    // some pieces of a snapshot are here
  image_fetched,    // all of it, and not yet in force
  image_in_force,   // and the replica does not know
  state_restored,   // one that was missing is in force, and the node has not begun to take part
  started,          // the process has just begun
  peer_remembered,  // what is known of a peer's disk is durable
};
inline constexpr std::size_t kSteps = static_cast<std::size_t>(Step::peer_remembered) + 1;
const char* to_string(Step step);

class Fate {
 public:
  Fate(World& world, std::size_t node) : world_(world), node_(static_cast<std::uint8_t>(node)) {}

  // The process ends when it has passed `step` this many times more; 0: at the next one.
  void arm(Step step, unsigned passes) {
    armed_ = true;
    step_ = step;
    passes_ = passes;
  }
  void disarm() { armed_ = false; }

  // The process is at `step`; true if it goes no further.
  bool ends_at(Step step) {
    if (ended_) return true;
    if (!armed_ || step != step_) return false;
    if (passes_ > 0) {
      --passes_;
      return false;
    }
    armed_ = false;
    ++taken_[static_cast<std::size_t>(step)];
    end(std::string("crashes at the step ") + to_string(step));
    return true;
  }
  void end(std::string why) {
    if (ended_) return;
    ended_ = true;
    why_ = std::move(why);
    Event event{.life = life_, .kind = EventKind::end_of_process};
    event.node = node_;
    world_.post({}, event);
  }
  bool ended() const { return ended_; }
  const std::string& why() const { return why_; }

  void process_begins(std::uint32_t life) {
    life_ = life;
    ended_ = false;
    why_.clear();
  }
  // [step]: how often a process ended there.
  const std::array<std::uint64_t, kSteps>& taken() const { return taken_; }

 private:
  World& world_;
  const std::uint8_t node_;
  std::uint32_t life_ = 0;
  bool armed_ = false;
  Step step_{};
  unsigned passes_ = 0;
  bool ended_ = false;
  std::string why_;
  std::array<std::uint64_t, kSteps> taken_{};
};

}  // namespace tenaz::sim
