// A restored node: the same content under the same ETags, but another cluster, a later term, and revisions that were
// never given out.
#include "storage/restore.h"

#include <gtest/gtest.h>

#include "backup/writer.h"
#include "storage/backup.h"
#include "storage/data_lock.h"
#include "storage/data_marker.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

class RestoreTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(old_node());
    state_ = must(StateMachine::open(old_node() / "state-0-0", small_options()));
    for (int i = 0; i < 300; ++i) apply(put("key" + std::to_string(i % 100), "v" + std::to_string(i)));
    apply(del("key7"));
    write_file(file(), make_backup());
    // The old cluster goes on after the backup.
    for (int i = 0; i < 50; ++i) apply(put("key" + std::to_string(i), "after"));
  }
  void apply(const pb::Command& c) { apply(*state_, c, raft::Term(6)); }
  // Two seconds pass from each entry to the next.
  static ApplyOutcome apply(StateMachine& state, const pb::Command& c, raft::Term term) {
    const raft::Index index = state.applied_index().next();
    PayloadBuilder builder;
    builder.add(c.SerializeAsString());
    const raft::Entry e{term, index, raft::EntryKind::commands, builder.finish(1'700'000'000'000 + index.value * 2000)};
    return must(state.apply({&e, 1}, kSelf));
  }
  std::string make_backup(const std::string& id = "b") {
    auto image = must(BackupImage::create(
        *state_, old_node(), id,
        {"the-old-cluster!", "orders", kSelf, raft::Term(8), one_member(), raft::Index(0), 1234, "0.1.0"}));
    std::string out;
    for (std::string piece = must(image->next()); !piece.empty(); piece = must(image->next())) out += piece;
    return out;
  }
  fs::path old_node() const { return dir_.path() / "old"; }
  std::string file() const { return (dir_.path() / "file").string(); }
  fs::path node() const { return dir_.path() / "new"; }
  RestoreRequest request(std::uint64_t gap = kRevisionGap) const {
    RestoreRequest out;
    out.data_dir = node();
    out.configured = kIdentity;
    out.members = one_member();
    out.revision_gap = gap;
    return out;
  }
  Result<Restored> restore(std::uint64_t gap = kRevisionGap) const {
    return restore_backup(file(), request(gap), small_options());
  }
  std::unique_ptr<StateMachine> open_state(const RaftLog& log) const {
    return must(StateMachine::open(node() / log.state_directory(), small_options()));
  }

  TempDir dir_;
  std::unique_ptr<StateMachine> state_;
};

TEST_F(RestoreTest, TheContentIsTheSame) {
  const Restored restored = must(restore());
  const auto log = open_log(node());
  const auto state = open_state(*log);
  for (int i = 0; i < 100; ++i) {
    const std::string key = "key" + std::to_string(i);
    const auto found = must(state->reader().get(key, {})).found;
    if (i == 7) {
      EXPECT_FALSE(found);
      continue;
    }
    ASSERT_TRUE(found) << key;
    EXPECT_EQ(found->value, "v" + std::to_string(200 + i));
    EXPECT_EQ(found->mod_revision.value, 201u + static_cast<unsigned>(i)) << "its ETag is the old one";
    EXPECT_EQ(found->create_revision.value, 1u + static_cast<unsigned>(i));
    EXPECT_EQ(found->version, 3u);
  }
  EXPECT_EQ(restored.backup.header.revision, 301u);
  EXPECT_EQ(state->reader().revision().value, 301 + kRevisionGap);
}

// Hazards M39: what the old cluster gave out after the backup never comes to stand for other content.
TEST_F(RestoreTest, NewRevisionsBeginBehindTheGapAndEarlierOnesAreCompacted) {
  must(restore(5000));
  const auto log = open_log(node());
  const auto state = open_state(*log);
  for (const std::uint64_t old : {1u, 300u, 301u, 302u, 340u, 5300u}) {
    const auto read = state->reader().get("key1", Revision(old));
    ASSERT_FALSE(read) << old;
    EXPECT_EQ(read.error().code, ErrorCode::compacted) << old;
  }
  EXPECT_TRUE(state->reader().get("key1", Revision(5301)));
  EXPECT_EQ(apply(*state, put("key1", "new"), log->hard_state().term.next()).revision.value, 5302u);
  EXPECT_EQ(must(state->reader().get("key1", {})).found->mod_revision.value, 5302u);
}

