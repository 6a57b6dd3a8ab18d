#include "tests/model/linearizability.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

namespace tenaz::model {
namespace {

using Operations = std::vector<const Operation*>;

std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The register of one key at one place in an order. `mod` is 0 while the write that made it was never answered and
// nobody has read it since; it is then at least `mod_at_least`.
struct Register {
  bool exists = false;
  std::uint32_t value = 0;
  std::uint64_t mod = 0;
  std::uint64_t mod_at_least = 0;
  // The store's revision is at least this.
  std::uint64_t floor = 0;

  std::uint64_t hash() const {
    std::uint64_t h = mix(exists ? value + 1 : 0);
    h = mix(h ^ mod);
    h = mix(h ^ mod_at_least);
    return mix(h ^ floor);
  }

  // Learns the mod revision; false if it cannot be that one.
  bool learn_mod(std::uint64_t told) {
    if (mod != 0) return mod == told;
    if (told < mod_at_least) return false;
    mod = told;
    floor = std::max(floor, told);
    return true;
  }
};

struct Step {
  const Operation* operation;
  std::uint32_t value;  // of a put, or read by a get
  bool optional;        // nobody knows whether it happened
};

// Whether the guard of an operation that succeeded held; learns from it.
bool guard_held(const Operation& operation, Register& state) {
  switch (operation.guard) {
    case Guard::none:
      return true;
    case Guard::must_exist:
      return state.exists;
    case Guard::must_not_exist:
      return !state.exists;
    case Guard::mod_revision:
      return state.exists && state.learn_mod(operation.expected);
  }
  return false;
}

bool guard_failed(const Operation& operation, Register& state) {
  if (operation.existed && *operation.existed != state.exists) return false;
  if (state.exists && operation.mod_revision != 0 && !state.learn_mod(operation.mod_revision)) return false;
  switch (operation.guard) {
    case Guard::none:
      return false;
    case Guard::must_exist:
      return !state.exists;
    case Guard::must_not_exist:
      return state.exists;
    case Guard::mod_revision:
      return !state.exists || state.mod == 0 || state.mod != operation.expected;
  }
  return false;
}

// An answer that changed nothing speaks of revision `told`.
bool observe(std::uint64_t told, Register& state) {
  if (told == 0) return true;
  if (told < state.floor) return false;
  state.floor = told;
  return true;
}

// A write took a revision of its own.
bool advance(const Step& step, Register& state) {
  const std::uint64_t told = step.optional ? 0 : step.operation->revision;
  if (told != 0 && told <= state.floor) return false;
  state.floor = told != 0 ? told : state.floor + 1;
  state.exists = step.operation->kind == Kind::put;
  state.value = state.exists ? step.value : 0;
  state.mod = state.exists ? told : 0;
  state.mod_at_least = state.exists ? state.floor : 0;
  return true;
}

// The state after `step`, or nothing if the step as answered is impossible here. A step that nobody knows about is only
// ever asked to change something: without effect it is the same as never.
std::optional<Register> after(const Step& step, Register state) {
  const Operation& operation = *step.operation;
  if (operation.outcome == Outcome::precondition_failed) {
    if (!guard_failed(operation, state) || !observe(operation.revision, state)) return std::nullopt;
    return state;
  }
  if (operation.kind == Kind::get) {
    if (operation.existed.value_or(false) != state.exists) return std::nullopt;
    if (state.exists) {
      if (state.value != step.value) return std::nullopt;
      if (operation.mod_revision != 0 && !state.learn_mod(operation.mod_revision)) return std::nullopt;
    }
    if (!observe(operation.revision, state)) return std::nullopt;
    return state;
  }
  if (operation.existed && !step.optional && *operation.existed != state.exists) return std::nullopt;
  if (!guard_held(operation, state)) return std::nullopt;
  if (operation.kind == Kind::remove && !state.exists) {
    if (step.optional || !observe(operation.revision, state)) return std::nullopt;
    return state;
  }
  if (!advance(step, state)) return std::nullopt;
  return state;
}

// The search of one key. Completed operations stand in a linked list of calls and answers in the order of time; those
// that nobody knows about stand apart and are tried last.
class Search {
 public:
  Search(const Operations& operations, std::size_t max_steps) : max_steps_(max_steps) {
    number_values(operations);
    build_events();
  }

