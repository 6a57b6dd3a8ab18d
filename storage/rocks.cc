#include "storage/rocks.h"

#include <rocksdb/listener.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "storage/options.h"

namespace tenaz::storage::rocks {

Error error(const rocksdb::Status& status, std::string_view what, std::string_view advice) {
  std::string message(what);
  message += ": " + status.ToString();
  const bool full = status.IsNoSpace() || status.subcode() == rocksdb::Status::kNoSpace ||
                    message.find("No space left on device") != std::string::npos;
  if (full) return {ErrorCode::no_space, message + ". The file system is full: make room and start the node again."};
  // A file that is missing or short is damage too, not a passing fault.
  if (status.IsCorruption() || status.IsPathNotFound() || status.IsNotFound() || status.IsInvalidArgument()) {
    return {ErrorCode::corruption, message + ". " + std::string(advice)};
  }
  return {ErrorCode::io, message};
}

namespace {

// Writing tables out is work in bursts, of all nodes at once, that nobody waits for: on busy cores it should not take
// turns with requests. Nor should it starve, though, where other programs keep the cores busy: apply waits for it
// before too much would need replay. RocksDB by itself knows only the extremes.
class GiveWay final : public rocksdb::EventListener {
 public:
  const char* Name() const override { return "tenaz.give-way"; }
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { lower(); }
  void OnCompactionBegin(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override { lower(); }

 private:
  static constexpr int kNice = 5;

  // Of the calling thread, which is RocksDB's own.
  static void lower() {
    thread_local const int done = ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
    static_cast<void>(done);
  }
};

// A database that could not write something out takes no writes until it is opened again. RocksDB by itself would go on
// once there is room, by a flush that may take half a batch: storage/kv/database.h, what may write out.
class NoResumption final : public rocksdb::EventListener {
 public:
  const char* Name() const override { return "tenaz.no-resumption"; }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* automatic) override {
    *automatic = false;
  }
};

}  // namespace

void common_options(rocksdb::DBOptions& options, Platform& platform, const std::filesystem::path& directory) {
  options.env = platform.env();
  options.info_log = platform.info_log(directory);
  options.create_if_missing = true;
  options.paranoid_checks = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.max_background_jobs = 2;
  options.max_subcompactions = 1;
  options.max_manifest_file_size = 4 << 20;
  options.recycle_log_file_num = 0;
  options.track_and_verify_wals_in_manifest = true;
  options.compaction_readahead_size = 256 << 10;
  options.bytes_per_sync = kWriteOutBytes;
  options.max_bgerror_resume_count = 0;
  options.listeners.push_back(std::make_shared<NoResumption>());
  if (platform.has_threads())
    options.listeners.push_back(std::make_shared<GiveWay>());
  else
    options.max_file_opening_threads = 1;
  rlimit files{};
  options.max_open_files = open_tables(::getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : 0);
}

Error system_error(std::string_view what, const std::filesystem::path& path, int number) {
  return {number == ENOSPC ? ErrorCode::no_space : ErrorCode::io,
          std::string(what) + " " + path.string() + ": " + std::generic_category().message(number)};
}

}  // namespace tenaz::storage::rocks
