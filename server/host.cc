#include "server/host.h"

#include <spdlog/spdlog.h>
#include <sys/statvfs.h>

#include <boost/asio/post.hpp>
#include <future>
#include <random>

#include "raft/named.h"
#include "server/clock.h"
#include "server/hex.h"

namespace tenaz::server {

namespace {

constexpr auto kDiskCheckInterval = std::chrono::milliseconds(500);
constexpr auto kDrainCheckInterval = std::chrono::milliseconds(10);

std::uint64_t random_number() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

std::function<std::uint64_t(std::uint64_t)> random_source() {
  auto engine = std::make_shared<std::mt19937_64>(random_number());
  return [engine](std::uint64_t bound) { return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(*engine); };
}

std::string members_text(const raft::Configuration& configuration) {
  std::string out;
  for (const auto& member : configuration.members)
    out += fmt::format("{}{}@{}", out.empty() ? "" : ", ", member.id.value, member.peer);
  return out;
}

}  // namespace

storage::Result<std::unique_ptr<Host>> Host::open(const HostOptions& options, Metrics& metrics, Fatal fatal) {
  if (options.cluster_id.empty() && options.join.empty())
    return storage::Error{storage::ErrorCode::invalid,
                          "neither the members of a new cluster are given, nor one to join"};
  auto log = storage::RaftLog::open(options.data_dir, {from_hex(options.cluster_id), options.self}, options.founding,
                                    options.storage);
  if (!log) return log.error();
  if (auto cleaned = storage::remove_leftovers(options.data_dir, (*log)->state_directory()); !cleaned)
    return cleaned.error();
  auto state = storage::StateMachine::open(options.data_dir / (*log)->state_directory(), options.storage);
  if (!state) return state.error();

  // Only what is durable in the own log is applied: a log that ends before was longer once.
  if ((*state)->applied_index() > (*log)->last_index())
    return storage::Error{
        storage::ErrorCode::corruption,
        fmt::format(
            "{}: the log ends at index {}, but the state stands at {}: synced entries are missing. This node must "
            "not vote under this identity again: remove it from the cluster, empty its data directory and add it "
            "anew",
            options.data_dir.string(), (*log)->last_index().value, (*state)->applied_index().value)};
  const raft::Index compacted = (*log)->first_index().previous();
  if ((*state)->applied_index() < compacted && raft::members_named(**log, (*log)->configuration()).size() < 2)
    return storage::Error{
        storage::ErrorCode::corruption,
        fmt::format("{}: the state stands at index {}, but the log begins behind {}: part of the state is missing, and "
                    "there is no other node to fetch it from. Put the state directory {} back as it was",
                    options.data_dir.string(), (*state)->applied_index().value, compacted.value,
                    (*log)->state_directory())};
  return std::unique_ptr<Host>(new Host(options, metrics, std::move(fatal), std::move(*log), std::move(*state)));
}

Host::Host(const HostOptions& options, Metrics& metrics, Fatal fatal, std::unique_ptr<storage::RaftLog> log,
           std::unique_ptr<storage::StateMachine> state)
    : options_(options),
      metrics_(metrics),
      fatal_(std::move(fatal)),
      boot_(log->boots().front()),
      log_(std::move(log)),
      state_(std::make_shared<HeldState>(std::move(state), options_.data_dir / log_->state_directory())),
      state_missing_(state_.get()->applied_index() < log_->first_index().previous()),
      events_(metrics, options.standing) {
  metrics_.set_storage_figures([this] {
    std::vector<storage::Figure> figures = state_.get()->figures();
    for (auto& figure : log_->figures()) figures.push_back(std::move(figure));
    return figures;
  });
}

Host::~Host() {
  stop();
  metrics_.set_storage_figures(nullptr);
}

storage::Result<void> Host::start() {
  const peer::LocalIdentity identity{log_->cluster_id(),
                                     options_.self,
                                     log_->storage_id(),
                                     log_->incarnation(),
                                     boot_,
                                     peer::kMinProtocol,
                                     peer::kMaxProtocol,
                                     0,
                                     {log_->boots().begin() + 1, log_->boots().end()}};
  transport_ = std::make_unique<peer::Transport>(io_, options_.peer, identity, static_cast<peer::Handler&>(*this));
  if (auto listening = transport_->listen(); !listening) return listening.error();

  log_writer_ = std::make_unique<LogWriter>(
      *log_, options_.storage.log_retain_bytes, metrics_,
      LogWriter::Callbacks{
          [this](raft::WriteId id) { enqueue_task([this, id] { replica_->on_persisted(boot_now(), id); }); },
          [this](raft::Index index) { enqueue_task([this, index] { replica_->on_log_compacted(boot_now(), index); }); },
          [this](raft::NodeId peer) { enqueue_task([this, peer] { transport_->greet_again(peer); }); }, fatal_});
  applier_ = std::make_unique<Applier>(
      state_, options_.self,
      Applier::Callbacks{[this](storage::ApplyOutcome outcome) {
                           enqueue_task([this, outcome = std::make_shared<storage::ApplyOutcome>(std::move(outcome))] {
                             replica_->on_applied(boot_now(), *outcome);
                           });
                         },
                         fatal_});
  const auto send = [this](raft::NodeId to, PeerMessage message) {
    enqueue_task([this, to, message = std::make_shared<PeerMessage>(std::move(message))] {
      transport_->send(to, std::move(*message));
    });
  };
  SnapshotSender::Options sending;
  sending.bytes_per_second = options_.peer.max_snapshot_rate;
  sending.events = &metrics_;
  sender_ = std::make_unique<SnapshotSender>(options_.data_dir, send, sending);
  backups_ = std::make_unique<BackupSource>(options_.data_dir);
  SnapshotFetcher::Options fetching;
  fetching.events = &metrics_;
  fetching.reserve_bytes = options_.storage.reserve_bytes;
  fetcher_ = std::make_unique<SnapshotFetcher>(options_.data_dir, send, fetching);

  watch_durable(*state_.get());
  if (state_missing_) {
    spdlog::warn(
        "the state stands at index {}, but the log begins behind {}: part of the state is missing. It is fetched "
        "from another node; until it is here this node neither votes nor answers clients",
        state_.get()->applied_index().value, log_->first_index().previous().value);
    events_.waits_for_state();
    named_ = raft::members_named(*log_, log_->configuration());
    transport_->set_members(named_, log_->configuration().retired);
    fetch_state_in({});
  } else {
    take_part();
  }
  watch_disk();
  if (joining() && !options_.join.empty()) seek_cluster(0);
  boost::asio::post(io_, [this] { carry_out(); });
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "replica");
    io_.run();
  });
  return {};
}

