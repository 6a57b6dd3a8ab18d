// Images of the state: made for others, fetched and put in force here. And what a node does that has lost its state.
#include <spdlog/spdlog.h>

#include <set>

#include "server/clock.h"
#include "server/host.h"
#include "server/version.h"

namespace tenaz::server {

namespace {

// Between attempts to get a missing state: nobody is connected yet, and whoever was asked could not help.
constexpr auto kConnectPause = std::chrono::milliseconds(100);
constexpr auto kRetryPause = std::chrono::seconds(2);
// Before a follower is offered an image again that it has no room for, or that was damaged: offered at once, it would
// be fetched and refused without end.
constexpr auto kHopelessPause = std::chrono::seconds(10);

// What clients read while the state is missing.
class NoState final : public storage::kv::Reader {
 public:
  storage::Revision revision() const override { return {}; }
  storage::Revision compact_revision() const override { return {}; }
  storage::Result<storage::kv::GetResult> get(std::string_view, std::optional<storage::Revision>, bool) const override {
    return missing();
  }
  storage::Result<storage::kv::ListResult> list(const storage::kv::ListRequest&) const override { return missing(); }

 private:
  static storage::Error missing() {
    return {storage::ErrorCode::not_ready, "this node's state is missing; it is fetched from another node"};
  }
};

}  // namespace

std::shared_ptr<const storage::kv::Reader> Host::reader() const {
  if (state_missing_) return std::make_shared<NoState>();
  const auto state = state_.get();
  return {state, &state->reader()};
}

void Host::watch_durable(storage::StateMachine& state) {
  state.on_durable([this](raft::Index index) {
    enqueue_task([this, index] {
      if (replica_) replica_->on_durable_state(boot_now(), index);
    });
  });
}

void Host::make_image(raft::NodeId peer) {
  sender_->make_image(state_.get(), [this, peer](raft::Index index, raft::Term term, const std::string& id) {
    enqueue_task([this, peer, index, term, id] { replica_->on_image(boot_now(), peer, index, term, id); });
  });
}

void Host::open_backup(std::function<void(BackupResult)> done) {
  enqueue(Task([this, done = std::move(done)]() mutable {
    if (!replica_) return done(Failure::not_ready);
    if (joining()) return done(Failure::joining);
    storage::BackupOrigin origin{
        log_->cluster_id(),    options_.cluster_name,       options_.self, log_->hard_state().term,
        log_->configuration(), log_->configuration_index(), wall_ms(),     kVersion};
    backups_->open(state_.get(), std::move(origin), std::move(done));
  }));
}

void Host::install(const raft::Output::Install& install) {
  fetcher_->start(install.from, install.meta, install.snapshot_id,
                  [this, meta = install.meta](storage::Result<std::string> directory) {
                    if (!directory) {
                      const storage::ErrorCode code = directory.error().code;
                      const bool hopeless =
                          code == storage::ErrorCode::no_space || code == storage::ErrorCode::corruption;
                      return install_failed(directory.error(), hopeless ? kHopelessPause : raft::Duration());
                    }
                    applier_->run([this, meta, name = *directory] { put_in_force(meta, name); });
                  });
}

storage::Result<std::shared_ptr<HeldState>> Host::open_fetched(
    const std::string& directory, const std::function<bool(const storage::StateMachine&)>& fits) const {
  auto opened = storage::open_received(options_.data_dir, directory, options_.storage, fits);
  if (!opened) return opened.error();
  return std::make_shared<HeldState>(std::move(*opened), options_.data_dir / directory);
}

// It is offered again at once: the pause comes before, where that would only keep both sides busy.
void Host::install_failed(const storage::Error& error, raft::Duration pause) {
  spdlog::warn("snapshot: not installed: {}", error.message);
  enqueue_task([this, pause] {
    state_timer_.expires_after(pause);
    state_timer_.async_wait([this](const boost::system::error_code& cancelled) {
      if (cancelled) return;
      replica_->on_install_failed(boot_now());
      carry_out();
    });
  });
}

// Nothing is applied meanwhile. A crash before the log's synced batch leaves the old state in force, one after it the
// new; the other directory is removed at the next start.
bool Host::replace_state(std::shared_ptr<HeldState> held,
                         const std::function<storage::Result<void>(storage::RaftLog&)>& change) {
  const bool changed = log_writer_->run_and_wait([&](storage::RaftLog& log) {
    if (const auto done = change(log); !done) fatal_(done.error());
  });
  if (!changed) return false;
  state_.get()->on_durable(nullptr);
  watch_durable(held->state());
  // Requests under way still read the old state; its directory goes when the last of them is done.
  state_.replace(std::move(held));
  return true;
}

void Host::put_in_force(const raft::SnapshotMeta& meta, const std::string& directory) {
  auto held = open_fetched(directory, [&](const storage::StateMachine& state) {
    return state.applied_index() == meta.index && state.applied_term() == meta.term;
  });
  if (!held) return install_failed(held.error(), kRetryPause);
  const storage::Revision revision = (*held)->state().reader().revision();
  if (!replace_state(std::move(*held), [&](storage::RaftLog& log) { return log.reset(meta, directory); })) return;
  enqueue_task([this, meta, revision] { replica_->on_installed(boot_now(), meta, revision); });
}

// --- a missing state
// --------------------------------------------------------------------------------------------------

// A state that stands before the log's beginning (lost, damaged and moved away, put back from a copy) cannot be brought
// on by the own log. The log and the votes are whole, though, and must not be given up with it. So the node waits with
// everything as it is: without a replica it hears nothing of Raft and says nothing, and is to the others a node that is
// down, which cannot vote or acknowledge wrongly. Any node may give it an image, not a leader alone: perhaps none can
// be elected before this one is back. Then the log decides what of it stays: RaftLog::replace_state().
void Host::fetch_state() {
  source_ = next_source();
  if (!source_) return fetch_state_in(kConnectPause);
  raft::SnapshotMeta least;
  least.index = log_->first_index().previous();
  spdlog::warn("the state is missing: fetching an image at index {} or later from node {}", least.index.value,
               source_.value);
  fetcher_->start(source_, least, "", [this](storage::Result<std::string> directory) {
    if (directory) return applier_->run([this, name = *directory] { restore_state(name); });
    spdlog::warn("the state is missing: no image came: {}", directory.error().message);
    enqueue_task([this] { fetch_state_in(kRetryPause); });
  });
}

void Host::fetch_state_in(raft::Duration pause) {
  state_timer_.expires_after(pause);
  state_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) fetch_state();
  });
}

