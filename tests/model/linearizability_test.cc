#include "tests/model/linearizability.h"

#include <gtest/gtest.h>

#include <random>

namespace tenaz::model {
namespace {

Operation op(Kind kind, std::string key, std::string value, Time called, Time answered) {
  Operation operation;
  operation.kind = kind;
  operation.key = std::move(key);
  operation.value = std::move(value);
  operation.called = called;
  operation.answered = answered;
  operation.outcome = answered == kNever ? Outcome::unknown : Outcome::done;
  return operation;
}

Operation put(std::string value, Time called, Time answered) {
  return op(Kind::put, "k", std::move(value), called, answered);
}
Operation remove(Time called, Time answered, std::optional<bool> existed = {}) {
  Operation operation = op(Kind::remove, "k", "", called, answered);
  operation.existed = existed;
  return operation;
}
Operation get(std::string value, Time called, Time answered) {
  Operation operation = op(Kind::get, "k", std::move(value), called, answered);
  operation.existed = true;
  return operation;
}
Operation absent(Time called, Time answered) {
  Operation operation = op(Kind::get, "k", "", called, answered);
  operation.existed = false;
  return operation;
}
Operation at(Operation operation, std::uint64_t revision, std::uint64_t mod = 0) {
  operation.revision = revision;
  operation.mod_revision = mod;
  return operation;
}
Operation only_if(Operation operation, std::uint64_t mod, Outcome outcome = Outcome::done) {
  operation.guard = Guard::mod_revision;
  operation.expected = mod;
  operation.outcome = outcome;
  return operation;
}
Operation guarded(Operation operation, Guard guard, Outcome outcome = Outcome::done) {
  operation.guard = guard;
  operation.outcome = outcome;
  return operation;
}

void expect_correct(const History& history) {
  const Verdict verdict = check(history);
  EXPECT_TRUE(verdict.correct()) << verdict.explanation;
}
void expect_violated(const History& history) {
  const Verdict verdict = check(history);
  EXPECT_EQ(verdict.kind, Verdict::Kind::violated) << verdict.explanation;
}

TEST(Linearizability, SequentialHistories) {
  expect_correct({});
  expect_correct(
      {absent(0, 1), put("a", 2, 3), get("a", 4, 5), remove(6, 7, true), absent(8, 9), remove(10, 11, false)});
  expect_violated({put("a", 0, 1), absent(2, 3)});
  expect_violated({put("a", 0, 1), put("b", 2, 3), get("a", 4, 5)});
  expect_violated({get("a", 0, 1), put("a", 2, 3)});
  expect_violated({put("a", 0, 1), remove(2, 3, false)});
  expect_violated({remove(0, 1, true)});
}

TEST(Linearizability, OverlappingWritesMayTakeEitherOrderButOnlyOne) {
  expect_correct({put("a", 0, 10), put("b", 0, 10), get("a", 11, 12)});
  expect_correct({put("a", 0, 10), put("b", 0, 10), get("b", 11, 12)});
  expect_correct({put("a", 0, 10), put("b", 0, 10), get("a", 2, 3), get("b", 4, 5)});
  expect_violated({put("a", 0, 10), put("b", 0, 10), get("a", 2, 3), get("b", 4, 5), get("a", 6, 7)});
  expect_violated({put("a", 0, 10), put("b", 0, 10), get("a", 11, 12), get("b", 13, 14)});
}

TEST(Linearizability, EqualTimesOverlap) {
  expect_correct({put("a", 0, 5), absent(5, 6), get("a", 7, 8)});
}

TEST(Linearizability, AnUnknownWriteMayHappenLateOrNever) {
  expect_correct({put("a", 0, 1), put("b", 2, kNever), get("a", 4, 5), get("b", 6, 7), get("b", 100, 101)});
  expect_correct({put("a", 0, 1), put("b", 2, kNever), get("a", 100, 101)});
  expect_correct({put("a", 0, 1), remove(2, kNever), get("a", 4, 5), absent(6, 7)});
  // Not before it was called, and not twice.
  expect_violated({put("a", 0, 1), get("b", 2, 3), put("b", 4, kNever)});
  expect_violated({put("b", 0, kNever), get("b", 1, 2), put("a", 3, 4), get("a", 5, 6), get("b", 7, 8)});
}

TEST(Linearizability, NotAppliedMeansNever) {
  Operation refused = put("b", 2, 3);
  refused.outcome = Outcome::not_applied;
  expect_correct({put("a", 0, 1), refused, get("a", 4, 5)});
  expect_violated({put("a", 0, 1), refused, get("b", 4, 5)});
}

TEST(Linearizability, CompareAndSet) {
  expect_correct({at(put("a", 0, 1), 5), at(only_if(put("b", 2, 3), 5), 6), at(get("b", 4, 5), 6, 6)});
  expect_violated({at(put("a", 0, 1), 5), at(only_if(put("b", 2, 3), 4), 6)});
  // Two that expect the same revision cannot both succeed.
  expect_violated({at(put("a", 0, 1), 5), at(only_if(put("b", 2, 9), 5), 6), at(only_if(put("c", 2, 9), 5), 7)});
  Operation failed = at(only_if(put("c", 2, 9), 5, Outcome::precondition_failed), 6, 6);
  failed.existed = true;
  expect_correct({at(put("a", 0, 1), 5), at(only_if(put("b", 2, 9), 5), 6), failed});
  failed.revision = 5;
  failed.mod_revision = 5;
  expect_violated({at(put("a", 0, 1), 5), at(only_if(put("b", 2, 9), 5), 6), failed});
}

TEST(Linearizability, GuardsOnExistence) {
  expect_correct({guarded(put("a", 0, 1), Guard::must_not_exist), guarded(put("b", 2, 3), Guard::must_exist)});
  expect_violated({put("a", 0, 1), guarded(put("b", 2, 3), Guard::must_not_exist)});
  expect_violated({guarded(put("b", 2, 3), Guard::must_exist)});
  expect_correct({put("a", 0, 1), guarded(put("b", 2, 3), Guard::must_not_exist, Outcome::precondition_failed)});
  expect_violated({guarded(put("b", 2, 3), Guard::must_not_exist, Outcome::precondition_failed)});
}

TEST(Linearizability, AGuardTellsTheRevisionOfAnUnknownWrite) {
  // The unknown write of "b" can only have been revision 7.
  expect_correct(
      {at(put("a", 0, 1), 5), put("b", 2, kNever), at(only_if(put("c", 4, 5), 7), 8), at(get("c", 6, 7), 8, 8)});
  expect_violated({at(put("a", 0, 1), 5), at(only_if(put("c", 4, 5), 7), 8)});
  expect_violated({at(put("a", 0, 1), 5), put("b", 2, kNever), at(get("b", 4, 5), 7, 7), at(get("b", 6, 7), 8, 8)});
}

TEST(Linearizability, RevisionsPinTheOrder) {
  expect_correct({at(put("a", 0, 10), 2), at(put("b", 0, 10), 1), at(get("a", 11, 12), 2, 2)});
  expect_violated({at(put("a", 0, 10), 1), at(put("b", 0, 10), 2), at(get("a", 11, 12), 2, 1)});
}

TEST(Revisions, UniqueAndForward) {
  Operation other = at(put("b", 2, 3), 4);
  other.key = "other";
  expect_violated({at(put("a", 0, 1), 4), other});
  other.revision = 3;
  expect_violated({at(put("a", 0, 1), 4), other});
  other.revision = 5;
  expect_correct({at(put("a", 0, 1), 4), other});
  // A read of another key must not speak of an older store.
  Operation read = at(absent(2, 3), 3);
  read.key = "other";
  expect_violated({at(put("a", 0, 1), 4), read});
  read.called = 1;
  expect_correct({at(put("a", 0, 1), 4), read});
}

TEST(Linearizability, AMemberOfARangeDelete) {
  expect_correct({at(put("a", 0, 1), 1), at(remove(2, 3), 2), at(absent(4, 5), 2)});
  expect_correct({at(remove(2, 3), 2), at(absent(4, 5), 2)});
  expect_violated({at(put("a", 0, 1), 1), at(remove(2, 3), 2), at(get("a", 4, 5), 2, 1)});
}

// Histories made by running operations on a real register at a random moment between call and answer.
struct Generated {
  History history;
  std::vector<std::size_t> reads;
};

Generated generate(std::uint32_t seed, std::size_t operations, bool unknown) {
  std::mt19937 random(seed);
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  Generated out;
  bool exists = false;
  std::string value;
  std::uint64_t mod = 0;
  std::uint64_t revision = 0;
  for (std::size_t i = 0; i < operations; ++i) {
    const Time moment = static_cast<Time>(i + 1) * 10;
    const std::uint32_t kind = below(10);
    Operation operation = kind < 5 ? put("v" + std::to_string(i), 0, 0) : kind < 6 ? remove(0, 0) : absent(0, 0);
    operation.called = moment - below(60);
    operation.answered = moment + below(60);
    if (operation.kind != Kind::get && below(3) == 0) {
      operation.guard = Guard::mod_revision;
      operation.expected = below(2) == 0 || mod == 0 ? revision : mod;
    }
    const bool guard_ok = operation.guard == Guard::none || (exists && mod == operation.expected);
    const bool existed = exists;
    if (operation.kind != Kind::get && guard_ok && (operation.kind == Kind::put || exists)) {
      exists = operation.kind == Kind::put;
      value = exists ? operation.value : "";
      mod = exists ? ++revision : (++revision, 0);
    }
    if (operation.kind == Kind::get) {
      operation.value = value;
      operation.existed = exists;
      operation.mod_revision = mod;
      out.reads.push_back(i);
    } else if (!guard_ok) {
      operation.outcome = Outcome::precondition_failed;
      operation.existed = existed;
      operation.mod_revision = mod;
    } else {
      operation.existed = existed;
    }
    operation.revision = revision;
    if (unknown && operation.kind != Kind::get && below(20) == 0) {
      operation.outcome = Outcome::unknown;
      operation.answered = kNever;
      operation.revision = 0;
      operation.mod_revision = 0;
      operation.existed.reset();
    }
    out.history.push_back(operation);
  }
  return out;
}

TEST(Linearizability, AcceptsWhatARealRegisterDid) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    const Verdict verdict = check(generate(seed, 300, true).history);
    ASSERT_TRUE(verdict.correct()) << "seed " << seed << "\n" << verdict.explanation;
  }
}

