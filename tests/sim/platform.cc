#include "tests/sim/platform.h"

#include <rocksdb/env.h>
#include <rocksdb/system_clock.h>

#include <cstdlib>
#include <deque>
#include <utility>

#include "storage/ordered_names.h"
#include "tests/sim/file_system.h"

namespace tenaz::sim {
namespace {

namespace fs = std::filesystem;
using storage::Error;
using storage::ErrorCode;
using storage::Result;

constexpr std::uint64_t kFreeBytes = std::uint64_t{1} << 40;

Error missing(const fs::path& path) {
  return {ErrorCode::io, path.string() + ": No such file or directory"};
}

class VirtualClock final : public rocksdb::SystemClock {
 public:
  explicit VirtualClock(const World& world) : world_(world) {}
  const char* Name() const override { return "tenaz.virtual-clock"; }
  std::uint64_t NowMicros() override {
    return static_cast<std::uint64_t>(world_.now().time_since_epoch() / microseconds(1));
  }
  void SleepForMicroseconds(int) override {}
  rocksdb::Status GetCurrentTime(std::int64_t* seconds_since_1970) override {
    *seconds_since_1970 = world_.now().time_since_epoch() / seconds(1);
    return rocksdb::Status::OK();
  }
  std::string TimeToString(std::uint64_t time) override { return std::to_string(time); }

 private:
  const World& world_;
};

class NoLog final : public rocksdb::Logger {
 public:
  NoLog() : rocksdb::Logger(rocksdb::FATAL_LEVEL) {}
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

class TreeFile final : public storage::File {
 public:
  TreeFile(FileTree& tree, FileTree::NodePtr file) : tree_(tree), file_(std::move(file)) {}
  Result<void> write(std::uint64_t offset, std::string_view bytes) override {
    tree_.write(*file_, offset, bytes);
    return {};
  }
  Result<void> sync() override {
    if (!tree_.sync(*file_)) return Error{ErrorCode::io, "the disk failed to write"};
    return {};
  }

 private:
  FileTree& tree_;
  const FileTree::NodePtr file_;
};

}  // namespace

class QueueingEnv final : public rocksdb::EnvWrapper {
 public:
  QueueingEnv(const World& world, FileTree& tree, Random& random)
      : QueueingEnv(world, storage::with_ordered_names(make_file_system(tree)), random) {}
  const char* Name() const override { return "tenaz.queueing-env"; }

  std::size_t queued() const { return jobs_.size(); }
  void run_one() {
    const Job job = jobs_.front();
    jobs_.pop_front();
    job.run(job.argument);
  }

  void Schedule(void (*run)(void*), void* argument, Priority priority, void* tag, void (*drop)(void*)) override {
    jobs_.push_back({run, argument, priority, tag, drop});
  }
  int UnSchedule(void* tag, Priority priority) override {
    int dropped = 0;
    std::deque<Job> kept;
    for (const Job& job : std::exchange(jobs_, {})) {
      if (job.tag != tag || job.priority != priority) {
        kept.push_back(job);
        continue;
      }
      ++dropped;
      if (job.drop != nullptr) job.drop(job.argument);
    }
    jobs_ = std::move(kept);
    return dropped;
  }
  void StartThread(void (*)(void*), void*) override { std::abort(); }
  void WaitForJoin() override {}
  unsigned int GetThreadPoolQueueLen(Priority) const override { return static_cast<unsigned>(jobs_.size()); }
  int ReserveThreads(int, Priority) override { return 0; }
  int ReleaseThreads(int, Priority) override { return 0; }
  void SetBackgroundThreads(int, Priority) override {}
  int GetBackgroundThreads(Priority) override { return 1; }
  void IncBackgroundThreadsIfNeeded(int, Priority) override {}
  std::uint64_t NowMicros() override { return system_clock_->NowMicros(); }
  std::uint64_t NowNanos() override { return system_clock_->NowNanos(); }
  std::uint64_t NowCPUNanos() override { return 0; }
  void SleepForMicroseconds(int) override {}
  rocksdb::Status GetCurrentTime(std::int64_t* time) override { return system_clock_->GetCurrentTime(time); }
  std::string GenerateUniqueId() override {
    char text[40];
    std::snprintf(text, sizeof text, "%016llx-%016llx", static_cast<unsigned long long>(random_.next()),
                  static_cast<unsigned long long>(random_.next()));
    return text;
  }

