// One node: its disk, its clock, and while it runs, the process on it, which is the production replica with models
// behind its ports.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "server/replica.h"
#include "tests/sim/applier.h"
#include "tests/sim/checker.h"
#include "tests/sim/clock.h"
#include "tests/sim/disk.h"
#include "tests/sim/fate.h"
#include "tests/sim/identity.h"
#include "tests/sim/network.h"
#include "tests/sim/scenario.h"
#include "tests/sim/stored_node.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

// At the beginning of an empty log: the founding one, or none where a node waits to be added.
raft::Configuration configuration_of_a_new_disk(const Scenario& scenario, std::size_t node);

struct Counters {
  std::uint64_t crashes = 0;
  std::uint64_t images = 0;
  std::uint64_t installs = 0;
  std::uint64_t states_restored = 0;
  std::uint64_t elections = 0;
  std::uint64_t fenced = 0;
  std::uint64_t lease_reads = 0;
};

class Machine final : private server::TransportPort, private server::SnapshotPort, private server::Probe {
 public:
  // Finds another node: an image is fetched from its memory.
  using Peers = std::function<Machine&(std::size_t)>;

  Machine(World& world, Network& network, Identities& identities, Checker& checker, const Scenario& scenario,
          std::size_t node, Peers peers, Counters& counters);
  ~Machine() override;

  // --- its process --------------------------------------------------------------------------------------------------
  // Does nothing on a disk that may not be used any more. Where the state is missing it is fetched first.
  void start();
  // Power off: what is not on the disk is gone.
  void crash();
  // SIGTERM: everyone who waits is answered, then the process ends.
  void stop();
  bool running() const { return process_ != nullptr && !fate_.ended(); }
  // Running, or about to be.
  bool up() const { return process_ != nullptr || fetching_state_; }
  // It waits to be added: it knows no member.
  bool joining() const { return running() && process_->replica->core().configuration().members.empty(); }
  // It leads, and the other is a member, as far as it knows.
  bool calls(std::size_t other) const;
  // Clients get an answer here.
  bool serves() const { return running() && !joining(); }
  // Counts the processes that have run here.
  std::uint32_t life() const { return life_; }
  std::uint64_t boot() const { return boot_; }
  std::uint64_t next_sequence() { return ++sequence_; }
  server::Replica& replica() { return *process_->replica; }
  // In the real-storage tier it is compared with what is stored.
  const KvState& state() const {
    process_->applier.compare();
    return process_->applier.state();
  }
  Fate& fate() { return fate_; }

  // --- what is done to it -------------------------------------------------------------------------------------------
  // Nothing of it moves on until then, but its clock and its disk's controller.
  void pause(raft::Instant until) { paused_until_ = std::max(paused_until_, until); }
  bool paused() const { return paused_until_ > world_.now(); }
  raft::Instant paused_until() const { return paused_until_; }
  // From now on each event costs up to this much of its processor; 0: nothing.
  void slow_cpu(raft::Duration cost) { cpu_cost_ = cost; }
  raft::Instant busy_until() const { return std::max(paused_until_, busy_until_); }
  void set_disk_low(bool low);
  // Of the running process.
  ModelLog& log() { return process_->log; }
  Applier& applier() { return process_->applier; }
  // Its clock gains this much more than the scenario says.
  void set_clock_rate(std::int64_t ppm);
  void jump_wall_clock(std::int64_t ms) { wall_ms_ += ms; }
  // All disturbances end, also those that come by themselves.
  void calm();

  // --- membership (machine_members.cc) ------------------------------------------------------------------------------
  // As Host::change_membership. Of the running process.
  void change_membership(raft::MembershipChange change, raft::Instant deadline, server::ChangeDone done);
  // It is removed from the cluster, and now knows it, by its own log or from another node.
  void note_removal(const std::string& source);
  // That is durable: the program stops.
  void leave();

