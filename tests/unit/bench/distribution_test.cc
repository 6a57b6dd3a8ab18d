#include "bench/distribution.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>
#include <vector>

namespace tenaz::bench {
namespace {

// The definition itself: P(k) = k^-s / sum of all.
std::vector<double> zipf_by_definition(std::size_t n, double exponent) {
  std::vector<double> p(n);
  for (std::size_t k = 1; k <= n; ++k) p[k - 1] = std::pow(static_cast<double>(k), -exponent);
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) x /= sum;
  return p;
}

TEST(Zipf, FollowsItsDefinition) {
  constexpr int kSamples = 400'000;
  for (const double exponent : {0.5, 0.99, 1.0, 1.5}) {
    for (const std::size_t n : {1u, 2u, 10u, 1000u}) {
      Random random(11);
      const Zipf zipf(n, exponent);
      std::vector<int> seen(n);
      for (int i = 0; i < kSamples; ++i) {
        const std::uint64_t k = zipf.next(random);
        ASSERT_GE(k, 1u);
        ASSERT_LE(k, n);
        ++seen[k - 1];
      }
      const std::vector<double> p = zipf_by_definition(n, exponent);
      for (std::size_t k = 0; k < n; ++k) {
        const double expected = p[k] * kSamples;
        const double deviation = std::sqrt(expected * (1 - p[k])) + 1;
        EXPECT_NEAR(seen[k], expected, 6 * deviation) << "exponent " << exponent << ", n " << n << ", rank " << k + 1;
      }
    }
  }
}

TEST(KeyChooser, SequentialGoesRound) {
  Random random(1);
  KeyChooser chooser(Distribution::sequential, 3, 1);
  std::vector<std::uint64_t> got;
  for (int i = 0; i < 7; ++i) got.push_back(chooser.next(random));
  EXPECT_EQ(got, (std::vector<std::uint64_t>{0, 1, 2, 0, 1, 2, 0}));
}

TEST(KeyChooser, UniformReachesAll) {
  Random random(1);
  KeyChooser chooser(Distribution::uniform, 50, 1);
  std::set<std::uint64_t> got;
  for (int i = 0; i < 5000; ++i) got.insert(chooser.next(random));
  EXPECT_EQ(got.size(), 50u);
  EXPECT_EQ(*got.rbegin(), 49u);
}

TEST(KeyChooser, ZipfReachesAllAndSpreadsThePopular) {
  Random random(1);
  KeyChooser chooser(Distribution::zipf, 50, 0.99);
  std::vector<int> seen(50);
  for (int i = 0; i < 50'000; ++i) {
    const std::uint64_t key = chooser.next(random);
    ASSERT_LT(key, 50u);
    ++seen[key];
  }
  for (int count : seen) EXPECT_GT(count, 0);
  EXPECT_LT(seen[1], seen[0] / 3);  // the second most popular key is not the neighbour of the first
}

TEST(ValuePool, GivesTheSizeAskedFor) {
  Random random(1);
  for (const std::size_t bytes : {0u, 1u, 256u, 16u << 20}) {
    const ValuePool pool(bytes, random);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(pool.next(random).size(), bytes);
  }
  const ValuePool pool(64, random);
  EXPECT_NE(pool.next(random), pool.next(random));
}

}  // namespace
}  // namespace tenaz::bench
