// What this node counts and measures, and its Prometheus text. Every call is thread-safe. The calls on the path of a
// request touch a few relaxed atomics: no lock, no look-up by name, no allocation.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/node.h"
#include "server/ports.h"
#include "server/snapshot_progress.h"
#include "storage/figure.h"

namespace tenaz::server {

// Label values of tenaz_http_requests_total and tenaz_http_request_seconds: bounded, whatever clients send.
enum class Route {
  kv,
  kv_range,
  status,
  leadership,
  members,
  member,
  promotion,
  settings,
  compact,
  backup,
  livez,
  readyz,
  metrics,
  client_request,
  teaching_status,
  teaching_get,
  teaching_set,
  ping,
  other,
};
inline constexpr std::size_t kRoutes = 19;

enum class Method { get, head, put, post, del, other };
inline constexpr std::size_t kMethods = 6;

class Metrics final : public Probe, public SnapshotEvents {
 public:
  Metrics();
  ~Metrics() override;

  // --- HTTP ---------------------------------------------------------------------------------------------------------
  void request_answered(Route route, Method method, unsigned status, std::chrono::nanoseconds took);
  void connection_opened();
  void connection_closed();
  void accept_failed();

  // --- log writer: one sync at a time -------------------------------------------------------------------------------
  void log_sync_started();
  void log_synced(std::chrono::nanoseconds took, std::size_t entries);

  // --- Probe: the host loop's events --------------------------------------------------------------------------------
  void leader_changed(raft::NodeId leader, raft::Term term) override;
  void election_started(raft::Term term, bool pre_vote) override;
  void election_ended(bool won, raft::Term term) override;
  void stepped_down(raft::Term term, const char* reason) override;
  void disk_stalled(bool stalled) override;
  void snapshot_wanted(raft::NodeId peer) override;
  void snapshot_installed(raft::Index index) override;
  void proposed(std::size_t commands, std::size_t bytes) override;
  void write_finished(const char* result, raft::Duration since_arrival) override;
  void read_index_finished(raft::Duration took) override;
  void lease_reads(std::size_t reads) override;

  // --- SnapshotEvents: images on their way ---------------------------------------------------------------------------
  void snapshot_moved(Direction direction, std::uint64_t bytes) override;
  void snapshot_resumed() override;
  void snapshot_ended(Direction direction, bool whole, std::chrono::nanoseconds took) override;

  // Where tenaz_storage_<name> comes from; asked at every scrape, on an HTTP thread. Must stay valid until replaced.
  void set_storage_figures(std::function<std::vector<storage::Figure>()> figures);

  // The text of /metrics. Gauges of Raft are those of `status`; series that only a leader has are absent elsewhere.
  std::string text(const NodeStatus& status) const;

 private:
  struct Cells;
  std::unique_ptr<Cells> cells_;
};

}  // namespace tenaz::server
