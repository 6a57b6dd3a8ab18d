#include "server/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <memory>

namespace tenaz::server {

namespace {

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& out) override {
    const auto append = [&out](std::string_view text) { out.append(text.data(), text.data() + text.size()); };
    append("{\"time\":\"");
    time_.format(line, out);
    append("\",\"level\":\"");
    append({spdlog::level::to_string_view(line.level).data(), spdlog::level::to_string_view(line.level).size()});
    append("\",\"message\":");
    append(boost::json::serialize(boost::json::string(std::string_view(line.payload.data(), line.payload.size()))));
    append("}\n");
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }

 private:
  spdlog::pattern_formatter time_{"%Y-%m-%dT%H:%M:%S.%eZ", spdlog::pattern_time_type::utc, ""};
};

}  // namespace

void set_up_logging(const LogOptions& options) {
  static const auto logger = [] {
    auto made = std::make_shared<spdlog::logger>("tenaz", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    spdlog::set_default_logger(made);
    return made;
  }();
  logger->set_level(spdlog::level::from_str(options.level == "warn" ? "warning" : options.level));
  logger->flush_on(spdlog::level::info);
  if (options.format == "json")
    logger->set_formatter(std::make_unique<JsonFormatter>());
  else
    logger->set_formatter(
        std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %-7l %v", spdlog::pattern_time_type::utc));
}

}  // namespace tenaz::server
