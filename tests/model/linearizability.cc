#include "tests/model/linearizability.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

#include "tests/model/register.h"
#include "tests/model/revisions.h"

namespace tenaz::model {
namespace {

// All of one key's operations; `value` is not set yet.
using Steps = std::vector<Step>;

// The search of one key. Completed operations stand in a linked list of calls and answers in the order of time; those
// that nobody knows about stand apart and are tried last.
class Search {
 public:
  Search(Steps steps, std::size_t max_steps) : max_steps_(max_steps), steps_(std::move(steps)) {
    sort_steps();
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

  void sort_steps();
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
  Steps steps_;                       // completed ones first, then optional ones, each by the time of call
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

void Search::sort_steps() {
  std::sort(steps_.begin(), steps_.end(), [](const Step& a, const Step& b) {
    return std::tuple(a.optional, a.called, a.operation) < std::tuple(b.optional, b.called, b.operation);
  });
  std::map<std::string_view, std::uint32_t> ids;
  for (Step& step : steps_)
    step.value = ids.emplace(step.operation->value, static_cast<std::uint32_t>(ids.size())).first->second;
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
    events_.push_back({steps_[i].called, false, i, 0, 0});
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
    if (steps_[i].called > end) break;
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
  const bool overwrites = !is_read(step.operation->kind) && step.operation->outcome != Outcome::precondition_failed;
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

// Splits what speaks of many keys into one operation for each. A list shows for every key of its range that it was
// there, or that it was not, at the list's revision; a range delete removes every key, if it is there. That the parts
// happened together is in their revision. Of a range delete whose outcome is unknown it is not asked that it happened
// as a whole: so it may excuse more than it should, and never accuses.
class ByKey {
 public:
  ByKey(const History& history, const Revisions& revisions) : revisions_(revisions) {
    std::set<std::string_view> keys;
    for (const Operation& operation : history) {
      if (operation.kind != Kind::list && operation.kind != Kind::remove_range) keys.insert(operation.key);
      for (const Item& item : operation.items) keys.insert(item.key);
    }
    for (const Operation& operation : history) {
      if (operation.kind == Kind::list || operation.kind == Kind::remove_range)
        split(operation, keys);
      else
        add(operation, operation);
    }
  }

  const std::map<std::string_view, Steps>& steps() const { return steps_; }

 private:
  void split(const Operation& whole, const std::set<std::string_view>& keys) {
    auto item = whole.items.begin();
    for (auto key = keys.lower_bound(whole.key); key != keys.end(); ++key) {
      if (!whole.range_end.empty() && *key >= whole.range_end) break;
      Operation& part = parts_.emplace_back();
      part.client = whole.client;
      part.kind = whole.kind == Kind::list ? Kind::get : Kind::remove;
      part.outcome = whole.outcome;
      part.key = *key;
      part.called = whole.called;
      part.answered = whole.answered;
      part.revision = whole.revision;
      part.any_time = whole.any_time;
      if (whole.kind == Kind::list) {
        part.existed = item != whole.items.end() && item->key == *key;
        if (*part.existed) {
          part.value = item->value;
          part.mod_revision = item->mod_revision;
          ++item;
        }
      } else if (whole.existed == false) {
        part.existed = false;
      }
      add(part, whole);
    }
  }

  // `told`: what the client saw, of which `operation` is the part of one key.
  void add(const Operation& operation, const Operation& told) {
    const bool unknown = operation.outcome == Outcome::unknown;
    if (operation.outcome == Outcome::not_applied || (unknown && is_read(operation.kind))) return;
    Step step{&operation, 0, unknown, operation.called};
    step.revision = operation.revision;
    if (unknown) {
      step.revision = revisions_.learned(told);
      step.at_least = revisions_.answered_before(operation.called) + 1;
    }
    if (operation.any_time) step.called = revisions_.reached(operation.revision);
    steps_[operation.key].push_back(step);
  }

  const Revisions& revisions_;
  std::deque<Operation> parts_;
  std::map<std::string_view, Steps> steps_;
};

Verdict violated(std::string explanation) {
  return {Verdict::Kind::violated, std::move(explanation)};
}

Verdict check_keys(const History& history, const Revisions& revisions, std::size_t max_steps) {
  const ByKey keys(history, revisions);
  for (const auto& [key, steps] : keys.steps()) {
    Verdict verdict = Search(steps, max_steps).run();
    if (verdict.correct()) continue;
    verdict.explanation = "key " + std::string(key) + ": " + verdict.explanation;
    return verdict;
  }
  return {};
}

Verdict check_revisions(const History& history, const Revisions& revisions) {
  for (const Operation& operation : history)
    if (std::string fault = misshapen(operation); !fault.empty()) return violated(std::move(fault));
  std::string contradiction = revisions.contradiction();
  return contradiction.empty() ? Verdict{} : violated(std::move(contradiction));
}

}  // namespace

Verdict check_keys(const History& history, std::size_t max_steps) {
  return check_keys(history, Revisions(history), max_steps);
}

Verdict check_revisions(const History& history) {
  return check_revisions(history, Revisions(history));
}

Verdict check(const History& history, std::size_t max_steps) {
  const Revisions revisions(history);
  Verdict verdict = check_revisions(history, revisions);
  return verdict.correct() ? check_keys(history, revisions, max_steps) : verdict;
}

}  // namespace tenaz::model
