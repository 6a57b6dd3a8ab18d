// Which key comes next, and what bytes it gets. Deterministic for a seed. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace tenaz::bench {

using Random = std::mt19937_64;

enum class Distribution { uniform, zipf, sequential };

// Ranks 1..n with P(k) proportional to k^-exponent, by rejection-inversion (Hörmann and Derflinger,
// "Rejection-inversion to generate variates from monotone discrete distributions", 1996): constant time and memory for
// any n.
class Zipf {
 public:
  // n >= 1, exponent > 0.
  Zipf(std::uint64_t n, double exponent);
  std::uint64_t next(Random& random) const;

 private:
  double integral(double x) const;  // of x^-exponent
  double integral_inverse(double x) const;
  double density(double x) const;

  double n_;
  double exponent_;
  double integral_at_one_;  // from here ...
  double integral_at_n_;    // ... to here is what the uniform variate covers
  double shortcut_;         // within this distance of k no rejection test is needed
};

// Indices in [0, keys).
class KeyChooser {
 public:
  KeyChooser(Distribution distribution, std::uint64_t keys, double zipf_exponent);
  std::uint64_t next(Random& random);

 private:
  Distribution distribution_;
  std::uint64_t keys_;
  Zipf zipf_;
  std::uint64_t next_ = 0;
  std::uint64_t stride_ = 1;  // coprime to keys: spreads the popular ranks over the key space
};

// Values that no compression shrinks: windows of a pool of random bytes.
class ValuePool {
 public:
  ValuePool(std::size_t value_bytes, Random& random);
  std::string_view next(Random& random) const;

 private:
  std::size_t value_bytes_;
  std::string pool_;
};

}  // namespace tenaz::bench
