#include "tests/sim/totals.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tenaz::sim {
namespace {

template <class... Values>
std::string text(const char* format, Values... values) {
  char line[512];
  std::snprintf(line, sizeof line, format, values...);
  return line;
}

unsigned long long number(std::uint64_t value) {
  return value;
}

}  // namespace

void Totals::add(const Report& report) {
  ++runs;
  failed += report.failure.empty() ? 0 : 1;
  of_five += report.nodes == 5 ? 1 : 0;
  simulated_seconds += report.simulated_seconds;
  if (report.failure.empty()) recoveries.push_back(report.recovery_seconds);
  using Field = std::uint64_t Report::*;
  for (const Field field :
       {&Report::events,          &Report::operations,     &Report::acknowledged, &Report::reads,
        &Report::lists,           &Report::lease_reads,    &Report::refused,      &Report::unknown,
        &Report::applied,         &Report::leaders,        &Report::crashes,      &Report::installs,
        &Report::states_restored, &Report::fenced,         &Report::faults,       &Report::changes,
        &Report::changes_refused, &Report::configurations, &Report::retired,      &Report::quorums_lost})
    sum.*field += report.*field;
  for (std::size_t kind = 0; kind < kFaultKinds; ++kind) sum.struck[kind] += report.struck[kind];
  for (std::size_t step = 0; step < kSteps; ++step) sum.ended_at[step] += report.ended_at[step];
}

double percentile(std::vector<double>& values, double percent) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(percent / 100 * static_cast<double>(values.size()));
  return values[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

std::string summary(Totals& totals, double cpu_seconds) {
  const Report& sum = totals.sum;
  std::string out = text(
      "%llu runs, %llu of them on five nodes, %llu failed; %.0f simulated seconds in %.1f s of one core (%.0f per "
      "second), %.1f M events\n",
      number(totals.runs), number(totals.of_five), number(totals.failed), totals.simulated_seconds, cpu_seconds,
      totals.simulated_seconds / cpu_seconds, static_cast<double>(sum.events) / 1e6);
  out += text(
      "%llu calls: %llu writes acknowledged, %llu refused, %llu without an answer, %llu reads, %llu lists; %llu by "
      "leases\n",
      number(sum.operations), number(sum.acknowledged), number(sum.refused), number(sum.unknown), number(sum.reads),
      number(sum.lists), number(sum.lease_reads));
  out += text(
      "%llu faults, %llu crashes, %llu leaders, %llu snapshots installed, %llu states restored, %llu disks fenced\n",
      number(sum.faults), number(sum.crashes), number(sum.leaders), number(sum.installs), number(sum.states_restored),
      number(sum.fenced));
  out += text("%llu changes of membership done, %llu not, %llu configurations, %llu nodes removed, %llu quorums lost\n",
              number(sum.changes), number(sum.changes_refused), number(sum.configurations), number(sum.retired),
              number(sum.quorums_lost));
  std::vector<double>& recoveries = totals.recoveries;
  out += text("a write is accepted after the faults have ended: p50 %.2f s, p99 %.2f s, p99.9 %.2f s, max %.2f s\n",
              percentile(recoveries, 50), percentile(recoveries, 99), percentile(recoveries, 99.9),
              percentile(recoveries, 100));
  return out;
}

std::string fault_table(const Totals& totals) {
  std::string out;
  for (std::size_t kind = 0; kind < kFaultKinds; ++kind)
    out += text("%10llu  %s\n", number(totals.sum.struck[kind]), to_string(static_cast<FaultKind>(kind)));
  for (std::size_t step = 0; step < kSteps; ++step)
    out +=
        text("%10llu  crash at the step %s\n", number(totals.sum.ended_at[step]), to_string(static_cast<Step>(step)));
  return out;
}

}  // namespace tenaz::sim