TEST(Linearizability, ThousandsOfOperationsOnOneKey) {
  const Verdict verdict = check(generate(1, 10'000, true).history);
  EXPECT_TRUE(verdict.correct()) << verdict.explanation;
}

TEST(Linearizability, RefusesAStaleReadAnywhere) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    Generated made = generate(seed, 300, false);
    // Replace what a late read saw by what a read long before saw, if that differs.
    Operation& late = made.history[made.reads[made.reads.size() - 2]];
    const Operation& early = made.history[made.reads[made.reads.size() / 2]];
    if (late.value == early.value || early.value.empty()) continue;
    late.value = early.value;
    late.existed = early.existed;
    late.mod_revision = early.mod_revision;
    late.revision = 0;
    const Verdict verdict = check_keys(made.history);
    ASSERT_EQ(verdict.kind, Verdict::Kind::violated) << "seed " << seed;
  }
}

// The search against the dumb twin: all orders of a few operations.
bool some_order_fits(const History& history, std::vector<bool>& done, bool exists, const std::string& value) {
  Time end = kNever;
  bool open = false;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (done[i] || history[i].outcome == Outcome::unknown) continue;
    open = true;
    end = std::min(end, history[i].answered);
  }
  if (!open) return true;
  for (std::size_t i = 0; i < history.size(); ++i) {
    const Operation& operation = history[i];
    if (done[i] || operation.called > end) continue;
    const bool told = operation.outcome == Outcome::done && operation.existed.has_value();
    if (told && *operation.existed != exists) continue;
    if (operation.kind == Kind::get && (operation.outcome == Outcome::unknown || (exists && value != operation.value)))
      continue;
    done[i] = true;
    const bool fits = operation.kind == Kind::get ? some_order_fits(history, done, exists, value)
                                                  : some_order_fits(history, done, operation.kind == Kind::put,
                                                                    operation.kind == Kind::put ? operation.value : "");
    done[i] = false;
    if (fits) return true;
  }
  return false;
}