 private:
  QueueingEnv(const World& world, const std::shared_ptr<rocksdb::FileSystem>& files, Random& random)
      : rocksdb::EnvWrapper(rocksdb::NewCompositeEnv(files)), random_(random) {
    file_system_ = files;
    system_clock_ = std::make_shared<VirtualClock>(world);
  }

  struct Job {
    void (*run)(void*);
    void* argument;
    Priority priority;
    void* tag;
    void (*drop)(void*);
  };
  std::deque<Job> jobs_;
  Random& random_;
};

Platform::Platform(World& world, FileTree& tree, Random random)
    : tree_(tree), random_(random), env_(std::make_unique<QueueingEnv>(world, tree, random_)) {}
Platform::~Platform() = default;

std::size_t Platform::queued() const {
  return env_->queued();
}
void Platform::run_one() {
  env_->run_one();
}
void Platform::run_queued() {
  while (env_->queued() > 0) env_->run_one();
}

bool Platform::exists(const fs::path& path) {
  return tree_.find(path.native()) != nullptr;
}

Result<std::vector<std::string>> Platform::list(const fs::path& directory) {
  const auto node = tree_.find_directory(directory.native());
  if (!node) return missing(directory);
  std::vector<std::string> names;
  for (const auto& [name, child] : node->names) names.push_back(name);
  return names;
}

Result<void> Platform::make_directories(const fs::path& path) {
  fs::path reached;
  for (const auto& part : path) {
    reached /= part;
    if (!tree_.create_directory(reached.native())) return missing(reached);
  }
  return {};
}

Result<void> Platform::remove_tree(const fs::path& path) {
  tree_.remove(path.native());
  return {};
}

Result<void> Platform::rename(const fs::path& from, const fs::path& to) {
  if (!tree_.rename(from.native(), to.native())) return missing(from);
  return {};
}

Result<void> Platform::sync_directory(const fs::path& path) {
  const auto node = tree_.find_directory(path.native());
  if (!node) return missing(path);
  if (!tree_.sync(*node)) return Error{ErrorCode::io, path.string() + ": Input/output error"};
  return {};
}

Result<std::unique_ptr<storage::File>> Platform::open(const fs::path& path, bool empty) {
  auto file = tree_.find_file(path.native());
  if (!file)
    file = tree_.create_file(path.native());
  else if (empty)
    tree_.truncate(*file, 0);
  if (!file) return missing(path);
  return std::unique_ptr<storage::File>(std::make_unique<TreeFile>(tree_, std::move(file)));
}

Result<std::string> Platform::read(const fs::path& path, std::uint64_t offset, std::size_t bytes) {
  const auto file = tree_.find_file(path.native());
  if (!file) return missing(path);
  if (offset >= file->data.size()) return std::string();
  return file->data.substr(static_cast<std::size_t>(offset), bytes);
}

Result<std::uint64_t> Platform::free_bytes(const fs::path&) {
  return kFreeBytes;
}

Result<storage::DataLock> Platform::lock(const fs::path&) {
  return storage::DataLock();
}

rocksdb::Env* Platform::env() {
  return env_.get();
}

std::shared_ptr<rocksdb::Logger> Platform::info_log(const fs::path&) {
  return std::make_shared<NoLog>();
}

Result<std::string> Platform::random_bytes(std::size_t count) {
  std::string bytes;
  while (bytes.size() < count) {
    const std::uint64_t number = random_.next();
    for (unsigned shift = 0; shift < 64 && bytes.size() < count; shift += 8)
      bytes.push_back(static_cast<char>((number >> shift) & 0xff));
  }
  return bytes;
}

}  // namespace tenaz::sim
