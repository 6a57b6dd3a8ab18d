// What the revisions in a history's answers tell about all keys at once. They order the writes of the whole store, so
// that what remains of linearizability can be searched key by key. Pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tests/model/history.h"

namespace tenaz::model {

class Revisions {
 public:
  explicit Revisions(const History& history);  // which must outlive this

  // Empty: nothing contradicts. Otherwise what does.
  std::string contradiction() const;

  // Of an unknown write whose value some read showed, if no other write of the key has that value; else 0.
  std::uint64_t learned(const Operation& operation) const;
  // The highest that was answered before `time`; 0: none.
  std::uint64_t answered_before(Time time) const;
  // The store cannot have been at `revision` before this time.
  Time reached(std::uint64_t revision) const;

 private:
  struct Change {
    std::string_view key;
    const std::string* value;  // null: not told
    bool removes;
    bool own;  // told by the answer to the write itself, not by what others saw
    const Operation* told_by;
  };

  void learn(std::uint64_t revision, const Change& change);
  void learn_from(const Operation& operation);
  void learn_unknown(const History& history);
  std::string went_back() const;

  const History& history_;
  std::string contradiction_;
  std::map<std::uint64_t, Change> changes_;
  std::unordered_map<const Operation*, std::uint64_t> learned_;
  std::vector<std::pair<Time, std::uint64_t>> answered_;  // by time; the highest up to then
  std::vector<std::pair<std::uint64_t, Time>> reached_;   // by revision of a write: the latest call up to there
};

// Empty, or what is wrong with a list by itself: order, range, an older state than asked for.
std::string misshapen(const Operation& operation);

// Whether the operation took a revision of its own, as far as its answer tells.
bool changed_something(const Operation& operation);

}  // namespace tenaz::model
