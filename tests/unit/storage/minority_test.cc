// A new cluster from what one node of a lost one has: all of its own log, another id, a later term, raised revisions;
// and a look at a node that changes nothing.
#include "storage/minority.h"

#include <gtest/gtest.h>

#include <map>

#include "storage/restore.h"
#include "storage/snapshot.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

raft::Configuration members(std::uint64_t count) {
  std::vector<raft::Member> out;
  for (std::uint64_t id = 1; id <= count; ++id) {
    const std::string n = std::to_string(id);
    out.push_back({raft::NodeId(id), "n" + n, "127.0.0.1:1" + n, "127.0.0.1:2" + n, ""});
  }
  return raft::founding_configuration(std::move(out));
}

raft::Configuration three_members() {
  return members(3);
}

// Node 1 of 3: 60 entries of term 3 in the log, 40 of them in the state. The first 40 write key0 to key9 in turn, the
// others key0 to key4; key3 is deleted at the end.
class MinorityTest : public testing::Test {
 protected:
  void SetUp() override {
    auto log = must(RaftLog::open(node(), kIdentity, three_members(), small_options()));
    storage_id_ = log->storage_id();
    std::vector<raft::Entry> entries;
    for (std::uint64_t i = 1; i < 60; ++i)
      entries.push_back(entry(i, {put("key" + std::to_string(i % (i <= 40 ? 10 : 5)), "v" + std::to_string(i))}, 3));
    entries.push_back(entry(60, {del("key3")}, 3));
    raft::HardState hard;
    hard.term = raft::Term(5);
    hard.vote = raft::NodeId(2);
    hard.promise = raft::Duration(1000);
    const auto write = persist(hard, entries);
    must(log->write({&write, 1}));
    must(log->pin({raft::NodeId(2), "the-second-disk.", 4, 9}));
    auto state = must(StateMachine::open(node() / log->state_directory(), small_options()));
    must(state->apply(std::span(entries).first(40), kSelf));
    must(state->flush());
  }
  Result<Survivor> look() const { return inspect(node(), kIdentity, small_options()); }
  Result<NewCluster> try_to_recover() const {
    const auto found = look();
    if (!found) return found.error();
    return recover_from_minority(node(), kIdentity, *found, kRevisionGap, small_options());
  }
  NewCluster recover() const { return must(try_to_recover()); }
  std::unique_ptr<RaftLog> open() const {
    return must(RaftLog::open(node(), kIdentity, three_members(), small_options()));
  }
  std::unique_ptr<StateMachine> open_state(const RaftLog& log) const {
    return must(StateMachine::open(node() / log.state_directory(), small_options()));
  }
  void append(raft::Index index, const raft::Configuration& configuration) const {
    const auto write = persist(
        {}, {{raft::Term(5), index, raft::EntryKind::configuration, raft::make_payload(raft::encode(configuration))}});
    must(open()->write({&write, 1}));
  }
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> out;
    for (const auto& file : fs::recursive_directory_iterator(node()))
      if (file.is_regular_file()) out[file.path()] = read_file(file.path());
    return out;
  }
  fs::path node() const { return dir_.path() / "node"; }

  TempDir dir_;
  std::string storage_id_;
};

TEST_F(MinorityTest, InspectShowsWhatIsThereAndChangesNothing) {
  const auto before = files();
  const Survivor found = must(look());
  EXPECT_TRUE(files() == before);
  EXPECT_EQ(found.cluster_id, kIdentity.cluster_id);
  EXPECT_EQ(found.storage_id, storage_id_);
  EXPECT_EQ(found.incarnation, 1U);
  EXPECT_EQ(found.hard_state.term, raft::Term(5));
  EXPECT_EQ(found.first, raft::Index(1));
  EXPECT_EQ(found.last, raft::Index(60));
  EXPECT_EQ(found.last_term, raft::Term(3));
  EXPECT_EQ(found.last_write_ms, 1'700'000'000'000U) << "as entry() dates them";
  EXPECT_EQ(found.applied, raft::Index(40));
  EXPECT_EQ(found.revision, 40U);
  EXPECT_EQ(found.configuration, three_members());
  EXPECT_EQ(found.configuration_index, raft::Index(0));
  EXPECT_TRUE(check_survivor(found));
}

