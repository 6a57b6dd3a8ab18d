#include "storage/state_machine.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;
using Code = CommandResult::Code;

class StateMachineTest : public testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    state_.reset();
    state_ = must(StateMachine::open(dir_.path() / "state", small_options()));
  }

  // One entry with these commands; the result of each.
  std::vector<CommandResult> apply(const std::vector<pb::Command>& commands) {
    const auto e = entry(state_->applied_index().value + 1, commands);
    const auto outcome = must(state_->apply({&e, 1}, kSelf));
    std::vector<CommandResult> results;
    for (const auto& reply : outcome.replies) results.push_back(reply.result);
    return results;
  }
  CommandResult apply(const pb::Command& c) { return apply(std::vector{c})[0]; }

  std::optional<kv::KeyValue> get(const std::string& key, std::optional<std::uint64_t> at = {}) {
    return must(state_->reader().get(key, at ? std::optional(Revision(*at)) : std::nullopt)).found;
  }
  std::vector<std::string> keys(kv::ListRequest request = {}) {
    std::vector<std::string> found;
    for (const auto& item : must(state_->reader().list(request)).items) found.push_back(item.key);
    return found;
  }

  TempDir dir_;
  std::unique_ptr<StateMachine> state_;
};

TEST_F(StateMachineTest, PutGetDeleteAndRecreate) {
  auto r = apply(put("a", "x"));
  EXPECT_EQ(r.code, Code::ok);
  EXPECT_EQ(r.revision, Revision(1));
  EXPECT_EQ(r.create_revision, Revision(1));
  EXPECT_EQ(r.version, 1U);
  r = apply(put("a", "yy"));
  EXPECT_EQ(r.revision, Revision(2));
  EXPECT_EQ(r.create_revision, Revision(1));
  EXPECT_EQ(r.version, 2U);
  const auto found = get("a");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->value, "yy");
  EXPECT_EQ(found->mod_revision, Revision(2));
  EXPECT_EQ(found->create_revision, Revision(1));
  EXPECT_EQ(found->version, 2U);

  r = apply(del("a"));
  EXPECT_EQ(r.deleted, 1U);
  EXPECT_EQ(r.revision, Revision(3));
  EXPECT_FALSE(get("a"));
  EXPECT_EQ(get("a", 1)->value, "x");
  EXPECT_EQ(get("a", 2)->value, "yy");

  r = apply(put("a", "z"));
  EXPECT_EQ(r.revision, Revision(4));
  EXPECT_EQ(r.create_revision, Revision(4));
  EXPECT_EQ(r.version, 1U);
  EXPECT_FALSE(get("a", 3)) << "deleted then";
}

TEST_F(StateMachineTest, WhatChangesNothingConsumesNoRevision) {
  apply(put("a", "x"));
  auto r = apply(del("absent"));
  EXPECT_EQ(r.code, Code::ok);
  EXPECT_EQ(r.deleted, 0U);
  EXPECT_EQ(r.revision, Revision(1));
  r = apply(del_range("b", "z"));
  EXPECT_EQ(r.code, Code::ok);
  EXPECT_EQ(r.revision, Revision(1));
  auto c = put("a", "y");
  c.mutable_put()->mutable_condition()->set_must_not_exist(true);
  r = apply(c);
  EXPECT_EQ(r.code, Code::precondition_failed);
  EXPECT_EQ(r.revision, Revision(1));
  EXPECT_EQ(r.mod_revision, Revision(1));
  EXPECT_EQ(get("a")->value, "x");
  EXPECT_EQ(apply(put("b", "")).revision, Revision(2));
}

