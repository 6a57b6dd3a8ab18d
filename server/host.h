// The replica in production: its thread, its clock, its peers, its disk threads, and the thread-safe Node that HTTP
// talks to. host.cc: its threads, calls and peers; host_members.cc: joining, adding, being removed, and whose disk is
// whose; host_state.cc: how the state is sent, replaced, and got back if it was lost.
//
// Threads: "replica" runs the io_context (peers' sockets, timers, the replica itself); "log-writer" and "applier" are
// in executors.h; images are made and fetched on threads of snapshot_transfer.h. HTTP threads only enqueue here.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "server/backup_source.h"
#include "server/event_log.h"
#include "server/executors.h"
#include "server/metrics.h"
#include "server/node.h"
#include "server/peer/transport.h"
#include "server/replica.h"
#include "server/snapshot_transfer.h"
#include "storage/raft_log.h"
#include "storage/state_machine.h"

namespace tenaz::server {

struct HostOptions {
  raft::NodeId self;
  std::string name;
  std::string cluster_name;
  std::string cluster_id;         // 32 hex digits; empty: of the cluster that it joins, or has joined
  std::vector<std::string> join;  // peer addresses of that cluster; needed while the directory is new
  std::filesystem::path data_dir;
  raft::Configuration founding;  // used when the data directory is new
  raft::Options raft;
  storage::Options storage;
  PeerOptions peer;
  LimitOptions limits;
  HistoryOptions history;
  // This node was removed from its cluster: the program should stop. From any thread, once.
  std::function<void()> on_removed;
  // Told how this node stands, at every change; see EventLog::standing_changed. On the replica's thread, and from
  // start().
  std::function<void(const std::string&)> standing;
};

class Host final : public Node, public BackupPort, private SnapshotPort, private peer::Handler {
 public:
  // Opens the disk. Error: a sentence for the operator. `metrics` must outlive the host.
  static storage::Result<std::unique_ptr<Host>> open(const HostOptions& options, Metrics& metrics, Fatal fatal);
  ~Host() override;

  // Binds the peers' port and begins to take part.
  storage::Result<void> start();

  // The way out, in this order; each blocks, and none may be called from a callback.
  // Status says so from now on, but everything is still served. Hands leadership over if this node leads and another
  // can, waiting at most `timeout` for it.
  void hand_over(std::chrono::nanoseconds timeout);
  // Refuses what comes as stopping, gives what waits until `timeout` to be done, and answers the rest as stopping.
  void drain(std::chrono::nanoseconds timeout);
  // Stops all threads and makes the state durable. No callback comes afterwards.
  void stop();

  // --- Node (thread-safe) -------------------------------------------------------------------------------------------
  void write(storage::pb::Command command, raft::Duration timeout,
             std::function<void(const WriteResult&)> done) override;
  void read_index(raft::Duration timeout, std::function<void(const ReadResult&)> done) override;
  void wait_revision(storage::Revision revision, raft::Duration timeout,
                     std::function<void(const ReadResult&)> done) override;
  void status(std::function<void(const NodeStatus&)> done) override;
  std::shared_ptr<const storage::kv::Reader> reader() const override;
  void transfer_leadership(raft::NodeId target, raft::Duration timeout, TransferDone done) override;
  void change_membership(raft::MembershipChange change, raft::Duration timeout, ChangeDone done) override;
  void open_backup(std::function<void(BackupResult)> done) override;

 private:
  Host(const HostOptions& options, Metrics& metrics, Fatal fatal, std::unique_ptr<storage::RaftLog> log,
       std::unique_ptr<storage::StateMachine> state);

  struct WriteCall {
    std::uint64_t sequence = 0;
    std::string command;
    bool is_put = false;
    raft::Instant deadline;
    WriteDone done;
  };
  struct ReadCall {
    raft::Instant deadline;
    ReadDone done;
  };
  using Task = std::function<void()>;
  using Call = std::variant<WriteCall, ReadCall, Task>;