  Verdict run();

 private:
  struct Event {
    Time at = 0;
    bool answer = false;
    std::size_t step = 0;
    std::size_t previous = 0;
    std::size_t next = 0;
  };
  // Where the search stood before it took a step.
  struct Frame {
    std::size_t step;
    Register state;
    std::optional<Register> before_optional;
  };
  static constexpr std::size_t kHead = 0;

  void number_values(const Operations& operations);
  void build_events();
  void link(std::size_t step);
  void unlink(std::size_t step);
  // The first step to try at or after `from` in the order of trying; nothing when all were tried.
  std::optional<std::size_t> candidate(std::optional<std::size_t> after_step) const;
  bool take(std::size_t step);
  // Some other operation that is still to come told a revision below `floor`: it could never be placed.
  bool strands_another(std::size_t step, std::uint64_t floor) const;
  std::size_t undo();
  Time window_end() const;
  std::string explain() const;

  std::size_t max_steps_;
  std::vector<Step> steps_;           // completed ones first, then optional ones, each by the time of call
  std::size_t completed_ = 0;         // how many are completed
  std::vector<Event> events_;         // [kHead] is the list's head
  std::vector<std::size_t> call_of_;  // step -> event
  std::vector<std::size_t> answer_of_;
  std::vector<bool> taken_;
  // Completed steps that tell a revision, lowest first. Those before `lowest_` are all taken.
  std::vector<std::size_t> by_revision_;
  std::vector<std::size_t> rank_;  // step -> place in by_revision_; past its end for one that tells none
  std::size_t lowest_ = 0;

