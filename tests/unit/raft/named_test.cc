#include "raft/named.h"

#include <gtest/gtest.h>

#include "raft/membership.h"
#include "tests/unit/raft/support/memory_log.h"

namespace tenaz::raft {
namespace {

// Whoever has lost its state asks them for one: those who are there may be in no configuration but the last.
TEST(Named, ALogNamesAllWhoWereEverIn) {
  test::MemoryLog log(founding_configuration({{NodeId{1}, "a", "old", "", ""}, {NodeId{3}, "c", "", "", ""}}));
  EXPECT_EQ(members_named(log, log.configuration()), log.configuration().members);
  const Configuration later = founding_configuration({{NodeId{1}, "a", "new", "", ""}, {NodeId{2}, "b", "", "", ""}});
  Persist write;
  write.entries = {{Term{1}, Index{1}, EntryKind::noop, make_payload("")},
                   {Term{1}, Index{2}, EntryKind::configuration, make_payload(encode(later))},
                   {Term{1}, Index{3}, EntryKind::commands, make_payload("x")}};
  log.write(write);
  std::vector<Member> all = later.members;
  all.push_back(log.configuration().members[1]);
  EXPECT_EQ(members_named(log, log.configuration()), all);
}

}  // namespace
}  // namespace tenaz::raft
