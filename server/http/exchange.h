// One request on its way to one answer: what the resources (kv.cc, list.cc, …) work with. It belongs to a connection
// and is reused for the next request. Everything here runs on the connection's HTTP thread; what the node answers on
// its own thread is handed over before the next step runs.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/backup_port.h"
#include "server/http/answer.h"
#include "server/http/budget.h"
#include "server/http/parameters.h"
#include "server/http/request.h"
#include "server/metrics.h"
#include "server/node.h"
#include "server/options.h"

namespace tenaz::server::http {

// What all connections share.
struct Service {
  HttpOptions options;
  LimitOptions limits;
  Budget& budget;
  Node& node;
  BackupPort& backups;
  Metrics& metrics;
};

class Exchange {
 public:
  // What happens next. No state of its own: that is in the exchange, so that waiting allocates nothing.
  using Step = void (*)(Exchange&);

  explicit Exchange(const Service& service) : service_(service) {}
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // --- the request
  // ----------------------------------------------------------------------------------------------------
  Request request;
  Route route = Route::other;
  Step serve = nullptr;   // set by the router: what answers once the body is there
  bool is_write = false;  // its errors say what became of it
  std::string key;        // decoded
  Parameters parameters;
  raft::NodeId transfer_to;  // POST /v1/leadership
  raft::NodeId member;       // in /v1/members/{id}
  raft::MembershipChange change;
  Step when_read = nullptr;     // kept by when_readable() while it waits
  Step when_changed = nullptr;  // kept by change_membership() while it waits
  // While an answer is streamed: runs whenever the connection has taken all that there was.
  Step when_taken = nullptr;

  // --- what the last step waited for
  // ----------------------------------------------------------------------------------
  WriteResult write_result;
  ReadResult read_result;
  NodeStatus status_result;
  TransferOutcome transfer_outcome = TransferOutcome::failed;
  ChangeResult change_result;
  BackupResult backup_result;
  std::shared_ptr<Backup> backup;                     // that is being streamed
  std::optional<storage::Result<std::string>> piece;  // of it

  // --- waiting: `then` runs on this thread; nothing else happens to the exchange until then
  // ---------------------------
  void write(storage::pb::Command command, Step then);
  void read_index(Step then);
  void wait_revision(storage::Revision revision, Step then);
  void status(Step then);
  void transfer_leadership(raft::NodeId target, Step then);
  void change_membership(Step then);  // as `change` says
  void open_backup(Step then);
  void next_piece(Step then);  // of `backup`

  // The deadline that ?timeout= gives counts from the arrival of the headers.
  void start_clock(std::chrono::nanoseconds timeout);
  raft::Duration time_left() const;

  Answer& answer() { return answer_; }
  const Service& service() const { return service_; }
  // Every answer under /v1/kv tells the revision that it speaks of.
  bool in_store() const { return route == Route::kv || route == Route::kv_range; }
  std::uint64_t present_revision() const { return service_.node.reader()->revision().value; }

  void clear();

 protected:
  // Any thread: what `then_` waits for is here.
  virtual void arrived() = 0;
  // Before the node is asked: stay alive until arrived().
  virtual void hold() = 0;
  // Takes hold() back: the node was not asked after all.
  virtual void let_go() = 0;
  void run_step() { then_(*this); }

  const Service& service_;
  Answer answer_;

 private:
  template <class Ask>
  void wait_for(Step then, Ask&& ask);

  Step then_ = nullptr;
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace tenaz::server::http
