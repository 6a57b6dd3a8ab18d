// Processes: killed, paused, and with a wall clock that jumps.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/chaos/fault.h"

namespace tenaz::chaos {
namespace {

// One, some, a majority or all; killed, and perhaps once more while they come up.
class Kill final : public Fault {
 public:
  explicit Kill(Ground& ground) : ground_(ground) {}

  std::string begin() override {
    killed_ = ground_.some(ground_.chance(30) ? ground_.remaining().size() : ground_.minority());
    for (const int id : killed_) ground_.cluster().signal(id, SIGKILL);
    for (const int id : killed_) {
      ground_.cluster().kill(id);
      ground_.down(id);
    }
    return "killed" + names(killed_);
  }

  void heal() override {
    for (const int id : killed_) ground_.start(id);
    if (!ground_.chance(30)) return;
    for (const int id : killed_) ground_.cluster().restart(id);
  }

 private:
  Ground& ground_;
  std::vector<int> killed_;
};

// SIGSTOP: for its peers it is gone, and it does not know for how long it was.
class Pause final : public Fault {
 public:
  explicit Pause(Ground& ground) : ground_(ground) {}

  std::string begin() override {
    paused_ = ground_.some(ground_.chance(30) ? ground_.remaining().size() : ground_.minority());
    for (const int id : paused_) {
      ground_.cluster().pause(id);
      ground_.down(id);
    }
    return "paused" + names(paused_);
  }

  void heal() override {
    for (const int id : paused_) {
      ground_.cluster().resume(id);
      ground_.up(id);
    }
  }

 private:
  Ground& ground_;
  std::vector<int> paused_;
};

// Forwards or back, by hours to years; and again when it is undone. Nobody is harmed by it.
class WallClock final : public Fault {
 public:
  explicit WallClock(Ground& ground) : ground_(ground) {}

  std::string begin() override {
    using std::chrono::hours;
    constexpr hours kJumps[] = {hours(1), hours(-1), hours(24), hours(-24), hours(24 * 3650), hours(-24 * 3650)};
    jumped_ = ground_.some(ground_.remaining().size());
    std::string text = "wall clocks";
    for (const int id : jumped_) {
      const hours jump = kJumps[ground_.below(std::size(kJumps))];
      reads_.push_back(ground_.control(id).wall_reads());
      ground_.control(id).set_wall_clock_off(jump);
      text += " " + std::to_string(id) + ":" + std::to_string(jump.count()) + "h";
    }
    return text;
  }

  void heal() override {
    for (std::size_t i = 0; i < jumped_.size(); ++i) {
      harness::NodeControl& control = ground_.control(jumped_[i]);
      EXPECT_TRUE(ground_.is_down(jumped_[i]) || ground_.is_damaged(jumped_[i]) ||
                  harness::eventually([&] { return control.wall_reads() > reads_[i]; }))
          << "node " << jumped_[i] << " never looked at its wall clock";
      control.set_wall_clock_off({});
    }
  }

 private:
  Ground& ground_;
  std::vector<int> jumped_;
  std::vector<std::uint64_t> reads_;
};

template <class T>
std::unique_ptr<Fault> make(Ground& ground) {
  return std::make_unique<T>(ground);
}

}  // namespace

std::vector<FaultKind> process_faults() {
  return {{"kill", "kill -9 of one, some or all, and a restart", false, false, make<Kill>},
          {"pause", "SIGSTOP of one, some or all", false, false, make<Pause>},
          {"clock", "wall clocks jump by hours to years", true, false, make<WallClock>}};
}

}  // namespace tenaz::chaos
