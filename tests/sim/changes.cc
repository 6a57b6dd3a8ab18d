#include "tests/sim/changes.h"

#include <cstdlib>

namespace tenaz::sim {
namespace {

// "0-3,7" for {0, 1, 2, 3, 7}.
std::string ranges(const std::set<std::uint64_t>& numbers) {
  std::string text;
  for (auto it = numbers.begin(); it != numbers.end();) {
    const std::uint64_t first = *it;
    std::uint64_t last = first;
    while (++it != numbers.end() && *it == last + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(first);
    if (last != first) text += '-' + std::to_string(last);
  }
  return text;
}

std::optional<std::uint64_t> number(const std::string& text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return {};
  return std::strtoull(text.c_str(), nullptr, 10);
}

template <class Take>
bool for_each_word(const std::string& text, Take take) {
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (!take(text.substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  return true;
}

bool parse_ranges(const std::string& text, std::set<std::uint64_t>& numbers) {
  return for_each_word(text, [&numbers](const std::string& word) {
    const std::size_t dash = word.find('-');
    const auto first = number(word.substr(0, dash));
    const auto last = dash == std::string::npos ? first : number(word.substr(dash + 1));
    if (!first || !last || *last < *first || *last - *first > 10'000) return false;
    for (std::uint64_t each = *first; each <= *last; ++each) numbers.insert(each);
    return true;
  });
}

bool parse_conditions(const std::string& text, std::set<Condition>& conditions) {
  return for_each_word(text, [&conditions](const std::string& word) {
    for (std::size_t i = 0; i < kConditions; ++i)
      if (const auto condition = static_cast<Condition>(i); word == to_string(condition)) {
        conditions.insert(condition);
        return true;
      }
    return false;
  });
}

}  // namespace

const char* to_string(Condition condition) {
  switch (condition) {
    case Condition::loss:
      return "loss";
    case Condition::delays:
      return "delays";
    case Condition::duplicates:
      return "duplicates";
    case Condition::reorder:
      return "reorder";
    case Condition::breaks:
      return "breaks";
    case Condition::slow_syncs:
      return "slow-syncs";
    case Condition::no_images:
      return "no-images";
    case Condition::clock_drift:
      return "clock-drift";
    case Condition::small_limits:
      return "small-limits";
  }
  return "?";
}

std::string to_options(const Changes& changes) {
  std::string text;
  if (changes.nodes != 0) text += " --nodes " + std::to_string(changes.nodes);
  if (!changes.skipped.empty()) text += " --skip " + ranges(changes.skipped);
  if (!changes.calm.empty()) {
    text += " --calm ";
    for (const Condition condition : changes.calm) {
      if (text.back() != ' ') text += ',';
      text += to_string(condition);
    }
  }
  if (changes.until > raft::Duration{})
    text +=
        " --until-ms " + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(changes.until).count());
  if (changes.real_storage) text += " --storage real";
  if (changes.salt != 0) text += " --salt " + std::to_string(changes.salt);
  return text;
}

bool parse_option(const std::string& name, const std::string& value, Changes& changes) {
  if (name == "--skip") return parse_ranges(value, changes.skipped);
  if (name == "--calm") return parse_conditions(value, changes.calm);
  if (name == "--storage") {
    changes.real_storage = value == "real";
    return value == "real" || value == "model";
  }
  const auto parsed = number(value);
  if (!parsed) return false;
  if (name == "--nodes") {
    changes.nodes = static_cast<std::size_t>(*parsed);
    return changes.nodes >= 1 && changes.nodes <= 9;
  }
  if (name == "--until-ms") {
    changes.until = std::chrono::milliseconds(*parsed);
    return changes.until > raft::Duration{} && *parsed < 1'000'000;
  }
  if (name == "--salt") {
    changes.salt = *parsed;
    return true;
  }
  return false;
}

}  // namespace tenaz::sim