TEST_F(StateMachineTest, Conditions) {
  apply(put("a", "x"));
  const auto with = [](pb::Command c, bool must_exist, std::vector<std::uint64_t> revisions) {
    auto* condition = c.has_put() ? c.mutable_put()->mutable_condition() : c.mutable_delete_()->mutable_condition();
    condition->set_must_exist(must_exist);
    for (const auto r : revisions) condition->add_mod_revisions(r);
    return c;
  };
  EXPECT_EQ(apply(with(put("a", "y"), false, {2, 3})).code, Code::precondition_failed);
  EXPECT_EQ(apply(with(put("a", "y"), false, {7, 1})).code, Code::ok);
  EXPECT_EQ(apply(with(put("b", "y"), true, {})).code, Code::precondition_failed);
  EXPECT_EQ(apply(with(put("b", "y"), false, {1})).mod_revision, Revision(0));
  EXPECT_EQ(apply(with(del("a"), false, {1})).code, Code::precondition_failed);
  const auto r = apply(with(del("a"), true, {2}));
  EXPECT_EQ(r.code, Code::ok);
  EXPECT_EQ(r.deleted, 1U);
  EXPECT_EQ(apply(with(del("a"), true, {})).code, Code::precondition_failed);
  auto create = put("a", "new");
  create.mutable_put()->mutable_condition()->set_must_not_exist(true);
  EXPECT_EQ(apply(create).version, 1U);
}

TEST_F(StateMachineTest, CommandsOfOneCallSeeEachOther) {
  auto second = put("k", "2");
  second.mutable_put()->mutable_condition()->add_mod_revisions(1);
  auto third = put("k", "3");
  third.mutable_put()->mutable_condition()->add_mod_revisions(1);
  const auto results =
      apply({put("k", "1"), second, third, put("l", "1"), del_range("k", "m"), put("k", "4"), del("l")});
  EXPECT_EQ(results[1].code, Code::ok);
  EXPECT_EQ(results[2].code, Code::precondition_failed);
  EXPECT_EQ(results[2].mod_revision, Revision(2));
  EXPECT_EQ(results[4].deleted, 2U);
  EXPECT_EQ(results[4].revision, Revision(4));
  EXPECT_EQ(results[5].version, 1U);
  EXPECT_EQ(results[5].revision, Revision(5));
  EXPECT_EQ(results[6].deleted, 0U);
  EXPECT_EQ(get("k")->value, "4");
  EXPECT_EQ(get("k", 1)->value, "1");
  EXPECT_EQ(get("k", 2)->value, "2");
  EXPECT_EQ(get("l", 3)->value, "1");
  EXPECT_FALSE(get("l", 4));
}

TEST_F(StateMachineTest, RangeDelete) {
  std::vector<pb::Command> puts;
  for (char c = 'a'; c <= 'j'; ++c) puts.push_back(put(std::string(1, c), "v"));
  apply(puts);
  auto r = apply(del_range("b", "f", 3));
  EXPECT_EQ(r.code, Code::too_many_keys);
  EXPECT_EQ(r.deleted, 0U);
  EXPECT_EQ(r.revision, Revision(10));
  EXPECT_EQ(keys().size(), 10U);
  r = apply(del_range("b", "f", 4));
  EXPECT_EQ(r.code, Code::ok);
  EXPECT_EQ(r.deleted, 4U);
  EXPECT_EQ(r.revision, Revision(11)) << "one revision for all of them";
  EXPECT_EQ(keys(), (std::vector<std::string>{"a", "f", "g", "h", "i", "j"}));
  EXPECT_EQ(apply(del_range("f", "b")).deleted, 0U) << "an empty range";
  EXPECT_EQ(apply(del_range("h", "")).deleted, 3U) << "to the last key";
  EXPECT_EQ(apply(del_range("", "")).deleted, 3U);
  EXPECT_TRUE(keys().empty());
  kv::ListRequest then;
  then.at = Revision(10);
  EXPECT_EQ(keys(then).size(), 10U);
}

