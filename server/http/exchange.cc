#include "server/http/exchange.h"

#include <algorithm>

namespace tenaz::server::http {

template <class Ask>
void Exchange::wait_for(Step then, Ask&& ask) {
  then_ = then;
  hold();
  try {
    ask();
  } catch (...) {
    let_go();
    throw;
  }
}

// The callbacks capture one pointer, so that std::function holds them without allocating.

void Exchange::write(storage::pb::Command command, Step then) {
  wait_for(then, [&] {
    service_.node.write(std::move(command), time_left(), [this](const WriteResult& result) {
      write_result = result;
      arrived();
    });
  });
}

void Exchange::read_index(Step then) {
  wait_for(then, [&] {
    service_.node.read_index(time_left(), [this](const ReadResult& result) {
      read_result = result;
      arrived();
    });
  });
}

void Exchange::wait_revision(storage::Revision revision, Step then) {
  wait_for(then, [&] {
    service_.node.wait_revision(revision, time_left(), [this](const ReadResult& result) {
      read_result = result;
      arrived();
    });
  });
}

void Exchange::status(Step then) {
  wait_for(then, [&] {
    service_.node.status([this](const NodeStatus& status) {
      status_result = status;
      arrived();
    });
  });
}

void Exchange::transfer_leadership(raft::NodeId target, Step then) {
  wait_for(then, [&] {
    service_.node.transfer_leadership(target, time_left(), [this](TransferOutcome outcome) {
      transfer_outcome = outcome;
      arrived();
    });
  });
}

void Exchange::change_membership(Step then) {
  wait_for(then, [&] {
    service_.node.change_membership(change, time_left(), [this](const ChangeResult& result) {
      change_result = result;
      arrived();
    });
  });
}

void Exchange::open_backup(Step then) {
  wait_for(then, [&] {
    service_.backups.open_backup([this](BackupResult result) {
      backup_result = std::move(result);
      arrived();
    });
  });
}

void Exchange::next_piece(Step then) {
  wait_for(then, [&] {
    backup->next([this](storage::Result<std::string> bytes) {
      piece = std::move(bytes);
      arrived();
    });
  });
}

void Exchange::start_clock(std::chrono::nanoseconds timeout) {
  deadline_ = std::chrono::steady_clock::now() + timeout;
}

raft::Duration Exchange::time_left() const {
  return std::max<raft::Duration>(deadline_ - std::chrono::steady_clock::now(), raft::Duration::zero());
}

void Exchange::clear() {
  request.clear();
  route = Route::other;
  serve = nullptr;
  is_write = false;
  key.clear();
  parameters.clear();
  change = {};
  change_result = {};
  backup_result = {};
  backup.reset();
  piece.reset();
  then_ = when_read = when_changed = when_taken = nullptr;
}

}  // namespace tenaz::server::http
