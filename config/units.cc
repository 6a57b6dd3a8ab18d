#include "config/units.h"

#include <charconv>
#include <cmath>
#include <span>

namespace tenaz::config {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t size;
};

// Largest first.
constexpr Unit kTimes[] = {{"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000},
                           {"ms", 1'000'000},        {"us", 1'000},         {"ns", 1}};
constexpr Unit kSizes[] = {
    {"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1}};

constexpr std::uint64_t kLongest = 365ULL * 24 * 3'600'000'000'000;
constexpr std::uint64_t kLargest = 1ULL << 50;

std::optional<std::uint64_t> parse(std::string_view text, std::span<const Unit> units, std::uint64_t limit) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number) || number < 0 || text.front() == '-') return std::nullopt;
  const std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    const double value = number * static_cast<double>(unit.size);
    if (value > static_cast<double>(limit)) return std::nullopt;
    return static_cast<std::uint64_t>(std::llround(value));
  }
  return std::nullopt;
}

std::string format(std::uint64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (value >= unit.size && value % unit.size == 0) return std::to_string(value / unit.size).append(unit.name);
  }
  return std::string("0").append(units[units.size() - 1].name);
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  const auto value = parse(text, kTimes, kLongest);
  if (!value) return std::nullopt;
  return std::chrono::nanoseconds(*value);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  return parse(text, kSizes, kLargest);
}

std::string format_duration(std::chrono::nanoseconds value) {
  if (value.count() == 0) return "0s";
  return format(static_cast<std::uint64_t>(value.count()), kTimes);
}

std::string format_size(std::uint64_t bytes) {
  return format(bytes, kSizes);
}

}  // namespace tenaz::config