// Compaction by age goes on as if a command had compacted there: the clock stands where it stood, and knows of no
// earlier revision.
TEST_F(RestoreTest, TheHistoryClockKnowsOnlyOfNewRevisions) {
  ASSERT_GT(state_->revision_at(600'000).value, 290u) << "else there is nothing to forget";
  must(restore(5000));
  const auto log = open_log(node());
  {
    const auto state = open_state(*log);
    EXPECT_EQ(state->history_clock_ms(), 600'000u);
    EXPECT_EQ(state->revision_at(600'000).value, 0u);
    apply(*state, put("key1", "new"), log->hard_state().term.next());
    EXPECT_EQ(state->history_clock_ms(), 602'000u);
    EXPECT_EQ(state->revision_at(602'000).value, 5301u);
    EXPECT_EQ(state->revision_at(601'999).value, 0u);
    must(state->flush());
  }
  const auto state = open_state(*log);
  EXPECT_EQ(state->history_clock_ms(), 602'000u);
  EXPECT_EQ(state->revision_at(601'999).value, 0u);
  EXPECT_EQ(state->revision_at(602'000).value, 5301u);
}

// Hazards M29: the new cluster's terms begin above all that the old one's node had seen.
TEST_F(RestoreTest, TermsNeverGoBack) {
  const Restored restored = must(restore());
  const auto log = open_log(node());
  EXPECT_EQ(log->hard_state().term, raft::Term(9)) << "the backup's node was in term 8";
  EXPECT_EQ(log->hard_state().vote, raft::NodeId());
  EXPECT_EQ(log->hard_state().promise, raft::Duration(0)) << "nobody was promised anything";
  EXPECT_EQ(restored.term, raft::Term(9));
  EXPECT_EQ(log->first_index().previous(), raft::Index(301));
  EXPECT_EQ(log->last_index(), raft::Index(301));
  EXPECT_EQ(log->term(raft::Index(301)), raft::Term(6));
  EXPECT_EQ(log->configuration(), one_member());
  const auto state = open_state(*log);
  EXPECT_EQ(state->applied_index(), raft::Index(301));
  EXPECT_EQ(state->applied_term(), raft::Term(6));
  EXPECT_EQ(must(state->configuration())->second, one_member()) << "an image of it carries the new members";
}

TEST_F(RestoreTest, ItIsAnotherClusterThoughTheConfigurationIsTheSame) {
  const Restored restored = must(restore());
  {
    const auto log = open_log(node());
    EXPECT_EQ(log->cluster_id(), restored.cluster_id);
    EXPECT_NE(log->cluster_id(), kIdentity.cluster_id);
    EXPECT_NE(log->cluster_id(), restored.backup.header.cluster_id);
  }
  EXPECT_EQ(open_log(node())->cluster_id(), restored.cluster_id) << "at every start";
  auto other = RaftLog::open(node(), {"another-cluster!", kSelf}, one_member(), small_options());
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::wrong_identity);
  auto renumbered = RaftLog::open(node(), {kIdentity.cluster_id, raft::NodeId(2)}, one_member(), small_options());
  ASSERT_FALSE(renumbered);
  EXPECT_EQ(renumbered.error().code, ErrorCode::wrong_identity);
}

TEST_F(RestoreTest, NodesOfOneRestoreAgreeAndOthersDoNot) {
  const Restored first = must(restore());
  EXPECT_EQ(first.cluster_id, restored_cluster_id(kIdentity.cluster_id, first.backup.sha256, kRevisionGap));
  EXPECT_NE(first.cluster_id, restored_cluster_id("another-cluster!", first.backup.sha256, kRevisionGap));
  EXPECT_NE(first.cluster_id, restored_cluster_id(kIdentity.cluster_id, std::string(64, '0'), kRevisionGap));
  EXPECT_NE(first.cluster_id, restored_cluster_id(kIdentity.cluster_id, first.backup.sha256, kRevisionGap + 1));
  RestoreRequest second = request();
  second.data_dir = dir_.path() / "second";
  EXPECT_EQ(must(restore_backup(file(), second, small_options())).cluster_id, first.cluster_id);
  const auto one = open_log(node());
  const auto two = open_log(second.data_dir);
  EXPECT_NE(one->storage_id(), two->storage_id());
  const auto state = must(StateMachine::open(second.data_dir / two->state_directory(), small_options()));
  EXPECT_EQ(must(open_state(*one)->digest()), must(state->digest()));
}

TEST_F(RestoreTest, ADirectoryThatHoldsSomethingIsLeftAlone) {
  fs::create_directories(node());
  write_file(node() / "mine", "text");
  auto refused = restore();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid);
  EXPECT_NE(refused.error().message.find("not empty"), std::string::npos);
  EXPECT_EQ(read_file(node() / "mine"), "text");
  EXPECT_EQ(std::distance(fs::directory_iterator(node()), {}), 1);
  fs::remove(node() / "mine");
  fs::create_directories(node() / "lost+found");
  must(restore());
  const std::string id = open_log(node())->storage_id();
  EXPECT_FALSE(restore()) << "nor a node that is there";
  EXPECT_EQ(open_log(node())->storage_id(), id);
}

TEST_F(RestoreTest, ADamagedBackupChangesNothing) {
  const std::string whole = read_file(file());
  for (const std::size_t at : {std::size_t{9}, std::size_t{200}, whole.size() / 2, whole.size() - 1}) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    write_file(file(), changed);
    EXPECT_FALSE(restore()) << at;
    write_file(file(), whole.substr(0, at));
    EXPECT_FALSE(restore()) << at;
    EXPECT_FALSE(fs::exists(node())) << "not even the directory was made";
  }
  write_file(file(), whole);
  for (const std::uint64_t gap : {std::uint64_t{0}, kMaxRevision, ~std::uint64_t{0}}) {
    auto refused = restore(gap);
    ASSERT_FALSE(refused) << gap;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid);
  }
  EXPECT_FALSE(fs::exists(node()));
}

// Every sum of the file is right, but what the node had on its disk was not: one bit of the largest table.
TEST_F(RestoreTest, ABackupOfADamagedTableChangesNothing) {
  struct Largest final : backup::Visitor {
    std::string name;
    std::uint64_t bytes = 0;
    bool file(const std::string& candidate, std::uint64_t size) override {
      if (candidate.ends_with(".sst") && size > bytes) {
        name = candidate;
        bytes = size;
      }
      return true;
    }
  } largest;
  struct Damager final : backup::Visitor {
    explicit Damager(std::string wanted) : wanted(std::move(wanted)) {}
    const std::string wanted;
    std::string out;
    backup::Writer writer;
    bool found = false;
    bool header(const backup::Header& header) override {
      writer.begin(out, header);
      return true;
    }
    bool file(const std::string& name, std::uint64_t bytes) override {
      found = name == wanted;
      writer.file(out, name, bytes);
      return true;
    }
    bool data(std::string_view bytes) override {
      std::string changed(bytes);
      if (found) changed[20] = static_cast<char>(changed[20] ^ 1);
      writer.data(out, changed);
      return true;
    }
  };
  ASSERT_TRUE(std::holds_alternative<backup::Summary>(backup::read_file(file(), largest)));
  Damager damager(largest.name);
  ASSERT_TRUE(std::holds_alternative<backup::Summary>(backup::read_file(file(), damager)));
  damager.writer.end(damager.out);
  write_file(file(), damager.out);
  ASSERT_TRUE(std::holds_alternative<backup::Summary>(backup::check_file(file()))) << "every sum is right";
  auto refused = restore();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::corruption);
  EXPECT_NE(refused.error().message.find(largest.name), std::string::npos) << refused.error().message;
  EXPECT_FALSE(DataMarker::stands(node()));
  write_file(file(), make_backup("again"));
  must(restore());
}

TEST_F(RestoreTest, WithoutRoomNothingIsWritten) {
  Options options = small_options();
  options.reserve_bytes = std::uint64_t{1} << 60;
  auto refused = restore_backup(file(), request(), options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::no_space);
  EXPECT_FALSE(DataMarker::stands(node()));
  must(restore());
}

// What a crash leaves at any moment: the marker, and any part of the rest.
TEST_F(RestoreTest, AnInterruptedOneIsRefusedByTheNodeAndDoneAgainByARestore) {
  must(restore());
  const fs::path whole = dir_.path() / "whole";
  copy_tree(node(), whole);
  for (const char* lost : {"raft", "state-301-0", "none"}) {
    copy_tree(whole, node());
    fs::remove_all(node() / lost);
    must(DataMarker::set(node()));
    auto opened = RaftLog::open(node(), kIdentity, one_member(), small_options());
    ASSERT_FALSE(opened) << lost;
    EXPECT_NE(opened.error().message.find("interrupted"), std::string::npos) << opened.error().message;
    EXPECT_EQ(opened.error().code, ErrorCode::corruption);
    must(restore());
    EXPECT_FALSE(DataMarker::stands(node()));
    const auto log = open_log(node());
    EXPECT_EQ(open_state(*log)->reader().revision().value, 301 + kRevisionGap);
  }
}

TEST_F(RestoreTest, ItIsOneNodeAtATime) {
  fs::create_directories(node());
  const auto lock = must(DataLock::take(node()));
  auto refused = restore();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::locked);
}

}  // namespace
}  // namespace tenaz::storage
