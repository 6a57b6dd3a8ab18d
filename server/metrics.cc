#include "server/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <mutex>
#include <sstream>

#include "server/metrics_cells.h"
#include "server/process_figures.h"

namespace tenaz::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr std::array<const char*, kRoutes> kRouteNames{"/v1/kv/{key}",
                                                       "/v1/kv",
                                                       "/v1/status",
                                                       "/v1/leadership",
                                                       "/v1/members",
                                                       "/v1/members/{id}",
                                                       "/v1/members/{id}/promote",
                                                       "/v1/settings",
                                                       "/v1/compact",
                                                       "/v1/backup",
                                                       "/livez",
                                                       "/readyz",
                                                       "/metrics",
                                                       "/client_request",
                                                       "/status",
                                                       "/get/{key}",
                                                       "/set",
                                                       "/ping",
                                                       "other"};
constexpr std::array<const char*, kMethods> kMethodNames{"GET", "HEAD", "PUT", "POST", "DELETE", "other"};
constexpr std::array<unsigned, 21> kStatuses{200, 201, 304, 400, 403, 404, 405, 408, 409, 410, 412,
                                             413, 415, 429, 431, 500, 501, 502, 503, 504, 507};

constexpr std::uint64_t kMicrosecond = 1'000;
constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::array<std::uint64_t, 18> kDurations{
    20 * kMicrosecond, 50 * kMicrosecond,  100 * kMicrosecond, 200 * kMicrosecond, 500 * kMicrosecond,
    kMillisecond,      2 * kMillisecond,   5 * kMillisecond,   10 * kMillisecond,  20 * kMillisecond,
    50 * kMillisecond, 100 * kMillisecond, 200 * kMillisecond, 500 * kMillisecond, kSecond,
    2 * kSecond,       5 * kSecond,        10 * kSecond};
constexpr std::array<std::uint64_t, 13> kEntryCounts{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
constexpr std::array<std::uint64_t, 11> kTransferTimes{100 * kMillisecond, kSecond,        5 * kSecond,   10 * kSecond,
                                                       30 * kSecond,       60 * kSecond,   120 * kSecond, 300 * kSecond,
                                                       600 * kSecond,      1800 * kSecond, 3600 * kSecond};
constexpr double kNanoseconds = 1e-9;

// Dense places for the statuses that this server gives; anything else shares the last.
constexpr auto kStatusPlaces = [] {
  std::array<std::uint8_t, 600> places{};
  places.fill(kStatuses.size());
  for (std::size_t i = 0; i < kStatuses.size(); ++i) {
    places[kStatuses[i]] = static_cast<std::uint8_t>(i);
  }
  return places;
}();

using DurationBuckets = Buckets<kDurations.size()>;

std::int64_t monotonic_now() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

// Collects families in the order in which they are shown.
class Page {
 public:
  void gauge(const std::string& name, const std::string& help, double value) {
    begin(name, help, MetricType::Gauge);
    gauge_row({}, value);
  }
  void counter(const std::string& name, const std::string& help, double value) {
    begin(name, help, MetricType::Counter);
    counter_row({}, value);
  }
  template <class B>
  void histogram(const std::string& name, const std::string& help, const B& buckets) {
    begin(name, help, MetricType::Histogram);
    histogram_row({}, buckets);
  }
  void words(const std::string& name, const std::string& help, const char* label, const WordCounts& counts) {
    begin(name, help, MetricType::Counter);
    counts.each([&](const char* word, std::uint64_t count) {
      counter_row({{label, word}}, static_cast<double>(count));
    });
  }

  void begin(const std::string& name, const std::string& help, MetricType type) {
    MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    families_.push_back(std::move(family));
  }
  void gauge_row(Labels labels, double value) { row(std::move(labels)).gauge.value = value; }
  void counter_row(Labels labels, double value) { row(std::move(labels)).counter.value = value; }
  template <class B>
  void histogram_row(Labels labels, const B& buckets) {
    row(std::move(labels)).histogram = buckets.collect();
  }

  std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  ClientMetric& row(Labels labels) {
    ClientMetric metric;
    metric.label = std::move(labels);
    return families_.back().metric.emplace_back(std::move(metric));
  }

  std::vector<MetricFamily> families_;
};

double number(std::uint64_t value) {
  return static_cast<double>(value);
}

void add_raft_gauges(Page& page, const NodeStatus& status) {
  const raft::Status& raft = status.raft;
  page.gauge("tenaz_raft_term", "Current term.", number(raft.term.value));
  page.begin("tenaz_raft_role", "1 for the role that this node has, 0 for the others.", MetricType::Gauge);
  for (const auto role : {raft::Role::follower, raft::Role::pre_candidate, raft::Role::candidate, raft::Role::leader,
                          raft::Role::learner}) {
    page.gauge_row({{"role", raft::to_string(role)}}, raft.role == role ? 1 : 0);
  }
  page.gauge("tenaz_raft_leader_id", "Id of the leader as this node knows it; 0: none.", number(raft.leader.value));
  page.gauge("tenaz_raft_lease_held", "1 while this node leads and may answer reads by its lease.",
             status.lease_held ? 1 : 0);
  page.gauge("tenaz_raft_commit_index", "Highest index known to be committed.", number(raft.commit.value));
  page.gauge("tenaz_raft_applied_index", "Highest index applied to the state here.", number(raft.applied.value));
  page.gauge("tenaz_raft_first_index", "First index that the log still holds.", number(raft.first_index.value));
  page.gauge("tenaz_raft_last_index", "Last index in the log.", number(raft.last_index.value));
  page.gauge("tenaz_raft_apply_lag_entries", "Known commit less applied.", number(raft.commit.past(raft.applied)));
  page.gauge("tenaz_revision", "Revision of the store here.", number(status.revision.value));
}

// Only a leader knows how far the others are: elsewhere these series are absent, not stale.
void add_peer_gauges(Page& page, const NodeStatus& status) {
  if (status.raft.role != raft::Role::leader || status.peers.empty()) {
    return;
  }
  const auto each = [&](const char* name, const char* help, auto value) {
    page.begin(name, help, MetricType::Gauge);
    for (const PeerView& peer : status.peers) {
      page.gauge_row({{"peer", std::to_string(peer.id.value)}}, value(peer));
    }
  };
  each("tenaz_raft_peer_match_index", "Highest index known to be durable at the peer.",
       [](const PeerView& peer) { return number(peer.match_index.value); });
  each("tenaz_raft_peer_commit_lag_entries", "Committed entries that the peer has not acknowledged.",
       [](const PeerView& peer) { return number(peer.lag_entries); });
  each("tenaz_raft_peer_commit_lag_seconds", "Age of the oldest committed entry that the peer has not acknowledged.",
       [](const PeerView& peer) { return peer.lag_seconds; });
}

}  // namespace

