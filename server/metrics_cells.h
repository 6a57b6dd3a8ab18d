// The building blocks of Metrics: counters and histograms of relaxed atomics, read at scrape. Any thread.
#pragma once

#include <prometheus/metric_family.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>

namespace tenaz::server {

class Count {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// A histogram over whole numbers (nanoseconds, entries). prometheus::Histogram would take a mutex per observation.
template <std::size_t N>
class Buckets {
 public:
  // `bounds` rise; `scale` turns the whole numbers into the unit that is shown.
  Buckets(const std::array<std::uint64_t, N>& bounds, double scale) : bounds_(bounds), scale_(scale) {}

  void observe(std::uint64_t value) {
    std::size_t i = 0;
    while (i < N && value > bounds_[i]) {
      ++i;
    }
    counts_[i].add();
    sum_.add(value);
  }
  void observe(std::chrono::nanoseconds value) {
    observe(static_cast<std::uint64_t>(value.count() > 0 ? value.count() : 0));
  }

  bool empty() const { return sum_.get() == 0 && counts_[0].get() == 0; }

  prometheus::ClientMetric::Histogram collect() const {
    prometheus::ClientMetric::Histogram out;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < N; ++i) {
      total += counts_[i].get();
      out.bucket.push_back({total, static_cast<double>(bounds_[i]) * scale_});
    }
    out.sample_count = total + counts_[N].get();
    out.sample_sum = static_cast<double>(sum_.get()) * scale_;
    return out;
  }

 private:
  const std::array<std::uint64_t, N>& bounds_;
  const double scale_;
  std::array<Count, N + 1> counts_;
  Count sum_;
};

// Counters by a stable word. A handful of words, found by comparing; the last slot takes whatever would be one too
// many.
class WordCounts {
 public:
  // `words`: shown from the start, at 0. They must outlive this, as must those that are counted.
  explicit WordCounts(std::initializer_list<const char*> words) {
    for (const char* word : words) {
      slot(word);
    }
  }

  void add(const char* word, std::uint64_t n = 1) { slot(word).count.add(n); }

  template <class F>
  void each(F&& visit) const {
    for (const Slot& slot : slots_) {
      if (const char* word = slot.word.load(std::memory_order_acquire)) {
        visit(word, slot.count.get());
      }
    }
  }

 private:
  struct Slot {
    std::atomic<const char*> word{nullptr};
    Count count;
  };

  Slot& slot(const char* word) {
    for (std::size_t i = 0; i + 1 < slots_.size(); ++i) {
      const char* held = slots_[i].word.load(std::memory_order_acquire);
      if (held == nullptr && slots_[i].word.compare_exchange_strong(held, word, std::memory_order_acq_rel)) {
        return slots_[i];
      }
      // A failed exchange has put another thread's word into `held`.
      if (held == word || std::strcmp(held, word) == 0) {
        return slots_[i];
      }
    }
    slots_.back().word.store("other", std::memory_order_release);
    return slots_.back();
  }

  std::array<Slot, 16> slots_;
};

}  // namespace tenaz::server
