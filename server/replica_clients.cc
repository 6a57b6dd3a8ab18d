// The replica's dealings with clients and with other nodes' clients: queueing, proposing, forwarding, answering.

#include <algorithm>
#include <utility>

#include "server/replica.h"

namespace tenaz::server {

namespace {

// A forward that found no connection is tried again after this.
constexpr raft::Duration kForwardRetry = std::chrono::milliseconds(20);
// The core refused a proposal (too much uncommitted, or handing over): asked with what else has queued after this, or
// when the commit index moves.
constexpr raft::Duration kProposeRetry = std::chrono::milliseconds(5);
// A follower whose question for a read index was not answered asks again after this.
constexpr raft::Duration kReadRetry = std::chrono::milliseconds(200);

bool is_put(const std::string& command) {
  storage::pb::Command parsed;
  return parsed.ParseFromString(command) && parsed.has_put();
}

}  // namespace

// --- calls
// ------------------------------------------------------------------------------------------------------------

void Replica::write(raft::Instant now, std::uint64_t sequence, std::string command, bool is_put, raft::Instant deadline,
                    WriteDone done) {
  WriteResult refused;
  refused.not_applied = true;
  if (draining_)
    refused.failure = Failure::stopping;
  else if (disk_refuses_)
    refused.failure = Failure::disk_stalled;
  else if (waiters_.bytes() + command.size() > options_.max_inflight_bytes)
    refused.failure = Failure::overloaded;
  else if (is_put && leads() && !puts_have_room())
    refused.failure = Failure::disk_full;
  if (refused.failure) {
    ports_.probe.write_finished("refused", raft::Duration(0));
    done(refused);
    return;
  }
  WaitingWrite waiting;
  waiting.done = std::move(done);
  waiting.arrived = now;
  waiting.deadline = deadline;
  waiting.bytes = command.size();
  waiters_.add_write(sequence, std::move(waiting));
  queue_.push_back({self_, {}, boot_, sequence, is_put, std::move(command)});
}

void Replica::read_index(raft::Instant now, raft::Instant deadline, ReadDone done) {
  if (draining_) {
    done({Failure::stopping});
    return;
  }
  unasked_reads_.push_back(waiters_.add_read({std::move(done), now, deadline}));
}

void Replica::wait_revision(raft::Instant now, storage::Revision revision, raft::Instant deadline, ReadDone done) {
  if (draining_) {
    done({Failure::stopping});
    return;
  }
  if (revision <= revision_) {
    done({});
    return;
  }
  revisions_behind_.emplace(revision, waiters_.add_read({std::move(done), now, deadline, true}));
}

void Replica::transfer_leadership(raft::Instant now, raft::NodeId target, raft::Instant deadline, TransferDone done) {
  const raft::NodeId leader = core_.leader();
  if (draining_ || !leader) {
    done(TransferOutcome::refused);
    return;
  }
  if (target == leader) {
    done(TransferOutcome::done);
    return;
  }
  const std::uint64_t id = leads() ? 0 : ++last_transfer_id_;
  const bool asked = leads() ? core_.transfer_leadership(now, target)
                             : ports_.transport.send(leader, TransferRequest{target, boot_, id});
  if (!asked) {
    done(TransferOutcome::refused);
    return;
  }
  transfers_.push_back({target, leader, deadline, id, std::move(done)});
}

void Replica::on_transfer_refused(const TransferRefused& message) {
  if (message.boot != boot_) return;
  const auto refused = std::find_if(transfers_.begin(), transfers_.end(),
                                    [&](const Transfer& one) { return one.id != 0 && one.id == message.id; });
  if (refused == transfers_.end()) return;
  const TransferDone done = std::move(refused->done);
  transfers_.erase(refused);
  done(TransferOutcome::refused);
}

void Replica::settle_transfers(raft::Instant now) {
  if (transfers_.empty()) return;
  const raft::NodeId leader = core_.leader();
  const bool under_way = static_cast<bool>(core_.status().transfer_target);
  auto waiting = std::exchange(transfers_, {});
  for (auto& transfer : waiting) {
    if (leader && (transfer.target ? leader == transfer.target : leader != transfer.from))
      transfer.done(TransferOutcome::done);
    else if (now >= transfer.deadline || (transfer.id == 0 && leads() && !under_way))
      transfer.done(TransferOutcome::failed);
    else
      transfers_.push_back(std::move(transfer));
  }
}

void Replica::stop(raft::Instant now) {
  draining_ = stopping_ = true;
  for (const auto sequence : waiters_.all_writes())
    fail_write(now, sequence, Failure::stopping, !waiters_.find_write(sequence)->placed_in);
  for (const auto ticket : waiters_.all_reads()) finish_read(now, ticket, Failure::stopping);
  for (auto& transfer : std::exchange(transfers_, {})) transfer.done(TransferOutcome::failed);
  fail_changes();
  unasked_reads_.clear();
  std::vector<Queued> forwarded;
  for (auto& item : std::exchange(queue_, {}))
    if (item.from != self_) forwarded.push_back(std::move(item));
  refuse_forwarded(forwarded, WriteRefusal::not_leader);
}

// --- writes
// -----------------------------------------------------------------------------------------------------------

void Replica::place_writes(raft::Instant now) {
  if (queue_.empty()) return;
  if (leads()) {
    propose_queue(now);
    return;
  }
  std::vector<Queued> lost;
  for (auto& item : queue_)
    if (item.from != self_) lost.push_back(std::move(item));
  if (!lost.empty()) {
    std::erase_if(queue_, [&](const Queued& item) { return item.from != self_; });
    refuse_forwarded(lost, WriteRefusal::not_leader);
  }
  if (core_.leader() && !queue_.empty()) forward_queue(now);
}

// What has queued becomes one entry per proposal, while few own writes are under way: batches form by themselves under
// load, and a lone write is proposed at once.
void Replica::propose_queue(raft::Instant now) {
  if (retry_propose_ && now < *retry_propose_ && core_.commit() == refused_at_commit_) return;
  retry_propose_.reset();
  const raft::Term term = core_.term();
  const bool room = puts_have_room();
  std::uint64_t unwritten = issued_.past(durable_);
  while (!queue_.empty() && unwritten < options_.max_unwritten_batches) {
    storage::PayloadBuilder builder;
    std::vector<Queued> stale, no_room;
    std::deque<Queued> batch;
    while (!queue_.empty() &&
           (builder.empty() || builder.bytes() + queue_.front().command.size() <= options_.max_batch_bytes)) {
      Queued item = std::move(queue_.front());
      queue_.pop_front();
      const bool own = item.from == self_;
      if (own && item.sequence != 0 && !waiters_.find_write(item.sequence)) continue;
      if (!own && item.term != term) {
        stale.push_back(std::move(item));
      } else if (!room && (item.is_put || (!own && is_put(item.command)))) {
        if (own)
          fail_write(now, item.sequence, Failure::disk_full, true);
        else
          no_room.push_back(std::move(item));
      } else {
        builder.add(item.command);
        batch.push_back(std::move(item));
      }
    }
    refuse_forwarded(stale, WriteRefusal::not_leader);
    refuse_forwarded(no_room, WriteRefusal::disk_full);
    if (batch.empty()) return;

    const std::size_t commands = builder.commands(), bytes = builder.bytes();
    const auto proposed = core_.propose(now, builder.finish(wall_time_ms_()));
    if (const auto* refusal = std::get_if<raft::Refusal>(&proposed)) {
      // Nothing of it was appended. While handing over it goes on to wait, in its order, until the core takes it or
      // leadership is gone.
      if (*refusal == raft::Refusal::overloaded)
        fail_overloaded(now, batch);
      else
        queue_.insert(queue_.begin(), std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end()));
      retry_propose_ = now + kProposeRetry;
      refused_at_commit_ = core_.commit();
      return;
    }
    ports_.probe.proposed(commands, bytes);
    ++unwritten;
    for (const auto& item : batch) {
      if (item.from != self_)
        forwarded_bytes_ -= item.command.size();
      else if (auto* waiting = waiters_.find_write(item.sequence))
        waiting->placed_in = term;
    }
  }
}