  // Any thread: handles `call` on the replica's thread. Calls that come together are carried out together.
  void enqueue(Call call);
  // After the host has begun to stop nothing is enqueued any more; false then.
  bool enqueue_task(Task task);
  // Runs `task` on the replica's thread and waits for it.
  void on_replica(const Task& task);
  void take_calls();
  void refuse(const Call& call);  // the state is missing, or the node is no member yet
  // Begins to take part in Raft, with the state in force. On the replica's thread, or before there is one.
  void take_part();
  void carry_out();
  void arm_timer();
  void watch_disk();

  // SnapshotPort
  void make_image(raft::NodeId peer) override;
  void install(const raft::Output::Install& install) override;
  void hurry() override { fetcher_->hurry(); }
  void put_in_force(const raft::SnapshotMeta& meta, const std::string& directory);
  void install_failed(const storage::Error& error, raft::Duration pause);  // any thread

  // A state that is missing, see fetch_state(). On the replica's thread but for restore_state(), on the applier's.
  void fetch_state();
  void fetch_state_in(raft::Duration pause);
  raft::NodeId next_source();
  void restore_state(const std::string& directory);
  storage::Result<void> try_restore(const std::string& directory);
  NodeStatus status_without_state() const;

  storage::Result<std::shared_ptr<HeldState>> open_fetched(
      const std::string& directory, const std::function<bool(const storage::StateMachine&)>& fits) const;
  // On the applier's thread: once `change` has made it durable, the state in force is `held`. False: this node stops.
  bool replace_state(std::shared_ptr<HeldState> held,
                     const std::function<storage::Result<void>(storage::RaftLog&)>& change);
  void watch_durable(storage::StateMachine& state);

  // host_members.cc
  std::string cluster_text() const;  // its id, 32 hex digits
  bool joining() const;              // nobody has told it yet who the members are
  void seek_cluster(std::size_t asked);
  void seek_cluster_in(raft::Duration pause, std::size_t asked);
  void join_cluster(const std::string& cluster_id, const std::string& address, std::size_t asked);
  void try_address(std::uint64_t addition);
  void join_timer_for(std::uint64_t addition);
  void fail_additions();
  void note_removal(const std::string& source);

  // peer::Handler
  void on_message(raft::NodeId from, PeerMessage message) override;
  void on_messages_done() override;
  void on_unreachable(raft::NodeId peer) override;
  std::optional<peer::Refusal> check_identity(const peer::LocalIdentity& other) override;
  std::future<void> pin(const storage::PeerPin& pin);
  void on_refused(raft::NodeId peer, const peer::Refusal& refusal) override;

  const HostOptions options_;
  Metrics& metrics_;
  Fatal fatal_;
  const std::uint64_t boot_;
  std::atomic<std::uint64_t> last_sequence_{0};

  std::unique_ptr<storage::RaftLog> log_;
  StateHolder state_;
  std::atomic<bool> state_missing_;  // from open() until take_part()
  raft::NodeId source_;              // whom it was asked of last
  // While the state is missing: whoever may have it, as far as the log says, and who has called. All that the log names
  // may have left since; then only the leader of today knows of this node.
  std::vector<raft::Member> named_;
  std::set<raft::NodeId> callers_;
  EventLog events_;

  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_{io_.get_executor()};
  boost::asio::steady_timer timer_{io_};
  boost::asio::steady_timer disk_timer_{io_};
  boost::asio::steady_timer state_timer_{io_};
  boost::asio::steady_timer join_timer_{io_};
  raft::Instant armed_ = raft::Instant::max();

  std::mutex calls_mutex_;
  std::vector<Call> calls_;
  std::vector<Call> taken_;  // take_calls()'s, kept for its capacity
  bool accepting_ = true;
  bool disk_low_ = false;
  bool leaving_ = false;  // since hand_over()
  bool removal_noted_ = false;

  // Nodes that should be added, and are called first.
  struct Addition {
    raft::Member member;
    raft::Instant deadline;
    ChangeDone done;
  };
  std::map<std::uint64_t, Addition> additions_;
  std::uint64_t last_addition_ = 0;

  std::unique_ptr<peer::Transport> transport_;
  std::unique_ptr<LogWriter> log_writer_;
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<SnapshotSender> sender_;
  std::unique_ptr<BackupSource> backups_;
  std::unique_ptr<SnapshotFetcher> fetcher_;
  std::unique_ptr<Replica> replica_;  // null while the state is missing
  std::thread thread_;
};

}  // namespace tenaz::server