struct Metrics::Cells {
  struct ByRoute {
    std::array<std::array<Count, kStatuses.size() + 1>, kMethods> answered;
    DurationBuckets seconds{kDurations, kNanoseconds};
  };
  std::array<ByRoute, kRoutes> routes;
  Count connections_opened;
  Count connections_closed;
  Count accepts_failed;

  std::atomic<std::int64_t> sync_began{0};  // 0: none under way
  DurationBuckets sync_seconds{kDurations, kNanoseconds};
  Buckets<kEntryCounts.size()> batch_entries{kEntryCounts, 1};

  WordCounts elections{"won", "lost"};
  Count pre_votes;
  Count leader_changes;
  WordCounts stepdowns{"higher_term", "lost_quorum", "disk_stalled"};
  Count disk_stalls;
  Count snapshots_wanted;
  Count snapshots_installed;
  struct Snapshots {
    Count bytes;
    Count failed;
    Buckets<kTransferTimes.size()> seconds{kTransferTimes, kNanoseconds};
  };
  std::array<Snapshots, 2> snapshots;  // by Direction
  Count snapshot_resumes;
  Count proposed_commands;
  Count proposed_bytes;
  WordCounts proposals{"ok", "refused", "unknown"};
  DurationBuckets proposal_seconds{kDurations, kNanoseconds};
  DurationBuckets read_index_seconds{kDurations, kNanoseconds};
  Count lease_reads;

  mutable std::mutex figures_mutex;
  std::function<std::vector<storage::Figure>()> figures;

  void add_http(Page& page) const;
  void add_raft_events(Page& page) const;
  void add_snapshots(Page& page, const NodeStatus& status) const;
  void add_storage(Page& page) const;
};

