#include "server/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <cstdlib>
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

// $JOURNAL_STREAM names the stream by device and inode, since it is inherited by processes that write elsewhere.
bool writes_to_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat here {};
  return stream != nullptr && ::fstat(STDERR_FILENO, &here) == 0 &&
         stream ==
             fmt::format("{}:{}", static_cast<std::uint64_t>(here.st_dev), static_cast<std::uint64_t>(here.st_ino));
}

class JournalFormatter final : public spdlog::formatter {
 public:
  explicit JournalFormatter(std::unique_ptr<spdlog::formatter> line) : line_(std::move(line)) {}
  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& out) override {
    const std::string_view priority = priority_of(line.level);
    out.append(priority.data(), priority.data() + priority.size());
    line_->format(line, out);
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JournalFormatter>(line_->clone());
  }

 private:
  static std::string_view priority_of(spdlog::level::level_enum level) {
    switch (level) {
      case spdlog::level::critical:
        return SD_CRIT;
      case spdlog::level::err:
        return SD_ERR;
      case spdlog::level::warn:
        return SD_WARNING;
      case spdlog::level::info:
        return SD_INFO;
      default:
        return SD_DEBUG;
    }
  }

  std::unique_ptr<spdlog::formatter> line_;
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
  const bool journal = writes_to_journal();
  std::unique_ptr<spdlog::formatter> line;
  if (options.format == "json")
    line = std::make_unique<JsonFormatter>();
  else
    line = std::make_unique<spdlog::pattern_formatter>(journal ? "%l: %v" : "%Y-%m-%dT%H:%M:%S.%eZ %-7l %v",
                                                       spdlog::pattern_time_type::utc);
  if (journal) line = std::make_unique<JournalFormatter>(std::move(line));
  logger->set_formatter(std::move(line));
}

}  // namespace tenaz::server
