// Lists, range deletes and reads of earlier states: known good and known bad histories.
#include <gtest/gtest.h>

#include "tests/model/linearizability.h"
#include "tests/model/operations.h"

namespace tenaz::model {
namespace {

using namespace test;

void expect_correct(const History& history) {
  const Verdict verdict = check(history);
  EXPECT_TRUE(verdict.correct()) << verdict.explanation;
}
void expect_violated(const History& history) {
  const Verdict verdict = check(history);
  EXPECT_EQ(verdict.kind, Verdict::Kind::violated) << verdict.explanation;
}

// x=1 at revision 1, y=1 at 2, x=2 at 3, y=2 at 4, one after the other.
const History kFourPuts{put("x", "1", 0, 1, 1), put("y", "1", 2, 3, 2), put("x", "2", 4, 5, 3), put("y", "2", 6, 7, 4)};

History after_four_puts(const Operation& operation) {
  History history = kFourPuts;
  history.push_back(operation);
  return history;
}

TEST(Lists, ShowOneState) {
  expect_correct(after_four_puts(list({{"x", "2", 3}, {"y", "2", 4}}, 8, 9, 4)));
  expect_correct({list({}, 0, 1, 0), put("x", "1", 2, 3, 1), list({{"x", "1", 1}}, 4, 5, 1)});
  // Half of it from another revision, too little, too much, an unknown key, a value that was never written.
  expect_violated(after_four_puts(list({{"x", "1", 1}, {"y", "2", 4}}, 8, 9, 4)));
  expect_violated(after_four_puts(list({{"y", "2", 4}}, 8, 9, 4)));
  expect_violated(after_four_puts(list({{"x", "2", 3}, {"y", "2", 4}, {"z", "1", 2}}, 8, 9, 4)));
  expect_violated(after_four_puts(list({{"x", "2", 3}, {"y", "3", 4}}, 8, 9, 4)));
  // A change of a later revision than the list's own.
  expect_violated(after_four_puts(list({{"x", "2", 3}, {"y", "2", 4}}, 8, 9, 3)));
}

TEST(Lists, AreInKeyOrderWithinTheirRange) {
  expect_violated(after_four_puts(list({{"y", "2", 4}, {"x", "2", 3}}, 8, 9, 4)));
  expect_violated(after_four_puts(list({{"x", "2", 3}, {"x", "2", 3}, {"y", "2", 4}}, 8, 9, 4)));
  expect_correct(after_four_puts(of_range(list({{"x", "2", 3}}, 8, 9, 4), "a", "y")));
  expect_correct(after_four_puts(of_range(list({{"y", "2", 4}}, 8, 9, 4), "y", "")));
  expect_correct(after_four_puts(of_range(list({}, 8, 9, 4), "a", "x")));
  expect_violated(after_four_puts(of_range(list({}, 8, 9, 4), "a", "y")));
  expect_violated(after_four_puts(of_range(list({{"x", "2", 3}, {"y", "2", 4}}, 8, 9, 4), "a", "y")));
}

TEST(Lists, AreLinearizable) {
  expect_violated(after_four_puts(list({{"x", "2", 3}, {"y", "1", 2}}, 8, 9, 3)));
  expect_correct(after_four_puts(list({{"x", "2", 3}, {"y", "1", 2}}, 5, 9, 3)));
  // Two lists that see two concurrent puts in opposite orders.
  const History puts{put("x", "1", 0, 100, 1), put("y", "1", 0, 100, 2)};
  History history = puts;
  history.push_back(list({{"x", "1", 1}}, 10, 20, 1));
  history.push_back(list({{"x", "1", 1}, {"y", "1", 2}}, 10, 20, 2));
  expect_correct(history);
  history.push_back(list({{"y", "1", 2}}, 10, 20, 2));
  expect_violated(history);
  // Of one after the other, the second must not show less.
  history = puts;
  history.push_back(list({{"x", "1", 1}, {"y", "1", 2}}, 10, 20, 2));
  history.push_back(list({{"x", "1", 1}}, 30, 40, 1));
  expect_violated(history);
}

TEST(Lists, TellOfUnknownWrites) {
  expect_correct({put("x", "1", 0, 1, 1), lost_put("y", "1", 2), list({{"x", "1", 1}, {"y", "1", 2}}, 3, 4, 2),
                  list({{"x", "1", 1}, {"y", "1", 2}}, 5, 6, 2)});
  expect_correct({put("x", "1", 0, 1, 1), lost_put("y", "1", 2), list({{"x", "1", 1}}, 3, 4, 1),
                  list({{"x", "1", 1}, {"y", "1", 2}}, 5, 6, 2)});
  // It cannot be undone, nor have another revision later.
  expect_violated({put("x", "1", 0, 1, 1), lost_put("y", "1", 2), list({{"x", "1", 1}, {"y", "1", 2}}, 3, 4, 2),
                   list({{"x", "1", 1}}, 5, 6, 2)});
  expect_violated({put("x", "1", 0, 1, 1), lost_put("y", "1", 2), list({{"x", "1", 1}, {"y", "1", 2}}, 3, 4, 2),
                   list({{"x", "1", 1}, {"y", "1", 3}}, 5, 6, 3)});
}

TEST(Lists, NotAppliedMeansNever) {
  Operation refused = put("y", "1", 2, 3, 0);
  refused.outcome = Outcome::not_applied;
  expect_correct({put("x", "1", 0, 1, 1), refused, list({{"x", "1", 1}}, 4, 5, 1)});
  expect_violated({put("x", "1", 0, 1, 1), refused, list({{"x", "1", 1}, {"y", "1", 2}}, 4, 5, 2)});
}

TEST(Revisions, ReadsTellThoseOfUnknownWrites) {
  // Two writes to different keys in one revision.
  expect_violated({lost_put("x", "1", 0), lost_put("y", "1", 0), list({{"x", "1", 3}, {"y", "1", 3}}, 1, 2, 3)});
  expect_violated({put("x", "1", 0, 1, 3), lost_put("y", "1", 0), get("y", "1", 2, 3, 3, 3)});
  // Called after revision 5 was answered, to another key, so it cannot have been revision 4.
  expect_violated({put("x", "1", 0, 1, 5), lost_put("y", "1", 2), get("y", "1", 3, 4, 5, 4)});
  expect_correct({put("x", "1", 0, 1, 5), lost_put("y", "1", 2), get("y", "1", 3, 4, 6, 6)});
  expect_correct({put("x", "1", 0, 3, 5), lost_put("y", "1", 2), get("y", "1", 3, 4, 5, 4)});
  // A read of a change that its own revision does not reach.
  expect_violated({lost_put("y", "1", 0), get("y", "1", 3, 4, 5, 6)});
}

TEST(AnyTime, AReadMayBeOldButOfAStateThatWas) {
  expect_correct(after_four_puts(any_time(list({{"x", "1", 1}, {"y", "1", 2}}, 8, 9, 2))));
  expect_correct(after_four_puts(any_time(list({}, 8, 9, 0))));
  expect_correct(after_four_puts(any_time(get("x", "1", 8, 9, 2, 1))));
  expect_violated(after_four_puts(any_time(list({{"x", "1", 1}, {"y", "2", 4}}, 8, 9, 4))));
  expect_violated(after_four_puts(any_time(get("x", "1", 8, 9, 3, 1))));
  expect_violated(after_four_puts(any_time(get("x", "2", 8, 9, 2, 3))));
  expect_violated(after_four_puts(any_time(get("y", "", 8, 9, 2, 0))));
  // Nor of the future.
  expect_violated(after_four_puts(any_time(get("x", "2", 1, 2, 3, 3))));
}

TEST(AnyTime, NotOlderThanAskedFor) {
  expect_correct(after_four_puts(any_time(get("x", "1", 8, 9, 2, 1), 2)));
  expect_violated(after_four_puts(any_time(get("x", "1", 8, 9, 2, 1), 3)));
}

TEST(AnyTime, WhatItShowsHasHappened) {
  // The local read shows the unknown write: whoever asks later must see it.
  expect_correct(
      {put("x", "1", 0, 1, 1), lost_put("x", "2", 2), any_time(get("x", "2", 3, 4, 2, 2)), get("x", "2", 5, 6, 2, 2)});
  expect_violated(
      {put("x", "1", 0, 1, 1), lost_put("x", "2", 2), any_time(get("x", "2", 3, 4, 2, 2)), get("x", "1", 5, 6, 1, 1)});
  expect_violated({put("x", "1", 0, 1, 1), any_time(get("x", "1", 3, 4, 7, 1)), get("x", "1", 5, 6, 6, 1)});
  // It does not hide a state from reads that follow.
  expect_correct(
      {put("x", "1", 0, 1, 1), put("x", "2", 2, 3, 2), any_time(get("x", "1", 4, 5, 1, 1)), get("x", "2", 6, 7, 2, 2)});
}

TEST(RangeDeletes, TakeEverythingInOneRevision) {
  const Operation cleared = remove_range("", "", 8, 9, 5, true);
  expect_correct(after_four_puts(cleared));
  const auto then = [&](const Operation& operation) {
    History history = after_four_puts(cleared);
    history.push_back(operation);
    return history;
  };
  expect_correct(then(list({}, 10, 11, 5)));
  expect_violated(then(list({{"x", "2", 3}}, 10, 11, 5)));
  expect_violated(then(get("y", "2", 10, 11, 5, 4)));
  expect_correct(then(any_time(list({{"x", "2", 3}, {"y", "2", 4}}, 10, 11, 4))));
  // Half done.
  expect_violated(then(any_time(list({{"x", "2", 3}}, 10, 11, 5))));
  History part = after_four_puts(remove_range("x", "y", 8, 9, 5, true));
  part.push_back(list({{"y", "2", 4}}, 10, 11, 5));
  expect_correct(part);
  part.back() = list({}, 10, 11, 5);
  expect_violated(part);
}

TEST(RangeDeletes, SayWhetherThereWasAnything) {
  expect_correct({remove_range("", "", 0, 1, 0, false), put("x", "1", 2, 3, 1)});
  expect_violated({put("x", "1", 2, 3, 1), remove_range("", "", 4, 5, 1, false)});
  expect_correct({put("x", "1", 2, 3, 1), remove_range("y", "", 4, 5, 1, false)});
}

TEST(RangeDeletes, OfUnknownOutcome) {
  History history = after_four_puts(remove_range("", "", 8, kNever, 0, false));
  history.back().existed.reset();
  history.push_back(list({{"x", "2", 3}, {"y", "2", 4}}, 10, 11, 4));
  history.push_back(list({}, 12, 13, 5));
  expect_correct(history);
  history.push_back(list({{"x", "2", 3}, {"y", "2", 4}}, 14, 15, 4));
  expect_violated(history);
}

}  // namespace
}  // namespace tenaz::model
