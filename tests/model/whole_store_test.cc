// Histories of a whole store: made by a real one, spoilt, and against trying all orders.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/model/linearizability.h"
#include "tests/model/operations.h"

namespace tenaz::model {
namespace {

using namespace test;

// Histories made by running operations on a real store at a random moment between call and answer.
class Store {
 public:
  explicit Store(std::uint32_t seed) : random_(seed) { states_.push_back({}); }

  History run(std::size_t operations, bool unknown) {
    History history;
    for (std::size_t i = 0; i < operations; ++i) {
      const Time moment = static_cast<Time>(i + 1) * 10;
      Operation operation = perform(i);
      operation.called = moment - below(60);
      operation.answered = moment + below(60);
      const bool reads = operation.kind == Kind::get || operation.kind == Kind::list;
      if (unknown && !reads && below(15) == 0) {
        operation.outcome = Outcome::unknown;
        operation.answered = kNever;
        operation.revision = operation.mod_revision = 0;
        operation.existed.reset();
      }
      history.push_back(operation);
    }
    return history;
  }

 private:
  using State = std::map<std::string, Item>;

  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  std::string key() { return std::string(1, static_cast<char>('a' + below(5))); }
  std::uint64_t revision() const { return states_.size() - 1; }

  Operation perform(std::size_t number) {
    Operation operation;
    operation.outcome = Outcome::done;
    operation.key = key();
    State next = states_.back();
    const auto found = next.find(operation.key);
    operation.existed = found != next.end();
    switch (below(8)) {
      case 0:
      case 1:
      case 2: {
        operation.kind = Kind::put;
        operation.value = "v" + std::to_string(number);
        if (below(3) == 0) {
          operation.guard = Guard::mod_revision;
          operation.expected = operation.existed == true && below(2) == 0 ? found->second.mod_revision : revision() + 1;
          if (operation.existed != true || operation.expected != found->second.mod_revision) {
            operation.outcome = Outcome::precondition_failed;
            operation.mod_revision = operation.existed == true ? found->second.mod_revision : 0;
            operation.revision = revision();
            return operation;
          }
        }
        next[operation.key] = {operation.key, operation.value, revision() + 1};
        break;
      }
      case 3:
        operation.kind = Kind::remove;
        next.erase(operation.key);
        break;
      case 4: {
        operation.kind = Kind::remove_range;
        if (below(4) != 0) operation.range_end = operation.key + "~";
        const auto end = operation.range_end.empty() ? next.end() : next.lower_bound(operation.range_end);
        operation.existed = next.lower_bound(operation.key) != end;
        next.erase(next.lower_bound(operation.key), end);
        break;
      }
      default:
        return read(std::move(operation));
    }
    if (next.size() != states_.back().size() || operation.kind == Kind::put) states_.push_back(std::move(next));
    operation.revision = revision();
    return operation;
  }

  Operation read(Operation operation) {
    operation.any_time = below(3) == 0;
    operation.revision = operation.any_time ? revision() - std::min<std::uint64_t>(below(6), revision()) : revision();
    const State& seen = states_[operation.revision];
    if (below(2) == 0) {
      operation.kind = Kind::get;
      const auto found = seen.find(operation.key);
      operation.existed = found != seen.end();
      if (*operation.existed) {
        operation.value = found->second.value;
        operation.mod_revision = found->second.mod_revision;
      }
      return operation;
    }
    operation.kind = Kind::list;
    operation.existed.reset();
    for (auto item = seen.lower_bound(operation.key); item != seen.end(); ++item)
      operation.items.push_back(item->second);
    return operation;
  }

  std::mt19937 random_;
  std::vector<State> states_;  // by revision
};

TEST(WholeStore, AcceptsWhatARealStoreDid) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    const Verdict verdict = check(Store(seed).run(300, true));
    ASSERT_TRUE(verdict.correct()) << "seed " << seed << "\n" << verdict.explanation;
  }
}

TEST(WholeStore, ThousandsOfOperations) {
  const Verdict verdict = check(Store(1).run(20'000, true));
  EXPECT_TRUE(verdict.correct()) << verdict.explanation;
}

// One item of one list is taken away, or shown as it was before; the rest stays as it is.
TEST(WholeStore, RefusesATornListAnywhere) {
  int tried = 0;
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    History history = Store(seed).run(300, false);
    std::vector<Operation*> lists;
    for (Operation& operation : history)
      if (operation.kind == Kind::list && !operation.items.empty()) lists.push_back(&operation);
    if (lists.size() < 2) continue;
    std::mt19937 random(seed);
    Operation& torn = *lists[random() % lists.size()];
    torn.items.erase(torn.items.begin() + static_cast<std::ptrdiff_t>(random() % torn.items.size()));
    ++tried;
    ASSERT_EQ(check(history).kind, Verdict::Kind::violated) << "seed " << seed;
  }
  EXPECT_GT(tried, 150);
}

TEST(WholeStore, RefusesAStaleOneAnywhere) {
  int tried = 0;
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    History history = Store(seed).run(300, false);
    std::vector<Operation*> lists;
    for (Operation& operation : history)
      if (operation.kind == Kind::list && !operation.any_time) lists.push_back(&operation);
    if (lists.size() < 2) continue;
    Operation& late = *lists.back();
    const Operation& early = *lists[lists.size() / 2];
    if (early.revision + 3 >= late.revision) continue;
    late.key = early.key;
    late.items = early.items;
    late.revision = early.revision;
    ++tried;
    ASSERT_EQ(check(history).kind, Verdict::Kind::violated) << "seed " << seed;
    late.any_time = true;
    ASSERT_TRUE(check(history).correct()) << "seed " << seed;
  }
  EXPECT_GT(tried, 150);
}

