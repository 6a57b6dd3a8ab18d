#include "bench/distribution.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace tenaz::bench {

namespace {

constexpr std::size_t kPoolBytes = std::size_t{8} << 20;

double unit(Random& random) {
  return static_cast<double>(random() >> 11) * 0x1.0p-53;
}

// (exp(x) - 1) / x and log(1 + x) / x, continuous at 0: they keep the integrals right when the exponent is near 1.
double expm1_over(double x) {
  return std::abs(x) > 1e-8 ? std::expm1(x) / x : 1 + x / 2;
}
double log1p_over(double x) {
  return std::abs(x) > 1e-8 ? std::log1p(x) / x : 1 - x / 2;
}

}  // namespace

Zipf::Zipf(std::uint64_t n, double exponent) : n_(static_cast<double>(n)), exponent_(exponent) {
  integral_at_one_ = integral(1.5) - 1;
  integral_at_n_ = integral(n_ + 0.5);
  shortcut_ = 2 - integral_inverse(integral(2.5) - density(2));
}

double Zipf::integral(double x) const {
  const double log_x = std::log(x);
  return expm1_over((1 - exponent_) * log_x) * log_x;
}

double Zipf::integral_inverse(double x) const {
  const double t = std::max(x * (1 - exponent_), -1.0);
  return std::exp(log1p_over(t) * x);
}

double Zipf::density(double x) const {
  return std::exp(-exponent_ * std::log(x));
}

std::uint64_t Zipf::next(Random& random) const {
  while (true) {
    const double u = integral_at_n_ + unit(random) * (integral_at_one_ - integral_at_n_);
    const double x = integral_inverse(u);
    const double k = std::clamp(std::floor(x + 0.5), 1.0, n_);
    if (k - x <= shortcut_ || u >= integral(k + 0.5) - density(k)) return static_cast<std::uint64_t>(k);
  }
}

KeyChooser::KeyChooser(Distribution distribution, std::uint64_t keys, double zipf_exponent)
    : distribution_(distribution), keys_(std::max<std::uint64_t>(keys, 1)), zipf_(keys_, zipf_exponent) {
  if (distribution_ == Distribution::zipf) {
    stride_ = keys_ / 2 + 1;
    while (std::gcd(stride_, keys_) != 1) ++stride_;
  }
}

std::uint64_t KeyChooser::next(Random& random) {
  switch (distribution_) {
    case Distribution::uniform:
      return std::uniform_int_distribution<std::uint64_t>(0, keys_ - 1)(random);
    case Distribution::zipf:
      return (zipf_.next(random) - 1) * stride_ % keys_;
    case Distribution::sequential:
      break;
  }
  const std::uint64_t chosen = next_;
  next_ = next_ + 1 == keys_ ? 0 : next_ + 1;
  return chosen;
}

ValuePool::ValuePool(std::size_t value_bytes, Random& random) : value_bytes_(value_bytes) {
  pool_.resize(std::max(kPoolBytes, 2 * value_bytes));
  for (std::size_t i = 0; i + sizeof(std::uint64_t) <= pool_.size(); i += sizeof(std::uint64_t)) {
    const std::uint64_t word = random();
    std::memcpy(pool_.data() + i, &word, sizeof(word));
  }
}

std::string_view ValuePool::next(Random& random) const {
  const std::size_t offset = random() % (pool_.size() - value_bytes_);
  return std::string_view(pool_).substr(offset, value_bytes_);
}

}  // namespace tenaz::bench