void Metrics::Cells::add_http(Page& page) const {
  page.begin("tenaz_http_requests_total", "Answered HTTP requests.", MetricType::Counter);
  for (std::size_t r = 0; r < kRoutes; ++r) {
    for (std::size_t m = 0; m < kMethods; ++m) {
      for (std::size_t s = 0; s <= kStatuses.size(); ++s) {
        if (const std::uint64_t count = routes[r].answered[m][s].get()) {
          const std::string code = s < kStatuses.size() ? std::to_string(kStatuses[s]) : "other";
          page.counter_row({{"route", kRouteNames[r]}, {"method", kMethodNames[m]}, {"code", code}}, number(count));
        }
      }
    }
  }
  page.begin("tenaz_http_request_seconds", "From the first byte of a request to its answer.", MetricType::Histogram);
  for (std::size_t r = 0; r < kRoutes; ++r) {
    if (!routes[r].seconds.empty()) {
      page.histogram_row({{"route", kRouteNames[r]}}, routes[r].seconds);
    }
  }
  // Closed is read first: it never runs ahead of opened.
  const std::uint64_t closed = connections_closed.get();
  page.gauge("tenaz_http_connections", "Open HTTP connections.", number(connections_opened.get() - closed));
  page.counter("tenaz_http_accept_failures_total", "Times that no connection could be taken, mostly for want of files.",
               number(accepts_failed.get()));
}

void Metrics::Cells::add_raft_events(Page& page) const {
  page.words("tenaz_raft_elections_total", "Elections that this node stood in.", "result", elections);
  page.counter("tenaz_raft_pre_votes_total", "Pre-votes that this node asked for.", number(pre_votes.get()));
  page.counter("tenaz_raft_leader_changes_total", "Changes of the known leader.", number(leader_changes.get()));
  page.words("tenaz_raft_stepdowns_total", "Times that this node ceased to lead.", "reason", stepdowns);
  page.counter("tenaz_raft_snapshot_wanted_total", "Snapshots made because a peer fell behind the log.",
               number(snapshots_wanted.get()));
  page.counter("tenaz_raft_snapshot_installed_total", "Snapshots installed here.", number(snapshots_installed.get()));
  page.words("tenaz_raft_proposals_total", "Writes that came through this node.", "result", proposals);
  page.counter("tenaz_raft_proposed_commands_total", "Commands appended as leader.", number(proposed_commands.get()));
  page.counter("tenaz_raft_proposed_bytes_total", "Bytes of commands appended as leader.",
               number(proposed_bytes.get()));
  page.histogram("tenaz_raft_proposal_seconds", "From a write's arrival to its result.", proposal_seconds);
  page.histogram("tenaz_raft_log_sync_seconds", "Synced writes of the log.", sync_seconds);
  const std::int64_t began = sync_began.load(std::memory_order_relaxed);
  page.gauge("tenaz_raft_log_sync_inflight_seconds", "Age of the log write under way; 0: none.",
             began == 0 ? 0 : static_cast<double>(monotonic_now() - began) * kNanoseconds);
  page.counter("tenaz_raft_disk_stalls_total", "Times that the log's disk did not answer for raft.disk_stall_timeout.",
               number(disk_stalls.get()));
  page.histogram("tenaz_raft_append_batch_entries", "Entries made durable by one sync.", batch_entries);
  page.histogram("tenaz_raft_read_index_seconds", "Confirmations of linearizable reads.", read_index_seconds);
  page.counter("tenaz_raft_lease_reads_total",
               "Linearizable reads, and other nodes' questions for them, that this leader answered by its lease.",
               number(lease_reads.get()));
}

void Metrics::Cells::add_snapshots(Page& page, const NodeStatus& status) const {
  constexpr std::array kDirections{Direction::in, Direction::out};
  const auto each = [&](const auto& row) {
    for (const Direction direction : kDirections)
      row(Labels{{"direction", to_string(direction)}}, snapshots[static_cast<std::size_t>(direction)], direction);
  };
  page.begin("tenaz_raft_snapshot_in_progress", "Images of the state on their way, to here or from here.",
             MetricType::Gauge);
  each([&](Labels labels, const Snapshots&, Direction direction) {
    page.gauge_row(std::move(labels), number(static_cast<std::uint64_t>(std::count_if(
                                          status.snapshots.begin(), status.snapshots.end(),
                                          [&](const SnapshotProgress& one) { return one.direction == direction; }))));
  });
  page.begin("tenaz_raft_snapshot_bytes_total", "Bytes of images that came or went.", MetricType::Counter);
  each([&](Labels labels, const Snapshots& cells, Direction) {
    page.counter_row(std::move(labels), number(cells.bytes.get()));
  });
  page.begin("tenaz_raft_snapshot_seconds", "Transfers of whole images.", MetricType::Histogram);
  each([&](Labels labels, const Snapshots& cells, Direction) { page.histogram_row(std::move(labels), cells.seconds); });
  page.begin("tenaz_raft_snapshot_failed_total", "Transfers of images that were given up.", MetricType::Counter);
  each([&](Labels labels, const Snapshots& cells, Direction) {
    page.counter_row(std::move(labels), number(cells.failed.get()));
  });
  page.counter("tenaz_raft_snapshot_resumes_total", "Times that an image went on coming here after a break.",
               number(snapshot_resumes.get()));
}