// The dumb twin: all orders of a few operations on the whole store, unknown ones at every revision that is free.
class AllOrders {
 public:
  explicit AllOrders(const History& history) : history_(history), done_(history.size()) {}
  bool some_fits() { return from({}, 0); }

 private:
  using State = std::map<std::string, std::pair<std::string, std::uint64_t>>;  // key -> value, mod revision

  bool from(const State& state, std::uint64_t revision) {
    Time end = kNever;
    bool open = false;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if (done_[i] || history_[i].outcome != Outcome::done) continue;
      open = true;
      end = std::min(end, history_[i].answered);
    }
    if (!open) return true;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      const Operation& operation = history_[i];
      if (done_[i] || (operation.called > end && !operation.any_time)) continue;
      done_[i] = true;
      const bool fits = operation.kind == Kind::get || operation.kind == Kind::list ? read(operation, state, revision)
                                                                                    : write(operation, state, revision);
      done_[i] = false;
      if (fits) return true;
    }
    return false;
  }

  // A read changes nothing, but says that the store has come as far as its revision.
  bool read(const Operation& operation, const State& state, std::uint64_t revision) {
    if (operation.outcome != Outcome::done || operation.revision < revision) return false;
    for (const auto& [key, held] : state) {
      if (held.second > operation.revision) return false;
    }
    const auto shows = [&](const std::string& key, const std::string& value, std::uint64_t mod) {
      const auto found = state.find(key);
      return found != state.end() && found->second == std::pair(value, mod);
    };
    if (operation.kind == Kind::get) {
      const bool right = operation.existed == true ? shows(operation.key, operation.value, operation.mod_revision)
                                                   : !state.contains(operation.key);
      return right && from(state, operation.revision);
    }
    for (const Item& item : operation.items)
      if (!shows(item.key, item.value, item.mod_revision)) return false;
    return operation.items.size() == state.size() && from(state, operation.revision);
  }

  bool write(const Operation& operation, const State& state, std::uint64_t revision) {
    const bool exists = state.contains(operation.key);
    if (operation.existed && *operation.existed != exists) return false;
    if (operation.kind == Kind::remove && !exists)
      return operation.outcome == Outcome::done && operation.revision >= revision && from(state, operation.revision);
    const auto at = [&](std::uint64_t own) {
      State next = state;
      next.erase(operation.key);
      if (operation.kind == Kind::put) next[operation.key] = {operation.value, own};
      return from(next, own);
    };
    if (operation.outcome == Outcome::done) return operation.revision > revision && at(operation.revision);
    for (std::uint64_t own = revision + 1; own <= 50; ++own)
      if (at(own)) return true;
    return false;
  }

  const History& history_;
  std::vector<bool> done_;
};

// Revisions are ten apart, so that there is always room for those that nobody was told.
TEST(WholeStore, AgreesWithTryingAllOrders) {
  std::mt19937 random(11);
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  std::size_t correct = 0;
  std::size_t violated = 0;
  for (int round = 0; round < 30'000; ++round) {
    History history;
    std::vector<Item> written;
    const std::uint32_t count = 3 + below(3);
    for (std::uint32_t i = 0; i < count; ++i) {
      const Time from = below(8);
      const Time to = from + 1 + below(6);
      const std::string key = below(2) == 0 ? "x" : "y";
      const std::uint64_t revision = 10 * (1 + below(4));
      const std::uint32_t kind = below(8);
      if (kind < 3) {
        const std::string value(1, static_cast<char>('a' + i));
        if (below(4) == 0) {
          history.push_back(lost_put(key, value, from));
          written.push_back({key, value, revision + 1 + below(2)});
        } else {
          history.push_back(put(key, value, from, to, revision));
          written.push_back({key, value, revision});
        }
      } else if (kind < 4) {
        history.push_back(remove(key, from, to, revision, below(2) == 0));
      } else if (kind < 6) {
        const Item seen = written.empty() || below(3) == 0 ? Item{key, "", 0} : written[random() % written.size()];
        history.push_back(
            get(seen.key, seen.value, from, to, std::max(revision, seen.mod_revision), seen.mod_revision));
      } else {
        std::map<std::string, Item> items;
        for (const Item& item : written)
          if (below(2) == 0) items[item.key] = item;
        std::vector<Item> shown;
        std::uint64_t newest = revision;
        for (const auto& [name, item] : items) {
          shown.push_back(item);
          newest = std::max(newest, item.mod_revision);
        }
        history.push_back(list(std::move(shown), from, to, newest));
      }
      const bool reads = history.back().kind == Kind::get || history.back().kind == Kind::list;
      if (reads && below(3) == 0) history.back().any_time = true;
    }
    const bool expected = AllOrders(history).some_fits();
    (expected ? correct : violated) += 1;
    const Verdict verdict = check(history);
    std::string text;
    for (const Operation& operation : history) text += describe(operation) + "\n";
    ASSERT_EQ(verdict.correct(), expected) << "round " << round << "\n" << text << verdict.explanation;
  }
  EXPECT_GT(correct, 2'000u);
  EXPECT_GT(violated, 2'000u);
}

}  // namespace
}  // namespace tenaz::model