void Host::take_part() {
  const auto state = state_.get();
  ReplicaOptions replica_options;
  replica_options.raft = options_.raft;
  replica_options.max_inflight_bytes = options_.limits.max_inflight_bytes;
  replica_options.history = options_.history;
  replica_options.log_retain_time = options_.storage.log_retain_time;
  // A batch that no frame could take would stand in the log for ever.
  replica_options.max_batch_bytes = std::min(replica_options.max_batch_bytes, options_.raft.max_append_bytes);
  ReplicaStart start{options_.self,
                     boot_,
                     log_->hard_state(),
                     log_->configuration(),
                     log_->configuration_index(),
                     state->applied_index(),
                     state->reader().revision(),
                     boot_now(),
                     random_source(),
                     wall_ms,
                     [this](raft::NodeId node) {
                       if (node == options_.self) return log_->storage_id();
                       const auto pin = log_->pin_of(node);
                       return pin ? pin->storage_id : std::string();
                     }};
  state_missing_ = false;
  replica_ = std::make_unique<Replica>(replica_options, start,
                                       Replica::Ports{*log_writer_, *applier_, *transport_, *this, events_});
  const raft::Configuration& configuration = replica_->core().configuration();
  replica_->introduce();
  if (configuration.members.empty()) {
    events_.waits_for_admission();
    if (log_->cluster_id() == peer::kNoCluster)
      spdlog::info("this node joins a cluster: it asks {} which one that is", fmt::join(options_.join, ", "));
    else
      spdlog::info("this node joins cluster {}: it waits to be added (POST /v1/members, or tenazctl member add)",
                   cluster_text());
    return;
  }
  events_.standing_changed(replica_->core().role(), replica_->core().term(), replica_->core().leader());
  spdlog::info("cluster {}: members {}; log {}..{}, state at index {}, revision {}, term {}", cluster_text(),
               members_text(configuration), log_->first_index().value, log_->last_index().value,
               state->applied_index().value, state->reader().revision().value, log_->hard_state().term.value);
}

