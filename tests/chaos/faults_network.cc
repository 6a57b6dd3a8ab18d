// The network between the nodes; clients reach all of them.
#include "tests/chaos/fault.h"

namespace tenaz::chaos {
namespace {

class NetworkFault : public Fault {
 public:
  explicit NetworkFault(Ground& ground) : ground_(ground) {}

  std::string begin() override {
    const std::string what = draw();
    ground_.network().apply();
    return what;
  }
  void heal() override {}  // all links are mended before anything is healed

 protected:
  virtual std::string draw() = 0;

  int nodes() const { return ground_.cluster().size(); }
  Network& network() { return ground_.network(); }
  // Two different ones; with some chance the first is the leader.
  std::pair<int, int> two() {
    const int a = ground_.one();
    int b = a;
    while (b == a) b = static_cast<int>(ground_.below(static_cast<std::size_t>(nodes()))) + 1;
    return {a, b};
  }

  Ground& ground_;
};

// Two groups that do not hear each other, by cut cables or by firewalls that answer.
class Partition final : public NetworkFault {
 public:
  using NetworkFault::NetworkFault;

 private:
  std::string draw() override {
    std::vector<int> one_side = ground_.some(static_cast<std::size_t>(nodes()) - 1);
    const bool refused = ground_.chance(30);
    for (const int a : one_side) {
      for (int b = 1; b <= nodes(); ++b) {
        if (std::find(one_side.begin(), one_side.end(), b) == one_side.end())
          network().lose_both_ways(a, b, refused ? kResetMessages : kDropPackets);
      }
    }
    return std::string(refused ? "refused" : "cut off") + names(one_side);
  }
};

// Some pairs do not hear each other, others do: not a partition.
class Pairs final : public NetworkFault {
 public:
  using NetworkFault::NetworkFault;

 private:
  std::string draw() override {
    std::string text = "cut";
    const std::size_t count = 1 + ground_.below(static_cast<std::size_t>(nodes()));
    for (std::size_t i = 0; i < count; ++i) {
      const auto [a, b] = two();
      network().lose_both_ways(a, b, kDropPackets);
      text += " " + std::to_string(a) + "-" + std::to_string(b);
    }
    return text;
  }
};

// One hears the other, who does not hear it.
class OneWay final : public NetworkFault {
 public:
  using NetworkFault::NetworkFault;

 private:
  std::string draw() override {
    const bool packets = ground_.chance(30);
    std::string text = packets ? "one-way packets" : "one-way messages";
    const std::size_t count = 1 + ground_.below(3);
    for (std::size_t i = 0; i < count; ++i) {
      const auto [a, b] = two();
      network().lose(a, b, packets ? kDropPackets : kDropMessages);
      text += " " + std::to_string(a) + "-/->" + std::to_string(b);
    }
    return text;
  }
};

// A node that can send but not receive, or the other way round.
class Deaf final : public NetworkFault {
 public:
  using NetworkFault::NetworkFault;

 private:
  std::string draw() override {
    const int id = ground_.one();
    const bool mute = ground_.chance(40);
    for (int other = 1; other <= nodes(); ++other) {
      if (other == id) continue;
      if (mute)
        network().lose(id, other, kDropMessages);
      else
        network().lose(other, id, kDropMessages);
    }
    return std::string(mute ? "mute" : "deaf") + names({id});
  }
};

// Packets get lost by chance, everywhere or around one node.
class LossyLinks final : public NetworkFault {
 public:
  using NetworkFault::NetworkFault;

 private:
  std::string draw() override {
    const int percent = 5 + static_cast<int>(ground_.below(40));
    const Loss loss{Loss::What::packets, Loss::How::sometimes, percent};
    const int id = ground_.chance(50) ? ground_.one() : 0;
    for (int a = 1; a <= nodes(); ++a) {
      for (int b = 1; b <= nodes(); ++b) {
        if (a != b && (id == 0 || a == id || b == id)) network().lose(a, b, loss);
      }
    }
    return std::to_string(percent) + "% loss" + (id == 0 ? " everywhere" : " around" + names({id}));
  }
};

// One node comes and goes.
class Flapping final : public NetworkFault {
 public:
  using NetworkFault::NetworkFault;

  void go_on() override {
    away_ = !away_;
    if (away_)
      network().isolate(id_);
    else
      for (int other = 1; other <= nodes(); ++other) network().mend(id_, other);
    network().apply();
  }
  void heal() override { ground_.up(id_); }

 private:
  std::string draw() override {
    id_ = ground_.one();
    network().isolate(id_);
    ground_.down(id_);  // not to be counted on, though it is there now and then
    return "flapping" + names({id_});
  }

  int id_ = 0;
  bool away_ = true;
};

template <class T>
std::unique_ptr<Fault> make(Ground& ground) {
  return std::make_unique<T>(ground);
}

}  // namespace

std::vector<FaultKind> network_faults() {
  return {{"partition", "two groups that do not hear each other", false, false, make<Partition>},
          {"pairs", "some pairs do not hear each other", false, false, make<Pairs>},
          {"one-way", "some do not hear others, who hear them", false, false, make<OneWay>},
          {"deaf", "a node that can send but not receive, or receive but not send", false, false, make<Deaf>},
          {"loss", "packets get lost by chance", false, false, make<LossyLinks>},
          {"flap", "one node's links come and go", false, false, make<Flapping>}};
}

}  // namespace tenaz::chaos