TEST_F(MinorityTest, TheLastConfigurationInTheLogCounts) {
  append(raft::Index(61), members(5));
  const Survivor found = must(look());
  EXPECT_EQ(found.configuration, members(5));
  EXPECT_EQ(found.configuration_index, raft::Index(61));
  recover();
  EXPECT_EQ(open()->configuration().retired.size(), 4U);
}

TEST_F(MinorityTest, AllOfTheOwnLogIsInTheNewCluster) {
  const NewCluster made = recover();
  EXPECT_EQ(made.last_revision, 60U);
  EXPECT_EQ(made.raised, 60U + kRevisionGap);
  const auto log = open();  // the same configuration fits
  EXPECT_EQ(log->cluster_id(), made.cluster_id);
  EXPECT_NE(log->cluster_id(), kIdentity.cluster_id);
  EXPECT_EQ(log->storage_id(), storage_id_);
  EXPECT_EQ(log->hard_state().term, raft::Term(6));
  EXPECT_EQ(log->hard_state().vote, raft::NodeId());
  EXPECT_EQ(log->hard_state().promise, raft::Duration(0)) << "nobody of the new cluster was promised anything";
  EXPECT_FALSE(log->pin_of(raft::NodeId(2)));
  EXPECT_EQ(log->last_index(), made.index);
  EXPECT_EQ(log->first_index(), made.index.next());
  const raft::Configuration alone = log->configuration();
  EXPECT_EQ(alone.voters, std::vector{kSelf});
  EXPECT_EQ(alone.retired, (std::vector{raft::NodeId(2), raft::NodeId(3)}));
  EXPECT_EQ(alone.members.size(), 1U);
  must(remove_leftovers(node(), log->state_directory()));
  const auto state = open_state(*log);
  EXPECT_EQ(state->applied_index(), made.index);
  EXPECT_EQ(log->term(made.index), state->applied_term());
  EXPECT_LE(state->applied_term(), log->hard_state().term);
  EXPECT_EQ(state->reader().revision().value, made.revision);
  EXPECT_EQ(state->reader().compact_revision().value, made.raised);
  EXPECT_EQ(must(state->configuration())->second, alone) << "an image of it carries the new members";
  for (int key = 0; key < 10; ++key) {
    const auto found = must(state->reader().get("key" + std::to_string(key), {})).found;
    ASSERT_EQ(found.has_value(), key != 3) << key;
    if (!found) continue;
    const int last = key == 0 ? 55 : key <= 4 ? 55 + key : 30 + key;  // the entry that wrote it last
    EXPECT_EQ(found->value, "v" + std::to_string(last));
  }
}

// Hazards M39. The state on the disk is known to be committed, and its ETags stay what they are. The lost nodes may
// have committed other content under the revisions after it: those never match anything again.
TEST_F(MinorityTest, WhatIsNotKnownToBeCommittedGetsNewRevisions) {
  const NewCluster made = recover();
  EXPECT_EQ(made.revision, made.raised + 4) << "key0, key1, key2 and key4";
  EXPECT_EQ(made.index, raft::Index(61)) << "in one entry more";
  const auto log = open();
  const auto state = open_state(*log);
  for (int key = 0; key < 10; ++key) {
    const auto found = must(state->reader().get("key" + std::to_string(key), {})).found;
    if (!found) continue;
    if (key >= 5) {
      EXPECT_EQ(found->mod_revision.value, 30U + static_cast<unsigned>(key)) << "its ETag is the old one";
    } else {
      EXPECT_GT(found->mod_revision.value, made.raised);
      EXPECT_LE(found->mod_revision.value, made.revision);
    }
  }
  for (const std::uint64_t old : {std::uint64_t{1}, std::uint64_t{40}, std::uint64_t{60}, made.raised - 1}) {
    const auto read = state->reader().get("key9", Revision(old));
    ASSERT_FALSE(read) << old;
    EXPECT_EQ(read.error().code, ErrorCode::compacted) << old;
  }
}

// As a node leaves it that was stopped in good order: all of the log is in the state.
TEST_F(MinorityTest, WithNothingAfterTheStateNothingIsWrittenOnceMore) {
  {
    const auto log = open();
    const auto state = open_state(*log);
    must(state->apply(log->entries(raft::Index(41), raft::Index(60), 1 << 20), kSelf));
    must(state->flush());
  }
  const NewCluster made = recover();
  EXPECT_EQ(made.index, raft::Index(60));
  EXPECT_EQ(made.revision, made.raised);
  const auto log = open();
  EXPECT_EQ(log->term(made.index), raft::Term(3));
  EXPECT_EQ(must(open_state(*log)->reader().get("key4", {})).found->mod_revision.value, 59U);
}