TEST(Linearizability, AgreesWithTryingAllOrders) {
  std::mt19937 random(7);
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  std::size_t correct = 0;
  std::size_t violated = 0;
  for (int round = 0; round < 20'000; ++round) {
    History history;
    for (std::uint32_t i = 0; i < 2 + below(5); ++i) {
      const Time called = below(12);
      const Time answered = below(6) == 0 ? kNever : called + 1 + below(8);
      const std::string value(1, static_cast<char>('a' + below(3)));
      switch (below(4)) {
        case 0:
        case 1:
          history.push_back(put(value, called, answered));
          break;
        case 2:
          history.push_back(remove(called, answered, below(2) == 0 ? std::optional<bool>() : below(2) == 0));
          break;
        default:
          history.push_back(below(3) == 0 ? absent(called, answered) : get(value, called, answered));
      }
      if (history.back().outcome == Outcome::unknown) history.back().existed.reset();
    }
    std::vector<bool> done(history.size());
    const bool expected = some_order_fits(history, done, false, "");
    (expected ? correct : violated) += 1;
    const Verdict verdict = check_keys(history);
    ASSERT_EQ(verdict.correct(), expected) << "round " << round << "\n" << verdict.explanation;
  }
  EXPECT_GT(correct, 2'000u);
  EXPECT_GT(violated, 2'000u);
}

}  // namespace
}  // namespace tenaz::model