  Register state_;
  // The state before the last step if that was an optional one.
  std::optional<Register> before_optional_;
  std::size_t remaining_ = 0;
  std::uint64_t set_hash_ = 0;
  std::vector<Frame> path_;
  std::vector<std::size_t> longest_;
  std::unordered_set<std::uint64_t> seen_;
};

void Search::number_values(const Operations& operations) {
  std::map<std::string_view, std::uint32_t> ids;
  for (const Operation* operation : operations) {
    const bool optional = operation->outcome == Outcome::unknown;
    if (operation->outcome == Outcome::not_applied || (optional && operation->kind == Kind::get)) continue;
    const auto id = ids.emplace(operation->value, static_cast<std::uint32_t>(ids.size())).first->second;
    steps_.push_back({operation, id, optional});
  }
  std::sort(steps_.begin(), steps_.end(), [](const Step& a, const Step& b) {
    return std::tuple(a.optional, a.operation->called, a.operation) <
           std::tuple(b.optional, b.operation->called, b.operation);
  });
  completed_ = static_cast<std::size_t>(
      std::count_if(steps_.begin(), steps_.end(), [](const Step& step) { return !step.optional; }));
  remaining_ = completed_;
  taken_.resize(steps_.size());
  for (std::size_t i = 0; i < completed_; ++i)
    if (steps_[i].operation->revision != 0) by_revision_.push_back(i);
  std::sort(by_revision_.begin(), by_revision_.end(), [this](std::size_t a, std::size_t b) {
    return std::pair(steps_[a].operation->revision, a) < std::pair(steps_[b].operation->revision, b);
  });
  rank_.assign(completed_, by_revision_.size());
  for (std::size_t i = 0; i < by_revision_.size(); ++i) rank_[by_revision_[i]] = i;
}

void Search::build_events() {
  events_.emplace_back();
  for (std::size_t i = 0; i < completed_; ++i) {
    events_.push_back({steps_[i].operation->called, false, i, 0, 0});
    events_.push_back({steps_[i].operation->answered, true, i, 0, 0});
  }
  // At equal times calls come first: the two operations overlap.
  std::sort(events_.begin() + 1, events_.end(), [](const Event& a, const Event& b) {
    return std::tuple(a.at, a.answer, a.step) < std::tuple(b.at, b.answer, b.step);
  });
  call_of_.resize(completed_);
  answer_of_.resize(completed_);
  for (std::size_t i = 0; i < events_.size(); ++i) {
    events_[i].previous = i == 0 ? events_.size() - 1 : i - 1;
    events_[i].next = i + 1 == events_.size() ? 0 : i + 1;
    if (i != kHead) (events_[i].answer ? answer_of_ : call_of_)[events_[i].step] = i;
  }
}

void Search::unlink(std::size_t step) {
  for (const std::size_t i : {call_of_[step], answer_of_[step]}) {
    events_[events_[i].previous].next = events_[i].next;
    events_[events_[i].next].previous = events_[i].previous;
  }
}

void Search::link(std::size_t step) {
  for (const std::size_t i : {answer_of_[step], call_of_[step]}) {
    events_[events_[i].previous].next = i;
    events_[events_[i].next].previous = i;
  }
}

Time Search::window_end() const {
  std::size_t i = events_[kHead].next;
  while (!events_[i].answer) i = events_[i].next;
  return events_[i].at;
}

std::optional<std::size_t> Search::candidate(std::optional<std::size_t> after_step) const {
  // Completed operations that were called before the first open answer.
  if (!after_step || *after_step < completed_) {
    std::size_t i = events_[after_step ? call_of_[*after_step] : kHead].next;
    if (i != kHead && !events_[i].answer) return events_[i].step;
  }
  const Time end = window_end();
  for (std::size_t i = after_step && *after_step >= completed_ ? *after_step + 1 : completed_; i < steps_.size(); ++i) {
    if (steps_[i].operation->called > end) break;
    if (!taken_[i]) return i;
  }
  return std::nullopt;
}

bool Search::strands_another(std::size_t step, std::uint64_t floor) const {
  for (std::size_t i = lowest_; i < by_revision_.size(); ++i) {
    const std::size_t other = by_revision_[i];
    if (steps_[other].operation->revision >= floor) return false;
    if (other != step && !taken_[other]) return true;
  }
  return false;
}

bool Search::take(std::size_t index) {
  const Step& step = steps_[index];
  const std::optional<Register> next = after(step, state_);
  if (!next || strands_another(index, next->floor)) return false;
  // An optional write that the next write would overwrite unseen is as well left out: only the shorter order is
  // followed.
  const bool overwrites = step.operation->kind != Kind::get && step.operation->outcome != Outcome::precondition_failed;
  if (before_optional_ && overwrites && after(step, *before_optional_)) return false;

  std::optional<Register> before;
  if (step.optional) before = state_;
  const std::uint64_t set_hash = set_hash_ ^ mix(index + 1);
  const std::uint64_t memory = mix(set_hash ^ next->hash()) ^ (before ? mix(before->hash() + 1) : 0);
  if (!seen_.insert(memory).second) return false;

  path_.push_back({index, state_, before_optional_});
  state_ = *next;
  before_optional_ = before;
  set_hash_ = set_hash;
  taken_[index] = true;
  if (!step.optional) {
    unlink(index);
    --remaining_;
    while (lowest_ < by_revision_.size() && taken_[by_revision_[lowest_]]) ++lowest_;
  }
  return true;
}

std::size_t Search::undo() {
  const Frame& frame = path_.back();
  const std::size_t index = frame.step;
  state_ = frame.state;
  before_optional_ = frame.before_optional;
  path_.pop_back();
  set_hash_ ^= mix(index + 1);
  taken_[index] = false;
  if (!steps_[index].optional) {
    link(index);
    ++remaining_;
    if (rank_[index] < lowest_) lowest_ = rank_[index];
  }
  return index;
}

Verdict Search::run() {
  std::optional<std::size_t> tried;
  std::size_t spent = 0;
  while (remaining_ != 0) {
    const std::optional<std::size_t> next = candidate(tried);
    if (next) {
      if (++spent > max_steps_) return {Verdict::Kind::undecided, "the search gave up\n" + explain()};
      tried = take(*next) ? std::nullopt : next;
      continue;
    }
    if (path_.size() > longest_.size()) {
      longest_.clear();
      for (const Frame& frame : path_) longest_.push_back(frame.step);
    }
    if (path_.empty()) return {Verdict::Kind::violated, explain()};
    tried = undo();
  }
  return {};
}

std::string Search::explain() const {
  std::string text = "the longest order found has " + std::to_string(longest_.size()) + " of " +
                     std::to_string(completed_) + " operations; its end:\n";
  std::vector<bool> in_order(steps_.size());
  for (const std::size_t i : longest_) in_order[i] = true;
  for (std::size_t i = longest_.size() > 6 ? longest_.size() - 6 : 0; i < longest_.size(); ++i)
    text += "  " + describe(*steps_[longest_[i]].operation) + "\n";
  text += "and none of these can follow:\n";
  std::size_t shown = 0;
  for (std::size_t i = 0; i < completed_ && shown < 6; ++i) {
    if (in_order[i]) continue;
    text += "  " + describe(*steps_[i].operation) + "\n";
    ++shown;
  }
  return text;
}

bool changed_something(const Operation& operation) {
  if (operation.outcome != Outcome::done || operation.kind == Kind::get) return false;
  return operation.kind == Kind::put || operation.existed.value_or(false);
}

}  // namespace

Verdict check_keys(const History& history, std::size_t max_steps) {
  std::map<std::string_view, Operations> keys;
  for (const Operation& operation : history) keys[operation.key].push_back(&operation);
  for (const auto& [key, operations] : keys) {
    Verdict verdict = Search(operations, max_steps).run();
    if (!verdict.correct()) {
      verdict.explanation = "key " + std::string(key) + ": " + verdict.explanation;
      return verdict;
    }
  }
  return {};
}

Verdict check_revisions(const History& history) {
  Operations told;
  for (const Operation& operation : history)
    if (operation.revision != 0 && operation.answered != kNever) told.push_back(&operation);

  std::map<std::uint64_t, const Operation*> writes;
  for (const Operation* operation : told) {
    if (!changed_something(*operation)) continue;
    const auto [found, fresh] = writes.emplace(operation->revision, operation);
    if (!fresh)
      return {Verdict::Kind::violated,
              "two writes share a revision:\n  " + describe(*found->second) + "\n  " + describe(*operation) + "\n"};
  }

  Operations by_call = told;
  Operations by_answer = std::move(told);
  std::sort(by_call.begin(), by_call.end(),
            [](const Operation* a, const Operation* b) { return std::pair(a->called, a) < std::pair(b->called, b); });
  std::sort(by_answer.begin(), by_answer.end(), [](const Operation* a, const Operation* b) {
    return std::pair(a->answered, a) < std::pair(b->answered, b);
  });
  const Operation* highest = nullptr;  // of those answered before the call at hand
  std::size_t answered = 0;
  for (const Operation* operation : by_call) {
    for (; by_answer[answered]->answered < operation->called; ++answered)
      if (highest == nullptr || by_answer[answered]->revision > highest->revision) highest = by_answer[answered];
    if (highest == nullptr) continue;
    const std::uint64_t least = highest->revision + (changed_something(*operation) ? 1 : 0);
    if (operation->revision < least)
      return {Verdict::Kind::violated,
              "a revision went back:\n  " + describe(*highest) + "\n  " + describe(*operation) + "\n"};
  }
  return {};
}

Verdict check(const History& history) {
  Verdict verdict = check_revisions(history);
  return verdict.correct() ? check_keys(history) : verdict;
}

}  // namespace tenaz::model
