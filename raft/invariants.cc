#include "raft/invariants.h"

#include <cstdio>
#include <cstdlib>

namespace tenaz::raft {

void fail(const char* what) {
  std::fprintf(stderr, "tenaz: raft: impossible state: %s\n", what);
  std::fflush(stderr);
  std::abort();
}

const char* broken_state(const Vitals& now) {
  if (now.durable > now.last) return "more entries are durable than exist";
  if (now.durable < now.base) return "the log was compacted past its durable part";
  if (now.commit > now.last) return "the commit index is past the log";
  if (now.commit < now.base) return "the log was compacted past the commit index";
  if (now.handed_out > now.commit) return "an uncommitted entry was handed out for apply";
  if (now.handed_out > now.durable) return "an entry was handed out for apply before it was durable here";
  if (now.applied > now.handed_out) return "an entry was applied that was never handed out";
  if (now.applied < now.base) return "the log was compacted past the applied index";
  if (now.leads && now.hard_state.vote != now.self) return "a leader did not vote for itself";
  return nullptr;
}

const char* broken_transition(const Vitals& before, const Vitals& now) {
  if (now.hard_state.term < before.hard_state.term) return "the term went back";
  if (now.hard_state.term == before.hard_state.term && before.hard_state.vote &&
      now.hard_state.vote != before.hard_state.vote)
    return "the vote changed within a term";
  if (now.commit < before.commit) return "the commit index went back";
  if (now.applied < before.applied) return "the applied index went back";
  if (now.base < before.base) return "the compaction point went back";
  if (before.leads && now.leads && now.hard_state.term == before.hard_state.term && now.last < before.last)
    return "a leader's log became shorter";
  return nullptr;
}

}  // namespace tenaz::raft