TEST_F(StateMachineTest, ListPagesRangesAndRevisions) {
  const std::string zero("a\0b", 3);
  apply({put("a", "1"), put(zero, "2"), put("a\x01", "3"), put("b", "4"), put("\xFF", "5")});
  apply({put("a", "1b"), del("b")});
  EXPECT_EQ(keys(), (std::vector<std::string>{"a", zero, "a\x01", "\xFF"}));

  kv::ListRequest request;
  request.limit = 2;
  auto page = must(state_->reader().list(request));
  ASSERT_EQ(page.items.size(), 2U);
  EXPECT_TRUE(page.more);
  EXPECT_EQ(page.revision, Revision(7));
  EXPECT_EQ(page.items[0].value, "1b");
  EXPECT_EQ(page.items[1].value, "2");
  request.start = page.items.back().key + '\0';
  page = must(state_->reader().list(request));
  EXPECT_EQ(page.items.size(), 2U);
  EXPECT_FALSE(page.more);

  request = {};
  request.at = Revision(5);
  request.start = "a";
  request.end = "b\x01";
  page = must(state_->reader().list(request));
  ASSERT_EQ(page.items.size(), 4U);
  EXPECT_EQ(page.items[0].value, "1");
  EXPECT_EQ(page.items[3].key, "b");
  request.keys_only = true;
  EXPECT_EQ(must(state_->reader().list(request)).items[0].value, "");
  request.end = "a";
  EXPECT_TRUE(must(state_->reader().list(request)).items.empty());

  request = {};
  request.max_bytes = 1;
  page = must(state_->reader().list(request));
  EXPECT_EQ(page.items.size(), 1U) << "at least one";
  EXPECT_TRUE(page.more);
  request.max_bytes = 1 + 2 + 3 + 1;
  page = must(state_->reader().list(request));
  EXPECT_EQ(page.items.size(), 2U);
  request.limit = 0;
  EXPECT_TRUE(must(state_->reader().list(request)).items.empty());
}

TEST_F(StateMachineTest, CompactAndFuture) {
  apply({put("a", "1"), put("a", "2"), put("b", "1"), del("b"), put("a", "3")});
  EXPECT_EQ(apply(compact(6)).code, Code::future_revision);
  auto r = apply(compact(4));
  EXPECT_EQ(r.code, Code::ok);
  EXPECT_EQ(r.revision, Revision(5)) << "it consumes no revision";
  EXPECT_EQ(apply(compact(4)).code, Code::compacted);
  EXPECT_EQ(apply(compact(3)).code, Code::compacted);
  EXPECT_EQ(state_->reader().compact_revision(), Revision(4));
  EXPECT_EQ(state_->reader().get("a", Revision(3)).error().code, ErrorCode::compacted);
  kv::ListRequest request;
  request.at = Revision(3);
  EXPECT_EQ(state_->reader().list(request).error().code, ErrorCode::compacted);
  EXPECT_EQ(get("a", 4)->value, "2");
  EXPECT_EQ(get("a", 5)->value, "3");
  EXPECT_EQ(state_->reader().get("a", Revision(6)).error().code, ErrorCode::future_revision);
  request.at = Revision(6);
  EXPECT_EQ(state_->reader().list(request).error().code, ErrorCode::future_revision);
}

TEST_F(StateMachineTest, RepliesAreOfTheOwnCommandsInOrder) {
  auto foreign = put("f", "1");
  foreign.mutable_origin()->set_node(2);
  const auto a = put("a", "1"), b = put("b", "1");
  const auto e = entry(1, {a, foreign, b});
  const auto outcome = must(state_->apply({&e, 1}, kSelf));
  ASSERT_EQ(outcome.replies.size(), 2U);
  EXPECT_EQ(outcome.replies[0].origin.sequence, a.origin().sequence());
  EXPECT_EQ(outcome.replies[0].origin.boot, 7U);
  EXPECT_EQ(outcome.replies[1].origin.sequence, b.origin().sequence());
  EXPECT_EQ(outcome.replies[1].result.revision, Revision(3));
  EXPECT_EQ(outcome.revision, Revision(3));
}

