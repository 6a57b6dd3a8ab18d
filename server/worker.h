// A thread that takes everything that has queued, in order, and handles it in one go. The log writer's and the
// applier's shared skeleton: what arrives while a batch is handled forms the next one.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tenaz::server {

template <class Item>
class Worker {
 public:
  // `handle` runs on the worker's thread. `name`: at most 15 characters, shown by ps -L.
  Worker(const std::string& name, std::function<void(std::vector<Item>&)> handle) : handle_(std::move(handle)) {
    thread_ = std::thread([this, name] {
      ::pthread_setname_np(::pthread_self(), name.c_str());
      run();
    });
  }
  ~Worker() { stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Any thread. False: the worker has stopped, and the item is dropped.
  bool push(Item item) {
    bool wake = false;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return false;
      wake = queue_.empty() && idle_;
      queue_.push_back(std::move(item));
    }
    if (wake) wake_.notify_one();
    return true;
  }

  // Handles what has queued, then ends the thread.
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run() {
    std::vector<Item> batch;
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        idle_ = true;
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        idle_ = false;
        if (queue_.empty()) return;
        batch.swap(queue_);
      }
      handle_(batch);
      batch.clear();
    }
  }

  std::function<void(std::vector<Item>&)> handle_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Item> queue_;
  bool idle_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tenaz::server
