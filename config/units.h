// Durations ("50ms", "1.5s") and sizes ("64MiB") as the configuration file spells them. Exact units only: no KB, no
// bare numbers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tenaz::config {

// A number, then ns, us, ms, s, m or h; at most a year. Nothing if the text is something else.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);
// A number, then B, KiB, MiB, GiB or TiB; at most 1024TiB.
std::optional<std::uint64_t> parse_size(std::string_view text);

// In the largest unit that loses nothing; what parse_... reads back as the same value.
std::string format_duration(std::chrono::nanoseconds value);
std::string format_size(std::uint64_t bytes);

}  // namespace tenaz::config
