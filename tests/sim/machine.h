// One node: its disk, and while it runs, the process on it, which is the production replica with models behind its
// ports.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "server/replica.h"
#include "tests/sim/applier.h"
#include "tests/sim/checker.h"
#include "tests/sim/disk.h"
#include "tests/sim/network.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

struct Counters {
  std::uint64_t crashes = 0;
  std::uint64_t images = 0;
  std::uint64_t installs = 0;
  std::uint64_t elections = 0;
};

class Machine final : private server::TransportPort, private server::SnapshotPort, private server::Probe {
 public:
  // Finds another node: an image is fetched from its memory.
  using Peers = std::function<Machine&(std::size_t)>;

  Machine(World& world, Network& network, Checker& checker, const Scenario& scenario, std::size_t node, Peers peers,
          Counters& counters);
  ~Machine() override;

  void start();
  // Power off: what is not on the disk is gone.
  void crash();
  // SIGTERM: everyone who waits is answered, then the process ends.
  void stop();
  void pause(raft::Instant until) { paused_until_ = std::max(paused_until_, until); }
  void stall_disk(raft::Instant until);
  void set_disk_low(bool low);

  bool running() const { return process_ != nullptr; }
  bool paused() const { return paused_until_ > world_.now(); }
  raft::Instant paused_until() const { return paused_until_; }
  // Counts the processes that have run here.
  std::uint32_t life() const { return life_; }
  std::uint64_t boot() const { return boot_; }
  std::uint64_t next_sequence() { return ++sequence_; }
  server::Replica& replica() { return *process_->replica; }
  const KvState& state() const { return process_->applier.state(); }
  const Disk& disk() const { return disk_; }

  // Carries out an event of this node; one of an earlier process does nothing.
  void handle(const Event& event);
  void receive(std::size_t from, server::PeerMessage message);
  // After calls into the replica: carries out what they brought about, at once or a little later, as a busy loop would.
  void attend();

 private:
  struct Process {
    Process(Machine& machine, std::uint32_t life);
    ModelLog log;
    Applier applier;
    std::unique_ptr<server::Replica> replica;
    std::map<std::string, KvState> images;
    std::deque<std::pair<raft::NodeId, std::string>> image_order;
    std::optional<raft::Output::Install> installing;
    raft::Instant give_up_at;  // on its source, if that cannot be reached
    bool carry_out_posted = false;
    raft::Instant tick_at = raft::Instant::max();
    unsigned idle_ticks = 0;
  };

  // server::TransportPort, server::SnapshotPort, server::Probe
  bool send(raft::NodeId to, server::PeerMessage message) override;
  void make_image(raft::NodeId peer) override;
  void install(const raft::Output::Install& install) override;
  void hurry() override;
  void role_changed(raft::Role role, raft::Term term) override;
  void election_started(raft::Term term, bool pre_vote) override;
  void peer_rolled_back(raft::NodeId peer) override;

  void carry_out();
  void inspect();
  void schedule_tick();
  void tick();
  void image_made(raft::NodeId peer);
  void fetched();
  Event event(EventKind kind) const;

  World& world_;
  Network& network_;
  Checker& checker_;
  const Scenario& scenario_;
  const std::size_t node_;
  Peers peers_;
  Counters& counters_;
  Random random_;
  Disk disk_;
  std::uint32_t life_ = 0;
  std::uint64_t boot_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t images_made_ = 0;
  raft::Instant paused_until_;
  std::unique_ptr<Process> process_;
};

}  // namespace tenaz::sim