// The next one, in turn, that is connected; 0: none is.
raft::NodeId Host::next_source() {
  std::set<raft::NodeId> may_have_it = callers_;
  for (const auto& member : named_) may_have_it.insert(member.id);
  std::erase_if(may_have_it,
                [this](raft::NodeId id) { return id == options_.self || !transport_->connected(id, Lane::bulk); });
  if (may_have_it.empty()) return {};
  const auto next = may_have_it.upper_bound(source_);
  return next != may_have_it.end() ? *next : *may_have_it.begin();
}

void Host::restore_state(const std::string& directory) {
  if (const auto restored = try_restore(directory); !restored) {
    spdlog::error("the state is missing: what was fetched does not help: {}", restored.error().message);
    enqueue_task([this] { fetch_state_in(kRetryPause); });
    return;
  }
  enqueue_task([this] { take_part(); });
}

storage::Result<void> Host::try_restore(const std::string& directory) {
  auto held = open_fetched(directory, [&](const storage::StateMachine& state) {
    return state.applied_index() >= log_->first_index().previous();
  });
  if (!held) return held.error();
  const storage::StateMachine& state = (*held)->state();
  auto configuration = state.configuration();
  if (!configuration) {
    (*held)->retire();
    return configuration.error();
  }
  // Where no configuration entry was ever applied, the one at the log's beginning is the founding one.
  if (!*configuration) *configuration = {log_->configuration_index(), log_->configuration()};
  const raft::SnapshotMeta meta{state.applied_index(), state.applied_term(), (*configuration)->second,
                                (*configuration)->first};
  if (replace_state(std::move(*held), [&](storage::RaftLog& log) { return log.replace_state(meta, directory); }))
    spdlog::info("the state is no longer missing: the one at index {} is in force", meta.index.value);
  return {};
}

NodeStatus Host::status_without_state() const {
  NodeStatus out;
  out.state_missing = true;
  out.raft.self = options_.self;
  const raft::HardState hard_state = log_->hard_state();
  out.raft.term = hard_state.term;
  out.raft.voted_for = hard_state.vote;
  out.raft.first_index = log_->first_index();
  out.raft.last_index = out.raft.durable_index = log_->last_index();
  out.raft.commit = log_->first_index().previous();
  out.configuration = out.committed_configuration = log_->configuration();
  out.committed_configuration_index = log_->configuration_index();
  out.disk_low = disk_low_;
  for (const auto& member : named_)
    if (member.id != options_.self) out.peers.push_back({member.id, member.peer, {}, 0, 0, false});
  return out;
}

}  // namespace tenaz::server
