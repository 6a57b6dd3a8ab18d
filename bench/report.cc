#include "bench/report.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string_view>
#include <utility>

namespace tenaz::bench {

namespace {

namespace json = boost::json;

constexpr std::array<std::pair<const char*, double>, 4> kPercentiles{
    {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}}};

double milliseconds(std::uint64_t ns) {
  return static_cast<double>(ns) * 1e-6;
}

double per_second(std::uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

std::string latency_line(const char* name, const Histogram& h, double seconds) {
  std::string line = fmt::format("{:<6} {:>10} {:>10.1f}/s", name, h.count(), per_second(h.count(), seconds));
  for (const auto& [label, fraction] : kPercentiles) {
    line += fmt::format("  {} {:.3f}", label, milliseconds(h.percentile(fraction)));
  }
  return line + fmt::format("  max {:.3f} ms\n", milliseconds(h.max()));
}

json::object latency_object(const Histogram& h) {
  json::object object;
  object["mean"] = h.mean() * 1e-9;
  for (const auto& [label, fraction] : kPercentiles) object[label] = static_cast<double>(h.percentile(fraction)) * 1e-9;
  object["max"] = static_cast<double>(h.max()) * 1e-9;
  return object;
}

}  // namespace

std::string as_text(const Report& report) {
  std::string text;
  for (std::size_t i = 0; i < kOperations; ++i) {
    const Histogram& h = report.operations[i].latency;
    if (h.count() > 0) text += latency_line(name_of(static_cast<Operation>(i)), h, report.seconds);
  }
  text += fmt::format("{} done in {:.2f} s: {:.1f}/s; {} errors", report.done(), report.seconds,
                      per_second(report.done(), report.seconds), report.failed());
  text +=
      fmt::format("; {} reconnects; generator used {:.2f} s of CPU", report.reconnects, report.generator_cpu_seconds);
  if (report.never_sent > 0) text += fmt::format("; {} requests were due but never sent", report.never_sent);
  text += "\n";
  for (const auto& [code, count] : report.errors) text += fmt::format("  error {:<24} {}\n", code, count);
  if (report.failed() > 0) text += latency_line("errors", report.error_latency, report.seconds);
  return text;
}

std::string as_json(const Report& report) {
  json::object operations;
  for (std::size_t i = 0; i < kOperations; ++i) {
    const OperationReport& operation = report.operations[i];
    if (operation.latency.count() == 0) continue;
    json::object object;
    object["count"] = operation.latency.count();
    object["per_second"] = per_second(operation.latency.count(), report.seconds);
    object["latency_seconds"] = latency_object(operation.latency);
    object["answer_bytes"] = operation.answer_bytes;
    operations[name_of(static_cast<Operation>(i))] = std::move(object);
  }
  json::object errors;
  for (const auto& [code, count] : report.errors) errors[code] = count;
  json::object all;
  all["seconds"] = report.seconds;
  all["done"] = report.done();
  all["per_second"] = per_second(report.done(), report.seconds);
  all["operations"] = std::move(operations);
  all["failed"] = report.failed();
  all["errors"] = std::move(errors);
  all["error_latency_seconds"] = latency_object(report.error_latency);
  all["reconnects"] = report.reconnects;
  all["never_sent"] = report.never_sent;
  all["generator_cpu_seconds"] = report.generator_cpu_seconds;
  return json::serialize(all);
}

}  // namespace tenaz::bench