// More is uncommitted than may be: clients are told, rather than kept until their deadlines.
void Replica::fail_overloaded(raft::Instant now, std::deque<Queued>& batch) {
  std::vector<Queued> forwarded;
  for (auto& item : batch) {
    if (item.from != self_)
      forwarded.push_back(std::move(item));
    else if (item.sequence != 0)
      fail_write(now, item.sequence, Failure::overloaded, true);
    else
      reclaimed_at_.reset();  // its compaction is proposed again
  }
  refuse_forwarded(forwarded, WriteRefusal::overloaded);
}

void Replica::forward_queue(raft::Instant now) {
  if (retry_forward_ && now < *retry_forward_) return;
  retry_forward_.reset();
  const raft::Term term = core_.term();
  std::deque<Queued> kept;
  while (!queue_.empty()) {
    ForwardWrites message;
    message.term = term;
    std::vector<Queued> batch;
    std::size_t bytes = 0;
    while (!queue_.empty() && (batch.empty() || bytes + queue_.front().command.size() <= options_.max_batch_bytes)) {
      Queued item = std::move(queue_.front());
      queue_.pop_front();
      const auto* waiting = waiters_.find_write(item.sequence);
      if (!waiting) continue;
      if (waiting->refused_in == term) {
        kept.push_back(std::move(item));
        continue;
      }
      bytes += item.command.size();
      message.commands.push_back(item.command);
      batch.push_back(std::move(item));
    }
    if (batch.empty()) break;
    if (!ports_.transport.send(core_.leader(), std::move(message))) {
      for (auto& item : batch) kept.push_back(std::move(item));
      retry_forward_ = now + kForwardRetry;
      break;
    }
    for (auto& item : batch) {
      auto* waiting = waiters_.find_write(item.sequence);
      waiting->placed_in = term;
      waiting->command = std::move(item.command);
      waiting->is_put = item.is_put;
    }
  }
  queue_.insert(queue_.begin(), std::make_move_iterator(kept.begin()), std::make_move_iterator(kept.end()));
}

