#include "tests/model/revisions.h"

#include <algorithm>
#include <optional>

#include "tests/model/register.h"

namespace tenaz::model {
namespace {

bool answered(const Operation& operation) {
  return operation.answered != kNever &&
         (operation.outcome == Outcome::done || operation.outcome == Outcome::precondition_failed);
}

std::string lines(const Operation& a, const Operation& b) {
  return ":\n  " + describe(a) + "\n  " + describe(b) + "\n";
}

}  // namespace

bool changed_something(const Operation& operation) {
  if (operation.outcome != Outcome::done || is_read(operation.kind)) return false;
  return operation.kind == Kind::put || operation.existed.value_or(false);
}

std::string misshapen(const Operation& operation) {
  if (!is_read(operation.kind) || operation.outcome != Outcome::done) return {};
  if (operation.revision < operation.least_revision)
    return "an older state than was asked for:\n  " + describe(operation) + "\n";
  for (std::size_t i = 0; i < operation.items.size(); ++i) {
    const std::string& key = operation.items[i].key;
    if (key < operation.key || (!operation.range_end.empty() && key >= operation.range_end))
      return "a list shows a key outside of its range:\n  " + describe(operation) + "\n";
    if (i > 0 && operation.items[i - 1].key >= key)
      return "a list is not in key order:\n  " + describe(operation) + "\n";
  }
  return {};
}

Revisions::Revisions(const History& history) : history_(history) {
  for (const Operation& operation : history) {
    learn_from(operation);
    if (operation.revision != 0 && answered(operation)) answered_.emplace_back(operation.answered, operation.revision);
    if (operation.revision != 0 && changed_something(operation))
      reached_.emplace_back(operation.revision, operation.called);
  }
  std::sort(answered_.begin(), answered_.end());
  for (std::size_t i = 1; i < answered_.size(); ++i)
    answered_[i].second = std::max(answered_[i].second, answered_[i - 1].second);
  std::sort(reached_.begin(), reached_.end());
  for (std::size_t i = 1; i < reached_.size(); ++i)
    reached_[i].second = std::max(reached_[i].second, reached_[i - 1].second);
  learn_unknown(history);
  if (contradiction_.empty()) contradiction_ = went_back();
}

void Revisions::learn(std::uint64_t revision, const Change& change) {
  if (revision == 0) return;
  const auto [found, fresh] = changes_.emplace(revision, change);
  if (fresh) return;
  Change& known = found->second;
  const bool same_write = !known.removes && !change.removes && known.key == change.key &&
                          (known.value == nullptr || change.value == nullptr || *known.value == *change.value) &&
                          !(known.own && change.own);
  if (same_write) {
    if (known.value == nullptr) known.value = change.value;
    known.own |= change.own;
    return;
  }
  if (contradiction_.empty())
    contradiction_ = "two writes share revision " + std::to_string(revision) + lines(*known.told_by, *change.told_by);
}

void Revisions::learn_from(const Operation& operation) {
  if (!answered(operation)) return;
  for (const Item& item : operation.items) learn(item.mod_revision, {item.key, &item.value, false, false, &operation});
  const bool shows_value = operation.kind == Kind::get && operation.existed == true;
  if (shows_value || operation.outcome == Outcome::precondition_failed)
    learn(operation.mod_revision, {operation.key, shows_value ? &operation.value : nullptr, false, false, &operation});
  if (operation.outcome != Outcome::done) return;
  if (operation.guard == Guard::mod_revision)
    learn(operation.expected, {operation.key, nullptr, false, false, &operation});
  if (!changed_something(operation)) return;
  const bool puts = operation.kind == Kind::put;
  learn(operation.revision, {operation.key, puts ? &operation.value : nullptr, !puts, true, &operation});
}

void Revisions::learn_unknown(const History& history) {
  std::map<std::pair<std::string_view, std::string_view>, std::pair<const Operation*, int>> puts;
  for (const Operation& operation : history) {
    if (operation.kind != Kind::put || operation.outcome == Outcome::precondition_failed) continue;
    auto& [unknown, count] = puts[{operation.key, operation.value}];
    ++count;
    if (operation.outcome == Outcome::unknown) unknown = &operation;
  }
  for (const auto& [revision, change] : changes_) {
    if (change.removes || change.value == nullptr) continue;
    const auto found = puts.find({change.key, *change.value});
    if (found == puts.end() || found->second.second != 1 || found->second.first == nullptr) continue;
    const auto [known, fresh] = learned_.emplace(found->second.first, revision);
    if (!fresh && contradiction_.empty())
      contradiction_ = "one write has revision " + std::to_string(known->second) + " and revision " +
                       std::to_string(revision) + ":\n  " + describe(*known->first) + "\n";
  }
}

// No operation carries a lower revision than one that was answered before it was called, a write that changed something
// always a higher one.
std::string Revisions::went_back() const {
  for (const Operation& operation : history_) {
    const std::uint64_t own = operation.outcome == Outcome::unknown ? learned(operation)
                              : answered(operation)                 ? operation.revision
                                                                    : 0;
    if (own == 0 || operation.any_time) continue;
    const bool writes = operation.outcome == Outcome::unknown || changed_something(operation);
    const std::uint64_t before = answered_before(operation.called);
    if (own >= before + (writes ? 1 : 0)) continue;
    const auto earlier = std::find_if(history_.begin(), history_.end(), [&](const Operation& other) {
      return answered(other) && other.revision == before && other.answered < operation.called;
    });
    return (operation.outcome == Outcome::unknown
                ? "a write has revision " + std::to_string(own) + ", which was there before it was called"
                : "a revision went back") +
           lines(*earlier, operation);
  }
  return {};
}

std::string Revisions::contradiction() const {
  return contradiction_;
}

std::uint64_t Revisions::learned(const Operation& operation) const {
  const auto found = learned_.find(&operation);
  return found == learned_.end() ? 0 : found->second;
}

std::uint64_t Revisions::answered_before(Time time) const {
  const auto found = std::lower_bound(answered_.begin(), answered_.end(), std::pair(time, std::uint64_t{0}));
  return found == answered_.begin() ? 0 : std::prev(found)->second;
}

Time Revisions::reached(std::uint64_t revision) const {
  const auto found = std::upper_bound(reached_.begin(), reached_.end(), std::pair(revision, kNever));
  return found == reached_.begin() ? std::numeric_limits<Time>::min() : std::prev(found)->second;
}

}  // namespace tenaz::model
