// The text of /metrics, line by line, and the pieces it is made of.
#include "server/metrics.h"

#include <regex>
#include <set>
#include <sstream>

#include "server/metrics_cells.h"
#include "tests/unit/server_http/client.h"

namespace tenaz::server::test {
namespace {

// The value of a series, spelled as it is shown; nothing if it is not there.
std::optional<double> value_of(const std::string& text, const std::string& series) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(series + " ")) {
      return std::stod(line.substr(series.size() + 1));
    }
  }
  return std::nullopt;
}

using MetricsPage = HttpTest;

TEST_F(MetricsPage, TextIsWellFormed) {
  put("a", "1");
  const Reply reply = call("GET", "/metrics");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_TRUE(reply.header("content-type").starts_with("text/plain; version=0.0.4"));
  const std::regex sample(R"re([a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? ([-+0-9.e]+|NaN|[-+]Inf))re");
  std::set<std::string> types;
  std::istringstream lines(reply.body);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(types.insert(line.substr(7, line.find(' ', 7) - 7)).second) << "twice: " << line;
    } else if (!line.starts_with("# HELP ")) {
      EXPECT_TRUE(std::regex_match(line, sample)) << line;
    }
  }
  for (const char* name : {"tenaz_raft_term",
                           "tenaz_raft_role",
                           "tenaz_raft_leader_id",
                           "tenaz_raft_commit_index",
                           "tenaz_raft_applied_index",
                           "tenaz_raft_last_index",
                           "tenaz_raft_elections_total",
                           "tenaz_raft_leader_changes_total",
                           "tenaz_raft_peer_match_index",
                           "tenaz_raft_peer_commit_lag_entries",
                           "tenaz_raft_peer_commit_lag_seconds",
                           "tenaz_raft_apply_lag_entries",
                           "tenaz_raft_snapshot_wanted_total",
                           "tenaz_raft_snapshot_installed_total",
                           "tenaz_raft_snapshot_in_progress",
                           "tenaz_raft_snapshot_bytes_total",
                           "tenaz_raft_snapshot_seconds",
                           "tenaz_raft_snapshot_failed_total",
                           "tenaz_raft_snapshot_resumes_total",
                           "tenaz_raft_stepdowns_total",
                           "tenaz_raft_proposals_total",
                           "tenaz_raft_proposal_seconds",
                           "tenaz_raft_log_sync_seconds",
                           "tenaz_raft_log_sync_inflight_seconds",
                           "tenaz_raft_append_batch_entries",
                           "tenaz_raft_read_index_seconds",
                           "tenaz_raft_lease_held",
                           "tenaz_raft_lease_reads_total",
                           "tenaz_http_requests_total",
                           "tenaz_http_request_seconds",
                           "tenaz_http_connections",
                           "tenaz_http_accept_failures_total",
                           "tenaz_build_info",
                           "process_cpu_seconds_total",
                           "process_resident_memory_bytes",
                           "process_virtual_memory_bytes",
                           "process_open_fds",
                           "process_max_fds",
                           "process_start_time_seconds",
                           "process_threads"}) {
    EXPECT_TRUE(types.contains(name)) << name;
  }
}

TEST_F(MetricsPage, CountsRequests) {
  put("a", "1");
  get("a");
  get("a");
  get("none");
  const std::string text = call("GET", "/metrics").body;
  EXPECT_EQ(value_of(text, R"(tenaz_http_requests_total{route="/v1/kv/{key}",method="GET",code="200"})"), 2);
  EXPECT_EQ(value_of(text, R"(tenaz_http_requests_total{route="/v1/kv/{key}",method="GET",code="404"})"), 1);
  EXPECT_EQ(value_of(text, R"(tenaz_http_requests_total{route="/v1/kv/{key}",method="PUT",code="201"})"), 1);
  EXPECT_EQ(value_of(text, R"(tenaz_http_request_seconds_count{route="/v1/kv/{key}"})"), 4);
}

TEST_F(MetricsPage, PeerSeriesAreTheLeadersOnly) {
  std::string text = call("GET", "/metrics").body;
  EXPECT_EQ(value_of(text, R"(tenaz_raft_peer_match_index{peer="2"})"), 11);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_peer_commit_lag_seconds{peer="2"})"), 0.25);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_role{role="leader"})"), 1);
  node_->change_status([](NodeStatus& status) { status.raft.role = raft::Role::follower; });
  text = call("GET", "/metrics").body;
  EXPECT_EQ(text.find("peer_match_index"), std::string::npos);
  EXPECT_EQ(text.find("peer_commit_lag"), std::string::npos);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_role{role="leader"})"), 0);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_role{role="follower"})"), 1);
}

