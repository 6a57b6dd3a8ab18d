#include "bench/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace tenaz::bench {
namespace {

// What a histogram stands for: all values, sorted.
class Twin {
 public:
  void add(std::uint64_t value) { values_.push_back(value); }
  std::uint64_t percentile(double fraction) {
    std::sort(values_.begin(), values_.end());
    const double rank = std::ceil(fraction * static_cast<double>(values_.size()));
    return values_[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
  }

 private:
  std::vector<std::uint64_t> values_;
};

TEST(Histogram, EmptyIsAllZero) {
  const Histogram h;
  EXPECT_EQ(h.count(), 0u);
  EXPECT_EQ(h.percentile(0.5), 0u);
  EXPECT_EQ(h.max(), 0u);
  EXPECT_EQ(h.min(), 0u);
  EXPECT_EQ(h.mean(), 0);
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram h;
  for (std::uint64_t v = 0; v < 100; ++v) h.add(v);
  EXPECT_EQ(h.percentile(0.01), 0u);
  EXPECT_EQ(h.percentile(0.5), 49u);
  EXPECT_EQ(h.percentile(0.99), 98u);
  EXPECT_EQ(h.percentile(1), 99u);
}

TEST(Histogram, ExtremesOfTheRange) {
  Histogram h;
  h.add(0);
  h.add(~std::uint64_t{0});
  EXPECT_EQ(h.percentile(0.5), 0u);
  EXPECT_EQ(h.percentile(1), ~std::uint64_t{0});
}

TEST(Histogram, WithinOnePercentOfTheTwin) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    Histogram h;
    Twin twin;
    const unsigned spread = static_cast<unsigned>(random() % 50);
    const int samples = 1 + static_cast<int>(random() % 3000);
    for (int i = 0; i < samples; ++i) {
      const std::uint64_t value = random() >> (63 - random() % (spread + 1));
      h.add(value);
      twin.add(value);
    }
    for (const double fraction : {0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const double truth = static_cast<double>(twin.percentile(fraction));
      const double measured = static_cast<double>(h.percentile(fraction));
      EXPECT_GE(measured, truth) << "round " << round << ", fraction " << fraction;
      EXPECT_LE(measured, truth * 1.008 + 0.5) << "round " << round << ", fraction " << fraction;
    }
  }
}

TEST(Histogram, MergedIsAsIfAddedToOne) {
  std::mt19937_64 random(8);
  Histogram all, left, right;
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t value = random() % 1'000'000;
    all.add(value);
    (random() % 2 == 0 ? left : right).add(value);
  }
  left.merge(right);
  EXPECT_EQ(left.count(), all.count());
  EXPECT_EQ(left.min(), all.min());
  EXPECT_EQ(left.max(), all.max());
  EXPECT_NEAR(left.mean(), all.mean(), 1e-6);
  for (const double fraction : {0.1, 0.5, 0.99}) EXPECT_EQ(left.percentile(fraction), all.percentile(fraction));
}

}  // namespace
}  // namespace tenaz::bench