  // --- its disk -----------------------------------------------------------------------------------------------------
  const Disk& disk() const { return disk_; }
  // At the next crash the state is gone, the log is not.
  void lose_state_at_crash() { loses_state_ = true; }
  bool state_in_danger() const {
    return loses_state_ || state_damaged_ || disk_.state_is_missing() || (process_ && process_->applier.corrupted());
  }
  // While it does not run. A disk that lost something that was promised is never relied on again.
  void empty_disk();
  Disk copy_of_disk() const;
  void put_back(Disk copy);
  // A block of the log cannot be read any more. In the real-storage tier the process ends with it.
  void break_log(raft::Index index, Random& random);
  void corrupt_state(Random& random);
  // Names and sizes of what is stored; 0 in the model tier.
  std::uint64_t stored_fingerprint() const { return stored_ ? stored_->tree().fingerprint() : 0; }
  void write_off() { written_off_ = true; }
  bool written_off() const { return written_off_; }

  // --- its clock ----------------------------------------------------------------------------------------------------
  raft::Instant local_now() const { return clock_.local(world_.now()); }
  raft::Instant true_time(raft::Instant local) const { return clock_.when(local); }

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
    std::uint64_t pieces_missing = 0;
    raft::Instant give_up_at;  // on its source, if that cannot be reached
    bool carry_out_posted = false;
    bool removal_noted = false;
    raft::Instant tick_at = raft::Instant::max();  // by its own clock
    unsigned idle_ticks = 0;
  };

  // server::TransportPort, server::SnapshotPort, server::Probe
  bool send(raft::NodeId to, server::PeerMessage message) override;
  void set_members(const std::vector<raft::Member>& members, const std::vector<raft::NodeId>& retired) override;
  void make_image(raft::NodeId peer) override;
  void install(const raft::Output::Install& install) override;
  void hurry() override;
  void role_changed(raft::Role role, raft::Term term) override;
  void election_started(raft::Term term, bool pre_vote) override;
  void peer_rolled_back(raft::NodeId peer) override;
  void lease_reads(std::size_t reads) override;

  void take_part();
  void carry_out();
  void inspect();
  void schedule_tick();
  void tick();

  // machine_storage.cc: the real-storage tier
  bool open_stored();
  bool match_stored();
  void lose_power();
  bool receive_stored(Machine& source, const std::string& image, bool last);
  bool restore_stored(Machine& source, const raft::SnapshotMeta& meta);

  // machine_images.cc
  void image_made(raft::NodeId peer);
  raft::Duration piece_time();
  void fetched_piece();
  void installed();
  void fetch_state();
  bool restore_state_from(Machine& source);

  Event event(EventKind kind) const;
  bool reaches(const Machine& other) const;
  void seek_cluster();

  World& world_;
  Network& network_;
  Identities& identities_;
  Checker& checker_;
  const Scenario& scenario_;
  const std::size_t node_;
  Peers peers_;
  Counters& counters_;
  Random random_;
  Disk disk_;
  bool loses_state_ = false;
  bool written_off_ = false;
  std::unique_ptr<StoredNode> stored_;  // null: model storage
  std::vector<Disk> may_be_found_;      // by the model, when it is next opened
  bool log_damaged_ = false;
  bool state_damaged_ = false;
  Clock clock_;
  std::int64_t wall_ms_ = 0;
  Fate fate_;
  std::uint32_t life_ = 0;
  std::uint64_t boot_ = 0;
  std::uint64_t sequence_ = 0;
  std::size_t asked_ = 0;  // how often another was, by a node that waits to be added
  std::uint64_t images_made_ = 0;
  bool fetching_state_ = false;
  raft::Instant paused_until_;
  raft::Instant busy_until_;
  raft::Instant asked_at_ = raft::Instant::max();  // the first call of the replica that is yet to be carried out
  raft::Duration cpu_cost_{};
  std::unique_ptr<Process> process_;
};

}  // namespace tenaz::sim