TEST(Metrics, EventsAreCounted) {
  Metrics metrics;
  metrics.election_started(raft::Term{1}, true);
  metrics.election_ended(true, raft::Term{1});
  metrics.election_ended(false, raft::Term{2});
  metrics.leader_changed(raft::NodeId{1}, raft::Term{1});
  metrics.stepped_down(raft::Term{1}, "higher_term");
  metrics.stepped_down(raft::Term{2}, "higher_term");
  metrics.lease_reads(3);
  metrics.write_finished("ok", std::chrono::milliseconds(3));
  metrics.write_finished("timeout", std::chrono::seconds(3));
  metrics.log_synced(std::chrono::microseconds(150), 17);
  metrics.snapshot_moved(Direction::out, 1000);
  metrics.snapshot_moved(Direction::out, 500);
  metrics.snapshot_resumed();
  metrics.snapshot_ended(Direction::out, true, std::chrono::seconds(4));
  metrics.snapshot_ended(Direction::in, false, std::chrono::seconds(4));
  metrics.set_storage_figures([] { return std::vector<storage::Figure>{{"live_bytes", 5}, {"stalls_total", 2}}; });
  const std::string text = metrics.text(NodeStatus{});
  EXPECT_EQ(value_of(text, R"(tenaz_raft_elections_total{result="won"})"), 1);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_elections_total{result="lost"})"), 1);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_stepdowns_total{reason="higher_term"})"), 2);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_proposals_total{result="timeout"})"), 1);
  EXPECT_EQ(value_of(text, "tenaz_raft_lease_reads_total"), 3);
  EXPECT_EQ(value_of(text, "tenaz_raft_proposal_seconds_count"), 2);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_proposal_seconds_bucket{le="0.005"})"), 1);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_append_batch_entries_bucket{le="16"})"), 0);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_append_batch_entries_bucket{le="32"})"), 1);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_snapshot_bytes_total{direction="out"})"), 1500);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_snapshot_bytes_total{direction="in"})"), 0);
  EXPECT_EQ(value_of(text, "tenaz_raft_snapshot_resumes_total"), 1);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_snapshot_seconds_bucket{direction="out",le="5"})"), 1);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_snapshot_seconds_bucket{direction="out",le="1"})"), 0);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_snapshot_seconds_count{direction="in"})"), 0);
  EXPECT_EQ(value_of(text, R"(tenaz_raft_snapshot_failed_total{direction="in"})"), 1);
  EXPECT_EQ(value_of(text, "tenaz_storage_live_bytes"), 5);
  EXPECT_NE(text.find("# TYPE tenaz_storage_stalls_total counter"), std::string::npos);
}

// A rate over a series that appears with its first event misses that event.
TEST(Metrics, EveryKnownWordIsThereFromTheStart) {
  const std::string text = Metrics().text({});
  for (const char* series :
       {R"(tenaz_raft_elections_total{result="won"})", R"(tenaz_raft_elections_total{result="lost"})",
        R"(tenaz_raft_stepdowns_total{reason="higher_term"})", R"(tenaz_raft_stepdowns_total{reason="lost_quorum"})",
        R"(tenaz_raft_stepdowns_total{reason="disk_stalled"})", "tenaz_raft_disk_stalls_total",
        R"(tenaz_raft_proposals_total{result="ok"})", R"(tenaz_raft_proposals_total{result="refused"})",
        R"(tenaz_raft_proposals_total{result="unknown"})"}) {
    EXPECT_EQ(value_of(text, series), 0) << series;
  }
}

TEST(Metrics, ASyncUnderWayShowsItsAge) {
  Metrics metrics;
  EXPECT_EQ(value_of(metrics.text({}), "tenaz_raft_log_sync_inflight_seconds"), 0);
  metrics.log_sync_started();
  EXPECT_GT(value_of(metrics.text({}), "tenaz_raft_log_sync_inflight_seconds"), 0);
  metrics.log_synced(std::chrono::microseconds(1), 1);
  EXPECT_EQ(value_of(metrics.text({}), "tenaz_raft_log_sync_inflight_seconds"), 0);
}

TEST(Metrics, WordsBeyondTheTableShareOne) {
  WordCounts counts{};
  std::vector<std::string> words;
  for (int i = 0; i < 40; ++i) {
    words.push_back("w" + std::to_string(i));
  }
  for (const std::string& word : words) {
    counts.add(word.c_str());
  }
  std::uint64_t total = 0;
  std::size_t shown = 0;
  counts.each([&](const char*, std::uint64_t count) {
    total += count;
    ++shown;
  });
  EXPECT_EQ(total, 40u);
  EXPECT_EQ(shown, 16u);
}

}  // namespace
}  // namespace tenaz::server::test