void Host::hand_over(std::chrono::nanoseconds timeout) {
  std::promise<void> handed;
  auto done = handed.get_future();
  const bool asked = enqueue_task([this, timeout, &handed] {
    leaving_ = true;
    if (!replica_ || replica_->core().role() != raft::Role::leader ||
        replica_->core().configuration().voters.size() < 2) {
      handed.set_value();
      return;
    }
    spdlog::info("handing leadership over");
    const raft::Instant now = boot_now();
    replica_->transfer_leadership(now, raft::NodeId{}, now + timeout, [&handed](TransferOutcome outcome) {
      if (outcome != TransferOutcome::done) spdlog::warn("no other node took the leadership over");
      handed.set_value();
    });
  });
  if (asked) done.wait();
}

void Host::drain(std::chrono::nanoseconds timeout) {
  const raft::Instant until = boot_now() + timeout;
  std::size_t waiting = 0;
  on_replica([this] {
    if (replica_) replica_->drain();
  });
  for (;;) {
    on_replica([&] { waiting = additions_.size() + (replica_ ? replica_->waiting() : 0); });
    if (waiting == 0 || boot_now() >= until) break;
    std::this_thread::sleep_for(kDrainCheckInterval);
  }
  if (waiting > 0) spdlog::info("{} requests still wait; they are told that this node stops", waiting);
  on_replica([this] {
    fail_additions();
    if (replica_) replica_->stop(boot_now());
  });
}

void Host::stop() {
  if (!thread_.joinable()) return;
  on_replica([this] {
    fail_additions();
    if (replica_) replica_->stop(boot_now());
  });
  {
    const std::lock_guard lock(calls_mutex_);
    accepting_ = false;
  }
  // Whoever calls goes before whom it calls: the replica's thread, those that hand the applier what they fetched, the
  // applier, and the log writer, for which both of them wait.
  boost::asio::post(io_, [this] {
    take_calls();
    timer_.cancel();
    disk_timer_.cancel();
    state_timer_.cancel();
    join_timer_.cancel();
    transport_.reset();
    keep_running_.reset();
    io_.stop();
  });
  thread_.join();
  fetcher_.reset();
  sender_.reset();
  backups_.reset();
  applier_->stop();
  log_writer_->stop();
  state_.get()->on_durable(nullptr);
  if (const auto flushed = state_.get()->flush(); !flushed)
    spdlog::warn("the state could not be flushed at the end ({}); it is replayed from the log at the next start",
                 flushed.error().message);
}

// --- calls
// ------------------------------------------------------------------------------------------------------------

void Host::enqueue(Call call) {
  bool first = false;
  {
    const std::lock_guard lock(calls_mutex_);
    if (accepting_) {
      first = calls_.empty();
      calls_.push_back(std::move(call));
    }
  }
  if (first) {
    boost::asio::post(io_, [this] { take_calls(); });
  }
}

bool Host::enqueue_task(Task task) {
  {
    const std::lock_guard lock(calls_mutex_);
    if (!accepting_) return false;
  }
  enqueue(std::move(task));
  return true;
}

void Host::refuse(const Call& call) {
  const Failure why = replica_ ? Failure::joining : Failure::not_ready;
  if (const auto* write = std::get_if<WriteCall>(&call))
    write->done({why, true, {}});
  else if (const auto* read = std::get_if<ReadCall>(&call))
    read->done({why});
}

void Host::on_replica(const Task& task) {
  std::promise<void> done;
  const bool asked = enqueue_task([&] {
    task();
    done.set_value();
  });
  if (asked) done.get_future().wait();
}

void Host::take_calls() {
  {
    const std::lock_guard lock(calls_mutex_);
    taken_.swap(calls_);
  }
  const raft::Instant now = boot_now();
  for (auto& call : taken_) {
    if (auto* task = std::get_if<Task>(&call))
      (*task)();
    else if (!replica_ || joining())
      refuse(call);
    else if (auto* write = std::get_if<WriteCall>(&call))
      replica_->write(now, write->sequence, std::move(write->command), write->is_put, write->deadline,
                      std::move(write->done));
    else if (auto* read = std::get_if<ReadCall>(&call))
      replica_->read_index(now, read->deadline, std::move(read->done));
  }
  taken_.clear();
  carry_out();
}

