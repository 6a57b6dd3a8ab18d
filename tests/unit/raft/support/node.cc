#include "tests/unit/raft/support/node.h"

#include <algorithm>
#include <utility>

#include "raft/invariants.h"

namespace tenaz::raft::test {

Node::Node(NodeId id, const Options& options, const Configuration& founding, Random random, Send send)
    : id_(id), options_(options), random_(std::move(random)), send_(std::move(send)), disk_(founding) {}

void Node::start(Instant now) {
  Start start;
  start.self = id_;
  start.hard_state = disk_.hard_state();
  start.applied = durable_applied_;
  start.configuration = disk_.configuration();
  start.configuration_index = disk_.configuration_index();
  start.now = now;
  start.random = random_;
  core_ = std::make_unique<Core>(options_, start, disk_);
}

void Node::crash(std::size_t survive) {
  for (; survive > 0 && !writes_.empty(); --survive) {
    disk_.write(writes_.front());
    writes_.pop_front();
  }
  writes_.clear();
  waiting_.clear();
  batches_.clear();
  install_.reset();
  durable_ = WriteId{};
  core_.reset();
  // The state machine must never be ahead of the log.
  require(durable_applied_ <= disk_.last_index(), "the state ran ahead of the log");
}

Output Node::run() {
  Output output = core_->take_output();
  for (const Envelope& envelope : output.send_now) send_(id_, envelope.to, envelope.message);
  if (output.persist) writes_.push_back(*output.persist);
  for (const Envelope& envelope : output.send_when_durable) {
    require(bool(output.durable_after), "nothing to wait for");
    waiting_.push_back({output.durable_after, envelope});
  }
  release(durable_);
  if (!output.committed.empty()) batches_.push_back(output.committed);
  if (output.install) install_ = output.install;
  return output;
}

void Node::release(WriteId durable) {
  durable_ = std::max(durable_, durable);
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (it->after <= durable_) {
      send_(id_, it->envelope.to, it->envelope.message);
      it = waiting_.erase(it);
    } else {
      ++it;
    }
  }
}

void Node::finish_write(Instant now) {
  const WriteId id = writes_.front().id;
  disk_.write(writes_.front());
  writes_.pop_front();
  release(id);
  core_->persisted(now, id);
}

void Node::finish_all_writes(Instant now) {
  if (writes_.empty()) return;
  const WriteId id = writes_.back().id;
  for (const Persist& write : writes_) disk_.write(write);
  writes_.clear();
  release(id);
  core_->persisted(now, id);
}

void Node::finish_apply(Instant now) {
  for (const Entry& entry : batches_.front()) on_apply(entry);
  const Index last = batches_.front().back().index;
  batches_.pop_front();
  core_->applied(now, last);
}

void Node::compact(Instant, Index index) {
  index = std::min(index, durable_applied_);
  if (index < disk_.first_index()) return;
  disk_.compact(index, core_->configuration_at(index));
  core_->log_compacted(index);
}

SnapshotMeta Node::snapshot_meta() const {
  const Index index = core_->applied_index();
  auto [configuration, configuration_index] = core_->configuration_at(index);
  return {index, *disk_.term(index), std::move(configuration), configuration_index};
}

void Node::finish_install(Instant now) {
  // Strictly in order behind the writes, as on a real log writer.
  finish_all_writes(now);
  const SnapshotMeta meta = install_->meta;
  install_.reset();
  batches_.clear();
  disk_.reset(meta);
  durable_applied_ = meta.index;
  core_->snapshot_installed(now, meta);
}

void Node::fail_install(Instant now) {
  install_.reset();
  core_->snapshot_failed(now);
}

}  // namespace tenaz::raft::test
