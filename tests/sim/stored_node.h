// One node's data directory under the production storage code: Raft log, state machine, images, on a FileTree that
// loses power. And how what it holds is compared with the model of a disk (disk.h, kv_state.h), which says what may be
// found.
//
// Opening, cleaning and the switch to a received state are in the order of server/host.cc and server/host_state.cc.
//
// One thread at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "storage/raft_log.h"
#include "storage/snapshot.h"
#include "storage/state_machine.h"
#include "tests/sim/disk.h"
#include "tests/sim/file_tree.h"
#include "tests/sim/kv_state.h"
#include "tests/sim/platform.h"
#include "tests/sim/world.h"

namespace tenaz::sim {

class StoredNode {
 public:
  StoredNode(World& world, std::size_t node, storage::Options options);
  ~StoredNode();

  // --- its process --------------------------------------------------------------------------------------------------
  // Opens what is on the disk, or founds it.
  storage::Result<void> open(const raft::Configuration& founding);
  bool is_open() const { return life_ && life_->state; }
  storage::RaftLog& log() { return *life_->log; }
  storage::StateMachine& state() { return *life_->state; }
  Platform& platform() { return life_->platform; }

  // Power off. `at_work`: what the node is doing at that moment, which ends after any of its steps; it need not come to
  // an end, and what it reports is lost.
  void lose_power(const std::function<void()>& at_work = {});
  // As lose_power() while it opens: open() was called, and did not come to an end.
  void lose_power_while_opening(const raft::Configuration& founding);

  // --- images -------------------------------------------------------------------------------------------------------
  storage::Result<raft::Index> make_image(const std::string& id);
  void drop_image(const std::string& id) { life_->images.erase(id); }
  storage::Result<void> begin_receiving(const StoredNode& source, const std::string& id);
  // At most `bytes` more of it.
  storage::Result<void> receive(const StoredNode& source, const std::string& id, std::uint64_t bytes);
  std::uint64_t image_bytes(const std::string& id) const;
  bool received_all() const { return life_->receiver && !life_->receiver->want(); }
  bool receiving(const std::string& id) const { return life_->receiver && life_->receiving == id; }
  void stop_receiving() { life_->receiver.reset(); }
  // The directory's name; it is open, beside the state in force.
  storage::Result<std::string> open_received(raft::Index index, raft::Term term);
  const std::string& received_directory() const { return life_->received_directory; }
  // The log has put it in force.
  void switch_state();

  // --- its disk, while it is off ------------------------------------------------------------------------------------
  FileTree& tree() { return life_ ? life_->tree : tree_; }
  const FileTree& tree() const { return life_ ? life_->tree : tree_; }
  void put_back(FileTree tree) { tree_ = std::move(tree); }
  void remove_state();
  // A bit turns in a file of the Raft log (chosen by `random`); of the state in force. False: there is no file.
  bool damage_log(Random& random);
  bool damage_state(Random& random);
  // The process is gone, and the machine is not: all that was written is there.
  void kill();

 private:
  struct Life {
    Life(World& world, FileTree its_tree, Random random) : tree(std::move(its_tree)), platform(world, tree, random) {}
    FileTree tree;
    Platform platform;
    std::unique_ptr<storage::RaftLog> log;
    std::unique_ptr<storage::StateMachine> state;
    std::string state_directory;
    std::map<std::string, std::shared_ptr<storage::Image>> images;
    std::unique_ptr<storage::Receiver> receiver;
    std::string receiving;
    std::unique_ptr<storage::StateMachine> received;
    std::string received_directory;
  };

  bool damage(const std::string& directory, const std::vector<std::string>& endings, Random& random);
  storage::Result<void> open_all(const raft::Configuration& founding);

  World& world_;
  const raft::NodeId id_;
  storage::Options options_;
  Random random_;
  FileTree tree_;
  std::unique_ptr<Life> life_;
};

// Empty: they hold the same. Else what differs.
std::string difference(const Disk& model, const storage::RaftLog& log);
std::string difference(const KvState& model, const storage::StateMachine& state);
// At an earlier revision, not below the model's compact revision.
std::string difference(const KvState& model, const storage::StateMachine& state, storage::Revision revision);
// What the log holds; state and fault marks stay as they are.
void take_over(const storage::RaftLog& log, Disk& model);

}  // namespace tenaz::sim