void Host::carry_out() {
  if (!replica_) return transport_->flush();
  const raft::Instant now = boot_now();
  if (replica_->deadline() <= now) replica_->tick(now);
  replica_->carry_out(now);
  transport_->flush();
  if (replica_->removed()) note_removal("by its own log");
  arm_timer();
}

void Host::arm_timer() {
  const raft::Instant due = replica_->deadline();
  if (due >= armed_) return;  // what is armed fires earlier and looks again
  armed_ = due;
  timer_.expires_after(std::max(due - boot_now(), raft::Duration(0)));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    armed_ = raft::Instant::max();
    carry_out();
  });
}

void Host::watch_disk() {
  struct statvfs disk {};
  const std::uint64_t reserve = options_.storage.reserve_bytes;
  if (reserve > 0 && ::statvfs(options_.data_dir.c_str(), &disk) == 0) {
    const std::uint64_t free_bytes = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
    const bool low = free_bytes < reserve;
    if (low != disk_low_) {
      disk_low_ = low;
      if (low)
        spdlog::warn("disk: {} bytes are free, less than storage.reserve_bytes = {}: puts are refused, deletes work",
                     free_bytes, reserve);
      else
        spdlog::info("disk: {} bytes are free again", free_bytes);
    }
    if (replica_) replica_->on_disk_low(boot_now(), low);
  }
  disk_timer_.expires_after(kDiskCheckInterval);
  disk_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    watch_disk();
    carry_out();
  });
}

// --- Node
// -------------------------------------------------------------------------------------------------------------

void Host::write(storage::pb::Command command, raft::Duration timeout, std::function<void(const WriteResult&)> done) {
  const std::uint64_t sequence = last_sequence_.fetch_add(1, std::memory_order_relaxed) + 1;
  auto* origin = command.mutable_origin();
  origin->set_node(options_.self.value);
  origin->set_boot(boot_);
  origin->set_sequence(sequence);
  enqueue(WriteCall{sequence, command.SerializeAsString(), command.has_put(), boot_now() + timeout, std::move(done)});
}

void Host::read_index(raft::Duration timeout, std::function<void(const ReadResult&)> done) {
  enqueue(ReadCall{boot_now() + timeout, std::move(done)});
}

void Host::wait_revision(storage::Revision revision, raft::Duration timeout,
                         std::function<void(const ReadResult&)> done) {
  enqueue(Task([this, revision, deadline = boot_now() + timeout, done = std::move(done)]() mutable {
    if (!replica_) return done({Failure::not_ready});
    replica_->wait_revision(boot_now(), revision, deadline, std::move(done));
  }));
}

void Host::status(std::function<void(const NodeStatus&)> done) {
  enqueue(Task([this, done = std::move(done)] {
    NodeStatus status = replica_ ? replica_->status(boot_now()) : status_without_state();
    status.name = options_.name;
    if (log_->cluster_id() != peer::kNoCluster) status.cluster_id = cluster_text();
    status.joining = joining();
    status.stopping |= leaving_;
    status.snapshots = sender_->progress();
    if (const auto fetching = fetcher_->progress()) status.snapshots.push_back(*fetching);
    done(status);
  }));
}

void Host::transfer_leadership(raft::NodeId target, raft::Duration timeout, TransferDone done) {
  enqueue(Task([this, target, deadline = boot_now() + timeout, done = std::move(done)]() mutable {
    if (!replica_) return done(TransferOutcome::refused);
    replica_->transfer_leadership(boot_now(), target, deadline, std::move(done));
  }));
}

// --- peers
// ------------------------------------------------------------------------------------------------------------

void Host::on_message(raft::NodeId from, PeerMessage message) {
  if (auto* request = std::get_if<SnapshotRequest>(&message))
    sender_->on_request(from, std::move(*request), state_.get());
  else if (auto* manifest = std::get_if<SnapshotManifest>(&message))
    fetcher_->on_manifest(from, std::move(*manifest));
  else if (auto* data = std::get_if<SnapshotData>(&message))
    fetcher_->on_data(from, std::move(*data));
  else if (replica_)
    replica_->on_message(boot_now(), from, std::move(message));
  else
    callers_.insert(from);
}

void Host::on_messages_done() {
  carry_out();
}

void Host::on_unreachable(raft::NodeId peer) {
  if (!replica_) {
    if (peer == source_) fetcher_->hurry();
    return;
  }
  replica_->on_unreachable(boot_now(), peer);
  carry_out();
}

}  // namespace tenaz::server
