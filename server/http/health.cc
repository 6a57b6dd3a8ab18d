// /livez, /readyz and /metrics: what probes and Prometheus ask.
#include <array>

#include "server/http/resources.h"

namespace tenaz::server::http {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";

// Committed and not applied here: beyond it, reads would wait noticeably.
constexpr std::uint64_t kReadyLagEntries = 10'000;

struct Check {
  std::string_view name;
  bool passed;
  std::string_view fault;
};

std::array<Check, 6> checks_of(const NodeStatus& status) {
  return {Check{"member", !status.joining, "this node waits to be admitted to a cluster"},
          Check{"leader", static_cast<bool>(status.raft.leader), "no leader is known"},
          Check{"quorum", status.quorum_reachable, "no majority is within reach"},
          Check{"applied", !status.state_missing && status.raft.commit.past(status.raft.applied) <= kReadyLagEntries,
                status.state_missing ? "the state is missing; it is fetched from another node"
                                     : "the state lags behind what is committed"},
          Check{"disk", !status.disk_low && !status.disk_stalled,
                status.disk_stalled ? "the disk does not answer" : "too little disk space for further puts"},
          Check{"running", !status.stopping, "this node is shutting down"}};
}

void answer_ready(Exchange& exchange) {
  const auto checks = checks_of(exchange.status_result);
  std::string lines;
  std::string faults;
  std::string failed;
  for (const Check& check : checks) {
    lines += check.passed ? "[+]" : "[-]";
    lines += check.name;
    lines += check.passed ? " ok\n" : " failed: ";
    if (!check.passed) {
      lines += check.fault;
      lines += '\n';
      faults += faults.empty() ? "" : "; ";
      faults += check.name;
      faults += ": ";
      faults += check.fault;
      failed += failed.empty() ? "\"" : ",\"";
      failed += check.name;
      failed += '"';
    }
  }
  if (!faults.empty() && !exchange.parameters.verbose) {
    answer(exchange, {.code = Code::not_ready, .detail = faults, .members = ",\"failed\":[" + failed + "]"});
    return;
  }
  lines += faults.empty() ? "ready\n" : "not ready\n";
  exchange.answer().begin(faults.empty() ? 200 : 503);
  exchange.answer().body(kText, exchange.parameters.verbose ? std::string_view{lines} : "ready\n");
}

void answer_metrics(Exchange& exchange) {
  exchange.answer().begin(200);
  exchange.answer().body("text/plain; version=0.0.4; charset=utf-8",
                         exchange.service().metrics.text(exchange.status_result));
}

}  // namespace

// Alive: this very thread answers. What a restart would not heal belongs to readyz.
void check_livez(Exchange& exchange) {
  if (take_parameters(exchange, 0)) {
    exchange.serve = [](Exchange& e) {
      e.answer().begin(200);
      e.answer().body(kText, "alive\n");
    };
  }
}

void check_readyz(Exchange& exchange) {
  if (take_parameters(exchange, Parameters::kVerbose)) {
    exchange.serve = [](Exchange& e) { e.status(answer_ready); };
  }
}

void check_metrics(Exchange& exchange) {
  if (take_parameters(exchange, 0)) {
    exchange.serve = [](Exchange& e) { e.status(answer_metrics); };
  }
}

}  // namespace tenaz::server::http