void Replica::on_forward(raft::Instant, raft::NodeId from, ForwardWrites message) {
  std::vector<Queued> refused;
  bool overloaded = false;
  const bool lead = leads() && core_.term() == message.term && !stopping_;
  for (auto& command : message.commands) {
    storage::pb::Command parsed;
    if (!parsed.ParseFromString(command) || parsed.origin().node() != from.value) continue;  // not ours to answer
    Queued item{from, message.term, parsed.origin().boot(), parsed.origin().sequence(), parsed.has_put(), {}};
    if (lead && forwarded_bytes_ + command.size() <= options_.max_inflight_bytes) {
      forwarded_bytes_ += command.size();
      item.command = std::move(command);
      queue_.push_back(std::move(item));
    } else {
      overloaded = lead;
      refused.push_back(std::move(item));
    }
  }
  refuse_forwarded(refused, overloaded ? WriteRefusal::overloaded : WriteRefusal::not_leader);
}

void Replica::refuse_forwarded(const std::vector<Queued>& refused, WriteRefusal reason) {
  std::map<std::tuple<raft::NodeId, raft::Term, std::uint64_t>, ForwardRefused> messages;
  for (const auto& item : refused) {
    forwarded_bytes_ -= item.command.size();
    auto& message = messages[{item.from, item.term, item.boot}];
    message.term = item.term;
    message.boot = item.boot;
    message.reason = reason;
    message.sequences.push_back(item.sequence);
  }
  for (auto& [key, message] : messages) ports_.transport.send(std::get<0>(key), std::move(message));
}

void Replica::on_refused(raft::Instant now, raft::NodeId, const ForwardRefused& message) {
  if (message.boot != boot_) return;
  for (const auto sequence : message.sequences) {
    auto* waiting = waiters_.find_write(sequence);
    if (!waiting || waiting->placed_in != message.term) continue;
    if (message.reason == WriteRefusal::not_leader) {
      // Refused before it was appended, by the only leader that could append it: free to be offered to the next one.
      waiting->placed_in = {};
      waiting->refused_in = message.term;
      queue_.push_back({self_, {}, boot_, sequence, waiting->is_put, std::move(waiting->command)});
    } else {
      const bool full = message.reason == WriteRefusal::disk_full;
      fail_write(now, sequence, full ? Failure::disk_full : Failure::overloaded, true);
    }
  }
}

void Replica::finish_write(raft::Instant now, std::uint64_t sequence, const WriteResult& result, const char* outcome) {
  auto waiting = waiters_.take_write(sequence);
  if (!waiting) return;
  ports_.probe.write_finished(outcome, now - waiting->arrived);
  waiting->done(result);
}

