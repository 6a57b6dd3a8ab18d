#include "raft/invariants.h"

#include <gtest/gtest.h>

namespace tenaz::raft {
namespace {

Vitals healthy() {
  Vitals v;
  v.self = NodeId{1};
  v.hard_state = {Term{3}, NodeId{1}};
  v.leads = true;
  v.base = Index{2};
  v.last = Index{9};
  v.durable = Index{8};
  v.commit = Index{7};
  v.handed_out = Index{6};
  v.applied = Index{5};
  return v;
}

TEST(Invariants, AHealthyStatePasses) {
  EXPECT_EQ(broken_state(healthy()), nullptr);
  EXPECT_EQ(broken_transition(healthy(), healthy()), nullptr);
}

TEST(Invariants, EachBrokenStateIsNamed) {
  const auto broken = [](auto change) {
    Vitals v = healthy();
    change(v);
    return broken_state(v);
  };
  EXPECT_STREQ(broken([](Vitals& v) { v.durable = Index{10}; }), "more entries are durable than exist");
  EXPECT_STREQ(broken([](Vitals& v) { v.commit = Index{10}; }), "the commit index is past the log");
  EXPECT_STREQ(broken([](Vitals& v) { v.handed_out = Index{8}; }), "an uncommitted entry was handed out for apply");
  EXPECT_STREQ(broken([](Vitals& v) { v.durable = Index{5}; }),
               "an entry was handed out for apply before it was durable here");
  EXPECT_STREQ(broken([](Vitals& v) { v.applied = Index{7}; }), "an entry was applied that was never handed out");
  EXPECT_STREQ(broken([](Vitals& v) { v.base = Index{6}; }), "the log was compacted past the applied index");
  EXPECT_STREQ(broken([](Vitals& v) { v.hard_state.vote = NodeId{2}; }), "a leader did not vote for itself");
}

TEST(Invariants, EachBrokenTransitionIsNamed) {
  const auto broken = [](auto change) {
    Vitals v = healthy();
    change(v);
    return broken_transition(healthy(), v);
  };
  EXPECT_STREQ(broken([](Vitals& v) { v.hard_state.term = Term{2}; }), "the term went back");
  EXPECT_STREQ(broken([](Vitals& v) { v.hard_state.vote = NodeId{}; }), "the vote changed within a term");
  EXPECT_STREQ(broken([](Vitals& v) { v.commit = Index{6}; }), "the commit index went back");
  EXPECT_STREQ(broken([](Vitals& v) { v.applied = Index{4}; }), "the applied index went back");
  EXPECT_STREQ(broken([](Vitals& v) { v.base = Index{1}; }), "the compaction point went back");
  EXPECT_STREQ(broken([](Vitals& v) { v.last = Index{8}; }), "a leader's log became shorter");
}

}  // namespace
}  // namespace tenaz::raft