TEST_F(StateMachineTest, OtherEntriesMoveTheIndexAlone) {
  const raft::Entry entries[] = {
      {raft::Term(1), raft::Index(1), raft::EntryKind::noop, raft::empty_payload()},
      {raft::Term(2), raft::Index(2), raft::EntryKind::configuration, raft::make_payload(raft::encode(one_member()))},
      entry(3, {put("a", "1")}, 2)};
  EXPECT_FALSE(must(state_->configuration()));
  const auto outcome = must(state_->apply(entries, kSelf));
  EXPECT_EQ(outcome.index, raft::Index(3));
  EXPECT_EQ(outcome.term, raft::Term(2));
  EXPECT_EQ(outcome.revision, Revision(1));
  must(state_->flush());
  open();
  EXPECT_EQ(state_->applied_index(), raft::Index(3));
  EXPECT_EQ(state_->applied_term(), raft::Term(2));
  EXPECT_EQ(must(state_->configuration()), std::pair(raft::Index(2), one_member()));
}

TEST_F(StateMachineTest, WhatItDoesNotUnderstandStopsIt) {
  auto newer = put("a", "1");
  newer.set_apply_version(kApplyVersion + 1);
  auto e = entry(1, {put("b", "1"), newer});
  EXPECT_EQ(state_->apply({&e, 1}, kSelf).error().code, ErrorCode::newer_format);
  auto nothing = command();
  e = entry(1, {nothing});
  EXPECT_EQ(state_->apply({&e, 1}, kSelf).error().code, ErrorCode::newer_format);
  nothing.clear_apply_version();
  e = entry(1, {nothing});
  EXPECT_EQ(state_->apply({&e, 1}, kSelf).error().code, ErrorCode::newer_format);
  std::string bytes = *entry(1, {put("a", "1")}).payload;
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  e.payload = raft::make_payload(bytes);
  const auto error = state_->apply({&e, 1}, kSelf).error();
  EXPECT_EQ(error.code, ErrorCode::corruption);
  EXPECT_NE(error.message.find("entry 1"), std::string::npos);
  e = entry(3, {put("a", "1")});
  EXPECT_EQ(state_->apply({&e, 1}, kSelf).error().code, ErrorCode::invalid) << "a gap";
  EXPECT_EQ(state_->applied_index(), raft::Index(0));
  EXPECT_TRUE(keys().empty()) << "nothing of a refused entry";
}

TEST_F(StateMachineTest, OnlyWhatWasFlushedIsDurable) {
  apply(put("a", "1"));
  EXPECT_EQ(state_->durable_index(), raft::Index(0));
  std::vector<raft::Index> told;
  state_->on_durable([&](raft::Index index) { told.push_back(index); });
  must(state_->flush());
  EXPECT_EQ(state_->durable_index(), raft::Index(1));
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.back(), raft::Index(1));
  apply(put("a", "2"));
  copy_tree(dir_.path() / "state", dir_.path() / "crashed");
  const auto crashed = must(StateMachine::open(dir_.path() / "crashed", small_options()));
  EXPECT_EQ(crashed->applied_index(), raft::Index(1));
  EXPECT_EQ(crashed->durable_index(), raft::Index(1));
  EXPECT_EQ(must(crashed->reader().get("a", {})).found->value, "1");
  EXPECT_EQ(crashed->reader().revision(), Revision(1));
}

// Replay stays short even if RocksDB sees no reason to flush.
TEST_F(StateMachineTest, AtMost32MiBOfLogNeedReplay) {
  Options options;
  options.write_buffer_bytes = 1 << 30;
  state_ = must(StateMachine::open(dir_.path() / "large", options));
  const auto replay = [&] {
    for (const auto& figure : state_->figures()) {
      if (figure.name == "replay_bytes") return figure.value;
    }
    return -1.0;
  };
  double most = 0;
  for (int i = 0; i < 80; ++i) {
    apply(put("k", std::string(1 << 20, 'v')));
    ASSERT_GE(replay(), 0);
    most = std::max(most, replay());
  }
  EXPECT_LT(most, 32 << 20);
  EXPECT_GT(most, 4 << 20);
}