void Replica::fail_write(raft::Instant now, std::uint64_t sequence, Failure failure, bool not_applied) {
  WriteResult result;
  result.failure = failure;
  result.not_applied = not_applied;
  finish_write(now, sequence, result, not_applied ? "refused" : "unknown");
}

// --- reads
// ------------------------------------------------------------------------------------------------------------

void Replica::ask_reads(raft::Instant now) {
  if (question_ && question_->retry <= now) ask_leader(now);
  if (unasked_reads_.empty()) return;
  if (leads()) {
    const raft::ReadId id(++last_read_id_);
    if (core_.read(now, id)) return;
    asked_of_core_[id.value].tickets = std::exchange(unasked_reads_, {});
    return;
  }
  if (!core_.leader() || question_) return;
  question_ = Question{{}, core_.leader(), std::exchange(unasked_reads_, {}), now};
  ask_leader(now);
}

// Again for the same reads, where the answer is late or lost: each of the answers comes after all of them have arrived.
void Replica::ask_leader(raft::Instant now) {
  std::erase_if(question_->tickets, [&](ReadTicket ticket) { return !waiters_.waits(ticket); });
  if (question_->tickets.empty()) return question_.reset();
  const std::uint64_t id = ++last_read_id_;
  const bool sent = ports_.transport.send(question_->leader, ReadIndexRequest{boot_, id});
  if (sent) question_->ids.push_back(id);
  question_->retry = now + (sent ? kReadRetry : kForwardRetry);
}

void Replica::on_read_request(raft::Instant now, raft::NodeId from, const ReadIndexRequest& message) {
  const raft::ReadId id(++last_read_id_);
  if (stopping_ || core_.read(now, id)) {
    ports_.transport.send(from, ReadIndexReply{message.boot, message.id, false, {}});
    return;
  }
  auto& group = asked_of_core_[id.value];
  group.remote = from;
  group.remote_boot = message.boot;
  group.remote_id = message.id;
}

void Replica::on_read_reply(raft::Instant now, const ReadIndexReply& message) {
  if (message.boot != boot_ || !question_) return;
  if (std::erase(question_->ids, message.id) == 0) return;
  if (!message.confirmed) {
    // Asked again soon, unless an earlier answer comes or another leader shows.
    question_->retry = std::min(question_->retry, now + kForwardRetry);
    return;
  }
  const Question question = *std::exchange(question_, std::nullopt);
  for (const auto ticket : question.tickets) read_when_applied(now, ticket, message.index);
}

void Replica::read_when_applied(raft::Instant now, ReadTicket ticket, raft::Index index) {
  if (index <= core_.applied_index())
    finish_read(now, ticket, std::nullopt);
  else if (disk_refuses_ && index > ports_.log.reader().last_index())
    finish_read(now, ticket, Failure::disk_stalled);
  else
    reads_behind_.emplace(index, ticket);
}

void Replica::finish_read(raft::Instant now, ReadTicket ticket, std::optional<Failure> failure) {
  auto waiting = waiters_.take_read(ticket);
  if (!waiting) return;
  if (!failure && !waiting->for_revision) ports_.probe.read_index_finished(now - waiting->arrived);
  waiting->done({failure});
}

void Replica::forget_answered_reads() {
  std::erase_if(unasked_reads_, [&](ReadTicket ticket) { return !waiters_.waits(ticket); });
  std::erase_if(reads_behind_, [&](const auto& read) { return !waiters_.waits(read.second); });
  std::erase_if(revisions_behind_, [&](const auto& read) { return !waiters_.waits(read.second); });
}

void Replica::expire(raft::Instant now) {
  const auto expired = waiters_.expired(now);
  const Failure silence = core_.leader() ? Failure::timeout : Failure::no_leader;
  bool queued = false;
  for (const auto sequence : expired.writes) {
    const bool placed = static_cast<bool>(waiters_.find_write(sequence)->placed_in);
    fail_write(now, sequence, placed ? Failure::timeout : silence, !placed);
    queued |= !placed;
  }
  if (queued)
    std::erase_if(queue_, [&](const Queued& item) {
      return item.from == self_ && item.sequence != 0 && !waiters_.find_write(item.sequence);
    });
  for (const auto ticket : expired.reads) {
    const auto waiting = waiters_.take_read(ticket);
    waiting->done({waiting->for_revision ? Failure::timeout : silence});
  }
  if (!expired.reads.empty()) forget_answered_reads();
}

}  // namespace tenaz::server
