#include "server/executors.h"

#include <future>
#include <iterator>
#include <system_error>

namespace tenaz::server {

LogWriter::LogWriter(storage::RaftLog& log, std::uint64_t retain_bytes, Metrics& metrics, Callbacks callbacks)
    : log_(log),
      retain_bytes_(retain_bytes),
      metrics_(metrics),
      callbacks_(std::move(callbacks)),
      worker_("log-writer", [this](std::vector<Item>& items) { handle(items); }) {}

void LogWriter::write(raft::Persist write) {
  worker_.push(std::move(write));
}

void LogWriter::compact(raft::Index index, raft::Configuration configuration, raft::Index configuration_index) {
  run([this, index, configuration = std::move(configuration), configuration_index](storage::RaftLog& log) {
    if (const auto done = log.compact(index, configuration, configuration_index); !done)
      callbacks_.fatal(done.error());
    else
      callbacks_.compacted(index);
  });
}

void LogWriter::distrust(raft::NodeId peer) {
  run([this, peer](storage::RaftLog& log) {
    auto pin = log.pin_of(peer);
    if (!pin) return;
    pin->incarnation = storage::PeerPin::kDistrusted;
    if (const auto done = log.pin(*pin); !done)
      callbacks_.fatal(done.error());
    else
      callbacks_.distrusted(peer);
  });
}

void LogWriter::run(std::function<void(storage::RaftLog&)> task) {
  worker_.push(std::move(task));
}

bool LogWriter::run_and_wait(const std::function<void(storage::RaftLog&)>& task) {
  std::promise<void> ran;
  const bool taken = worker_.push([&](storage::RaftLog& log) {
    task(log);
    ran.set_value();
  });
  if (taken) ran.get_future().wait();
  return taken;
}

void LogWriter::handle(std::vector<Item>& items) {
  std::vector<raft::Persist> writes;
  for (auto& item : items) {
    if (auto* write = std::get_if<raft::Persist>(&item)) {
      writes.push_back(std::move(*write));
    } else {
      sync(writes);
      std::get<Task>(item)(log_);
    }
  }
  sync(writes);
}

// Group commit: all that has queued shares one synced batch.
void LogWriter::sync(std::vector<raft::Persist>& writes) {
  if (writes.empty()) return;
  std::size_t entries = 0;
  for (const auto& write : writes) entries += write.entries.size();
  metrics_.log_sync_started();
  const auto begin = std::chrono::steady_clock::now();
  const auto done = log_.write(writes);
  metrics_.log_synced(std::chrono::steady_clock::now() - begin, entries);
  if (!done)
    callbacks_.fatal(done.error());
  else
    callbacks_.persisted(writes.back().id);
  writes.clear();
}

HeldState::~HeldState() {
  state_.reset();
  if (std::error_code ignored; retired_) std::filesystem::remove_all(directory_, ignored);
}

Applier::Applier(StateHolder& state, raft::NodeId self, Callbacks callbacks)
    : state_(state),
      self_(self),
      callbacks_(std::move(callbacks)),
      worker_("applier", [this](std::vector<Item>& items) { handle(items); }) {}

void Applier::apply(std::vector<raft::Entry> entries) {
  worker_.push(std::move(entries));
}

StatePort::History Applier::history() const {
  const auto state = state_.get();
  return {state->reader().compact_revision(), state->history_clock_ms()};
}

void Applier::run(std::function<void()> task) {
  worker_.push(std::move(task));
}

void Applier::handle(std::vector<Item>& items) {
  std::vector<raft::Entry> entries;
  for (auto& item : items) {
    if (auto* more = std::get_if<std::vector<raft::Entry>>(&item)) {
      entries.insert(entries.end(), std::make_move_iterator(more->begin()), std::make_move_iterator(more->end()));
    } else {
      apply_now(entries);
      std::get<std::function<void()>>(item)();
    }
  }
  apply_now(entries);
}

void Applier::apply_now(std::vector<raft::Entry>& entries) {
  if (entries.empty()) return;
  auto outcome = state_.get()->apply(entries, self_);
  entries.clear();
  if (!outcome)
    callbacks_.fatal(outcome.error());
  else
    callbacks_.applied(std::move(*outcome));
}

}  // namespace tenaz::server