TEST_F(StateMachineTest, DigestsAgreeWhateverTheHistory) {
  apply({put("a", "1"), put("b", "1"), del("b"), put("c", "1")});
  const std::string digest = must(state_->digest());
  EXPECT_EQ(digest.size(), 64U);
  const auto other = must(StateMachine::open(dir_.path() / "other", small_options()));
  // The same commands, cut into entries and calls in another way, and compacted.
  std::vector<raft::Entry> entries = {entry(1, {put("a", "1")}), entry(2, {put("b", "1"), del("b")}),
                                      entry(3, {put("c", "1"), compact(3)})};
  must(other->apply(std::span(entries).first(2), kSelf));
  must(other->apply(std::span(entries).subspan(2), kSelf));
  EXPECT_EQ(must(other->digest()), digest);
  // All that a put writes counts.
  auto leased = put("a", "1");
  leased.mutable_put()->set_lease(7);
  const auto third = must(StateMachine::open(dir_.path() / "third", small_options()));
  const auto same_but_for_a_lease = entry(1, {leased, put("b", "1"), del("b"), put("c", "1")});
  must(third->apply({&same_but_for_a_lease, 1}, kSelf));
  EXPECT_NE(must(third->digest()), digest);
  const auto more = entry(4, {put("a", "2")});
  must(other->apply({&more, 1}, kSelf));
  EXPECT_NE(must(other->digest()), digest);
}

TEST_F(StateMachineTest, ACompactionBecomesDurableByItself) {
  apply({put("a", "1"), put("a", "2")});
  apply({compact(2)});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (state_->durable_index() < state_->applied_index() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  EXPECT_EQ(state_->durable_index(), state_->applied_index());
}

// Readers always see whole revisions: two keys that change together are never seen apart, and nothing goes back.
TEST_F(StateMachineTest, ReadersRunBesideApply) {
  std::atomic<bool> done{false};
  apply({put("x", "0"), put("y", "0")});
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&, t] {
      std::uint64_t seen = 0;
      while (!done) {
        const auto list = must(state_->reader().list({}));
        ASSERT_EQ(list.items.size(), 2U);
        const auto x = std::stoull(list.items[0].value), y = std::stoull(list.items[1].value);
        // x is written first, each in a revision of its own.
        ASSERT_TRUE(x == y || x == y + 1) << x << " " << y;
        const auto got = must(state_->reader().get(t == 0 ? "x" : "y", {}));
        ASSERT_GE(got.revision, list.revision);
        const auto value = std::stoull(got.found->value);
        ASSERT_GE(value, t == 0 ? x : y);
        ASSERT_GE(value, seen);
        seen = value;
        const auto past = must(state_->reader().get("x", list.revision));
        ASSERT_EQ(std::stoull(past.found->value), x);
      }
    });
  }
  for (int i = 1; i < 3000; ++i) {
    apply({put("x", std::to_string(i)), put("y", std::to_string(i))});
    if (i % 1000 == 0) must(state_->flush());
  }
  done = true;
  for (auto& reader : readers) reader.join();
}

TEST_F(StateMachineTest, LargeValuesAndAwkwardKeys) {
  const std::string large(3 << 20, 'L');
  const std::string key(kv::kMaxKeyBytes, '\0');
  apply({put(key, large), put(key + "x", "1"), put(std::string(1, '\0'), "0")});
  must(state_->flush());
  open();
  EXPECT_EQ(get(key)->value, large);
  EXPECT_EQ(get(key + "x")->value, "1");
  EXPECT_EQ(keys().size(), 3U);
  EXPECT_EQ(keys()[0], std::string(1, '\0'));
}

}  // namespace
}  // namespace tenaz::storage
