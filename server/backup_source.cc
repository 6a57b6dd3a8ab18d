#include "server/backup_source.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>

namespace tenaz::server {
namespace {

std::string fresh_prefix() {
  std::random_device device;
  return "backup-" + std::to_string(device()) + "-" + std::to_string(device()) + "-";
}

}  // namespace

// Outlives the source while a backup is held.
struct BackupSource::Shared {
  using Task = std::function<void(bool stopping)>;  // called once, on the thread or when that has ended

  explicit Shared(std::filesystem::path dir) : data_dir(std::move(dir)), id_prefix(fresh_prefix()) {}

  void push(Task task) {
    {
      const std::lock_guard lock(mutex);
      if (!stopping) {
        tasks.push_back(std::move(task));
        task = nullptr;
      }
    }
    if (task)
      task(true);
    else
      wake.notify_one();
  }
  void give_back() {
    const std::lock_guard lock(mutex);
    --open;
  }

  const std::filesystem::path data_dir;
  const std::string id_prefix;  // fresh at every start
  std::uint64_t last_id = 0;    // of the thread
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Task> tasks;
  std::size_t open = 0;
  bool stopping = false;
};

// A backup in a reader's hands.
class BackupSource::Open final : public Backup {
 public:
  Open(std::shared_ptr<Shared> shared, std::unique_ptr<storage::BackupImage> image)
      : shared_(std::move(shared)), image_(std::move(image)) {}
  // Removing the files takes a while: not on the reader's thread.
  ~Open() override {
    shared_->push([shared = shared_, image = std::shared_ptr<storage::BackupImage>(std::move(image_))](bool) mutable {
      image.reset();
      shared->give_back();
    });
  }

  std::uint64_t bytes() const override { return image_->bytes(); }
  storage::Revision revision() const override { return storage::Revision(image_->header().revision); }
  void next(std::function<void(storage::Result<std::string>)> done) override {
    shared_->push([this, done = std::move(done)](bool stopping) {
      if (stopping) return done(storage::Error{storage::ErrorCode::not_ready, "this node stops"});
      auto piece = image_->next();
      if (!piece) spdlog::error("backup: broken off: {}", piece.error().message);
      done(std::move(piece));
    });
  }

 private:
  const std::shared_ptr<Shared> shared_;
  std::unique_ptr<storage::BackupImage> image_;
};

BackupSource::BackupSource(std::filesystem::path data_dir) : shared_(std::make_shared<Shared>(std::move(data_dir))) {
  thread_ = std::thread([shared = shared_] {
    ::pthread_setname_np(::pthread_self(), "backup");
    run(*shared);
  });
}

BackupSource::~BackupSource() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->wake.notify_one();
  thread_.join();
  for (auto& task : std::exchange(shared_->tasks, {})) task(true);
}

void BackupSource::run(Shared& shared) {
  std::unique_lock lock(shared.mutex);
  for (;;) {
    shared.wake.wait(lock, [&] { return shared.stopping || !shared.tasks.empty(); });
    if (shared.stopping) return;
    auto task = std::move(shared.tasks.front());
    shared.tasks.pop_front();
    lock.unlock();
    task(false);
    task = nullptr;
    lock.lock();
  }
}

void BackupSource::open(std::shared_ptr<storage::StateMachine> state, storage::BackupOrigin origin,
                        std::function<void(BackupResult)> done) {
  bool full = false;
  {
    const std::lock_guard lock(shared_->mutex);
    full = shared_->open >= kMost;
    if (!full) ++shared_->open;
  }
  if (full) return done(Failure::overloaded);
  shared_->push([shared = shared_, state = std::move(state), origin = std::move(origin),
                 done = std::move(done)](bool stopping) mutable {
    if (stopping) {
      shared->give_back();
      return done(Failure::stopping);
    }
    auto image = storage::BackupImage::create(*state, shared->data_dir,
                                              shared->id_prefix + std::to_string(++shared->last_id), origin);
    state.reset();
    if (!image) {
      spdlog::error("backup: none could be made: {}", image.error().message);
      shared->give_back();
      return done(image.error());
    }
    spdlog::info("backup: revision {}, {} bytes", (*image)->header().revision, (*image)->bytes());
    done(std::make_shared<Open>(shared, std::move(*image)));
  });
}

}  // namespace tenaz::server