TEST_F(MinorityTest, ASecondOneIsRefused) {
  const NewCluster first = recover();
  const auto second = try_to_recover();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::invalid);
  EXPECT_NE(second.error().message.find("only voter"), std::string::npos) << second.error().message;
  EXPECT_EQ(open()->cluster_id(), first.cluster_id);
}

// A change of the membership that never came to its end.
TEST_F(MinorityTest, TheOnlyVoterOfAJointConfigurationIsNotAlone) {
  raft::Configuration joint = three_members();
  joint.voters = {kSelf};
  joint.outgoing = {kSelf, raft::NodeId(2), raft::NodeId(3)};
  append(raft::Index(61), joint);
  recover();
  EXPECT_FALSE(open()->configuration().joint());
}

TEST_F(MinorityTest, WhoIsNoMemberIsRefused) {
  raft::Configuration without = three_members();
  without.voters.erase(without.voters.begin());
  without.members.erase(without.members.begin());
  without.retired = {kSelf};
  append(raft::Index(61), without);
  EXPECT_EQ(try_to_recover().error().code, ErrorCode::invalid);
  EXPECT_EQ(open()->cluster_id(), kIdentity.cluster_id);
}

TEST_F(MinorityTest, WhoWasStartedMeanwhileIsLeftAlone) {
  const Survivor found = must(look());
  open();
  const auto refused = recover_from_minority(node(), kIdentity, found, kRevisionGap, small_options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid);
  EXPECT_EQ(open()->cluster_id(), kIdentity.cluster_id);
}

TEST_F(MinorityTest, ARunningOrForeignNodeIsRefused) {
  {
    const auto running = open();
    EXPECT_EQ(look().error().code, ErrorCode::locked);
  }
  const Identity other_node{kIdentity.cluster_id, raft::NodeId(2)}, other_cluster{"another-cluster!", kSelf};
  EXPECT_EQ(inspect(node(), other_node, small_options()).error().code, ErrorCode::wrong_identity);
  EXPECT_EQ(inspect(node(), other_cluster, small_options()).error().code, ErrorCode::wrong_identity);
  EXPECT_EQ(inspect(dir_.path() / "nothing", kIdentity, small_options()).error().code, ErrorCode::invalid);
  EXPECT_FALSE(fs::exists(dir_.path() / "nothing"));
  EXPECT_TRUE(look());
}

TEST_F(MinorityTest, AFencedNodeIsRefused) {
  must(open()->fence("a test"));
  EXPECT_EQ(look().error().code, ErrorCode::wrong_identity);
}

TEST_F(MinorityTest, ARemovedNodeIsRefused) {
  must(open()->retire("a test"));
  EXPECT_EQ(look().error().code, ErrorCode::removed);
}

TEST_F(MinorityTest, ADamagedNodeIsRefused) {
  const std::string name = open()->state_directory();
  fs::rename(node() / name, dir_.path() / "away");
  EXPECT_FALSE(look());
  EXPECT_FALSE(fs::exists(node() / name)) << "nothing is made in its place";
  fs::rename(dir_.path() / "away", node() / name);
  EXPECT_TRUE(look());
  fs::rename(node() / "raft" / "CURRENT", dir_.path() / "CURRENT");
  EXPECT_EQ(look().error().code, ErrorCode::corruption);
  EXPECT_FALSE(fs::exists(node() / "raft" / "CURRENT"));
}

TEST_F(MinorityTest, ARevisionThatCannotBeRaisedLeavesTheNodeAsItWas) {
  const auto refused = recover_from_minority(node(), kIdentity, must(look()), kMaxRevision, small_options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid);
  const auto log = open();
  EXPECT_EQ(log->cluster_id(), kIdentity.cluster_id);
  EXPECT_EQ(log->last_index(), raft::Index(60));
  EXPECT_EQ(log->hard_state().vote, raft::NodeId(2));
  EXPECT_EQ(open_state(*log)->applied_index(), raft::Index(40)) << "nothing uncommitted was applied to it";
}

}  // namespace
}  // namespace tenaz::storage