void Metrics::Cells::add_storage(Page& page) const {
  const std::lock_guard lock(figures_mutex);
  if (!figures) {
    return;
  }
  for (const auto& figure : figures()) {
    const std::string name = "tenaz_storage_" + figure.name;
    const std::string help = "Storage: " + figure.name + ".";
    if (name.ends_with("_total")) {
      page.counter(name, help, figure.value);
    } else {
      page.gauge(name, help, figure.value);
    }
  }
}

Metrics::Metrics() : cells_(std::make_unique<Cells>()) {}
Metrics::~Metrics() = default;

void Metrics::request_answered(Route route, Method method, unsigned status, std::chrono::nanoseconds took) {
  auto& cells = cells_->routes[static_cast<std::size_t>(route)];
  const std::size_t place = status < kStatusPlaces.size() ? kStatusPlaces[status] : kStatuses.size();
  cells.answered[static_cast<std::size_t>(method)][place].add();
  cells.seconds.observe(took);
}

void Metrics::connection_opened() {
  cells_->connections_opened.add();
}
void Metrics::connection_closed() {
  cells_->connections_closed.add();
}

void Metrics::accept_failed() {
  cells_->accepts_failed.add();
}

void Metrics::log_sync_started() {
  cells_->sync_began.store(monotonic_now(), std::memory_order_relaxed);
}

void Metrics::log_synced(std::chrono::nanoseconds took, std::size_t entries) {
  cells_->sync_began.store(0, std::memory_order_relaxed);
  cells_->sync_seconds.observe(took);
  cells_->batch_entries.observe(std::uint64_t{entries});
}

void Metrics::leader_changed(raft::NodeId, raft::Term) {
  cells_->leader_changes.add();
}
void Metrics::election_started(raft::Term, bool pre_vote) {
  if (pre_vote) {
    cells_->pre_votes.add();
  }
}
void Metrics::election_ended(bool won, raft::Term) {
  cells_->elections.add(won ? "won" : "lost");
}
void Metrics::stepped_down(raft::Term, const char* reason) {
  cells_->stepdowns.add(reason);
}
void Metrics::disk_stalled(bool stalled) {
  if (stalled) {
    cells_->disk_stalls.add();
  }
}
void Metrics::snapshot_wanted(raft::NodeId) {
  cells_->snapshots_wanted.add();
}
void Metrics::snapshot_moved(Direction direction, std::uint64_t bytes) {
  cells_->snapshots[static_cast<std::size_t>(direction)].bytes.add(bytes);
}

void Metrics::snapshot_resumed() {
  cells_->snapshot_resumes.add();
}

void Metrics::snapshot_ended(Direction direction, bool whole, std::chrono::nanoseconds took) {
  auto& cells = cells_->snapshots[static_cast<std::size_t>(direction)];
  if (whole)
    cells.seconds.observe(took);
  else
    cells.failed.add();
}

void Metrics::snapshot_installed(raft::Index) {
  cells_->snapshots_installed.add();
}
void Metrics::proposed(std::size_t commands, std::size_t bytes) {
  cells_->proposed_commands.add(commands);
  cells_->proposed_bytes.add(bytes);
}
void Metrics::write_finished(const char* result, raft::Duration since_arrival) {
  cells_->proposals.add(result);
  cells_->proposal_seconds.observe(since_arrival);
}
void Metrics::read_index_finished(raft::Duration took) {
  cells_->read_index_seconds.observe(took);
}
void Metrics::lease_reads(std::size_t reads) {
  cells_->lease_reads.add(reads);
}

void Metrics::set_storage_figures(std::function<std::vector<storage::Figure>()> figures) {
  const std::lock_guard lock(cells_->figures_mutex);
  cells_->figures = std::move(figures);
}

std::string Metrics::text(const NodeStatus& status) const {
  Page page;
  page.begin("tenaz_build_info", "1, with what this program is as labels.", MetricType::Gauge);
  page.gauge_row({{"version", TENAZ_VERSION}, {"compiler", __VERSION__}}, 1);
  add_raft_gauges(page, status);
  add_peer_gauges(page, status);
  cells_->add_raft_events(page);
  cells_->add_snapshots(page, status);
  cells_->add_http(page);
  cells_->add_storage(page);
  for (const ProcessFigure& figure : process_figures()) {
    if (figure.counter) {
      page.counter(figure.name, figure.help, figure.value);
    } else {
      page.gauge(figure.name, figure.help, figure.value);
    }
  }
  return page.text();
}

}  // namespace tenaz::server
