// The state machine against a dumb twin that keeps every version of every key in maps, over random commands with
// restarts, crashes, replays and compaction.
#include <gtest/gtest.h>

#include <map>

#include "storage/state_machine.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;
using Code = CommandResult::Code;

struct TwinVersion {
  std::uint64_t create = 0;
  std::uint64_t version = 0;
  std::string value;
  bool live = false;
};

class Twin {
 public:
  CommandResult run(const pb::Command& command) {
    if (command.has_put()) return put(command.put());
    if (command.has_delete_()) return remove(command.delete_());
    if (command.has_delete_range()) return remove_range(command.delete_range());
    CommandResult result = at(Code::ok);
    if (command.compact().revision() > revision_) return at(Code::future_revision);
    if (command.compact().revision() <= compact_) return at(Code::compacted);
    compact_ = command.compact().revision();
    return result;
  }

  // The version of a key in force at a revision, and its own revision.
  std::pair<std::uint64_t, TwinVersion> find(const std::string& key, std::uint64_t revision) const {
    const auto k = versions_.find(key);
    if (k == versions_.end()) return {};
    const auto after = k->second.upper_bound(revision);
    if (after == k->second.begin()) return {};
    return *std::prev(after);
  }
  std::uint64_t revision() const { return revision_; }
  std::uint64_t compact_revision() const { return compact_; }
  const std::map<std::string, std::map<std::uint64_t, TwinVersion>>& versions() const { return versions_; }

 private:
  CommandResult at(Code code) const {
    CommandResult result;
    result.code = code;
    result.revision = Revision(revision_);
    return result;
  }
  bool holds(const pb::Condition& c, std::uint64_t mod, const TwinVersion& v) const {
    if ((c.must_exist() && !v.live) || (c.must_not_exist() && v.live)) return false;
    if (c.mod_revisions_size() == 0) return true;
    for (const auto r : c.mod_revisions()) {
      if (v.live && r == mod) return true;
    }
    return false;
  }
  CommandResult failed(std::uint64_t mod, const TwinVersion& v) const {
    auto result = at(Code::precondition_failed);
    if (v.live) {
      result.mod_revision = Revision(mod);
      result.create_revision = Revision(v.create);
      result.version = v.version;
    }
    return result;
  }
  CommandResult put(const pb::Put& p) {
    const auto [mod, v] = find(p.key(), revision_);
    if (!holds(p.condition(), mod, v)) return failed(mod, v);
    ++revision_;
    const TwinVersion next{v.live ? v.create : revision_, v.live ? v.version + 1 : 1, p.value(), true};
    versions_[p.key()][revision_] = next;
    auto result = at(Code::ok);
    result.create_revision = Revision(next.create);
    result.version = next.version;
    return result;
  }
  CommandResult remove(const pb::Delete& d) {
    const auto [mod, v] = find(d.key(), revision_);
    if (!holds(d.condition(), mod, v)) return failed(mod, v);
    if (!v.live) return at(Code::ok);
    versions_[d.key()][++revision_] = {};
    auto result = at(Code::ok);
    result.deleted = 1;
    return result;
  }
  CommandResult remove_range(const pb::DeleteRange& d) {
    std::vector<std::string> keys;
    for (const auto& [key, unused] : versions_) {
      if (key >= d.start() && (d.end().empty() || key < d.end()) && find(key, revision_).second.live)
        keys.push_back(key);
    }
    if (keys.size() > d.max_keys()) return at(Code::too_many_keys);
    if (!keys.empty()) ++revision_;
    for (const auto& key : keys) versions_[key][revision_] = {};
    auto result = at(Code::ok);
    result.deleted = keys.size();
    return result;
  }

  std::map<std::string, std::map<std::uint64_t, TwinVersion>> versions_;
  std::uint64_t revision_ = 0;
  std::uint64_t compact_ = 0;
};

void expect_equal(const CommandResult& a, const CommandResult& b, const pb::Command& command) {
  ASSERT_EQ(a.code, b.code) << testing::PrintToString(command.SerializeAsString());
  ASSERT_EQ(a.revision, b.revision) << testing::PrintToString(command.SerializeAsString());
  ASSERT_EQ(a.create_revision, b.create_revision) << testing::PrintToString(command.SerializeAsString());
  ASSERT_EQ(a.mod_revision, b.mod_revision) << testing::PrintToString(command.SerializeAsString());
  ASSERT_EQ(a.version, b.version) << testing::PrintToString(command.SerializeAsString());
  ASSERT_EQ(a.deleted, b.deleted) << testing::PrintToString(command.SerializeAsString());
}

class TwinRun {
 public:
  explicit TwinRun(std::uint64_t seed) : random_(seed), directory_(dir_.path() / "state") {
    options_ = small_options();
    if (seed % 3 == 0) options_.key_cache_bytes = 0;
    if (seed % 3 == 1) options_.key_cache_bytes = 32 << 10;
    open();
  }

  void run() {
    for (int step = 0; step < 120; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      const auto what = random_() % 30;
      if (what < 24) {
        ASSERT_NO_FATAL_FAILURE(apply());
      } else if (what < 26) {
        must(state_->flush());
      } else {
        ASSERT_NO_FATAL_FAILURE(crash());
      }
      ASSERT_NO_FATAL_FAILURE(check());
    }
    ASSERT_NO_FATAL_FAILURE(check_everything());
  }

 private:
  std::string key() { return kKeys[random_() % std::size(kKeys)]; }

  void condition(pb::Condition* c) {
    if (random_() % 4 == 0) c->set_must_exist(true);
    if (random_() % 4 == 0) c->set_must_not_exist(true);
    if (random_() % 2 == 0) {
      c->add_mod_revisions(random_() % (twin_.revision() + 1));
      c->add_mod_revisions(twin_.revision());
    }
  }

  pb::Command random_command() {
    switch (random_() % 12) {
      case 0:
        return del(key());
      case 1: {
        auto c = del(key());
        condition(c.mutable_delete_()->mutable_condition());
        return c;
      }
      case 2:
        return del_range(key(), random_() % 3 == 0 ? "" : key(), random_() % 8);
      case 3:
        if (random_() % 6 == 0) return compact(random_() % (twin_.revision() + 2));
        [[fallthrough]];
      case 4: {
        auto c = put(key(), "conditional");
        condition(c.mutable_put()->mutable_condition());
        return c;
      }
      default:
        return put(key(), std::string(random_() % 2000, static_cast<char>('a' + random_() % 26)));
    }
  }

  // Some entries in one call, each with some commands.
  void apply() {
    std::vector<raft::Entry> entries;
    std::vector<pb::Command> commands;
    std::vector<CommandResult> expected;
    for (std::uint64_t n = 1 + random_() % 3; n > 0; --n) {
      std::vector<pb::Command> batch;
      for (std::uint64_t i = random_() % 8; i > 0; --i) {
        batch.push_back(random_command());
        expected.push_back(twin_.run(batch.back()));
      }
      commands.insert(commands.end(), batch.begin(), batch.end());
      log_.push_back(entry(log_.size() + 1, batch));
      entries.push_back(log_.back());
    }
    const auto outcome = must(state_->apply(entries, kSelf));
    ASSERT_EQ(outcome.index.value, log_.size());
    ASSERT_EQ(outcome.revision.value, twin_.revision());
    ASSERT_EQ(outcome.replies.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NO_FATAL_FAILURE(expect_equal(outcome.replies[i].result, expected[i], commands[i]));
    }
  }

  // Destruction does not flush: the state goes back to its last flush, and the log makes up for it, cut into other
  // calls.
  void crash() {
    const raft::Index durable = state_->durable_index();
    open();
    ASSERT_GE(state_->applied_index(), durable);
    ASSERT_EQ(state_->applied_index(), state_->durable_index());
    replay();
  }
  void replay() {
    while (state_->applied_index().value < log_.size()) {
      const std::size_t from = state_->applied_index().value;
      const std::size_t n = std::min<std::size_t>(log_.size() - from, 1 + random_() % 5);
      must(state_->apply(std::span(log_).subspan(from, n), kSelf));
    }
    ASSERT_EQ(state_->reader().revision().value, twin_.revision());
  }
  void open() {
    state_.reset();
    state_ = must(StateMachine::open(directory_, options_));
  }

  void check_key(const std::string& key, std::optional<std::uint64_t> at) {
    const auto got = state_->reader().get(key, at ? std::optional(Revision(*at)) : std::nullopt);
    const std::uint64_t revision = at.value_or(twin_.revision());
    if (revision < twin_.compact_revision()) {
      ASSERT_FALSE(got);
      ASSERT_EQ(got.error().code, ErrorCode::compacted);
      return;
    }
    ASSERT_TRUE(got) << got.error().message;
    const auto [mod, v] = twin_.find(key, revision);
    ASSERT_EQ(got->found.has_value(), v.live) << key << " at " << revision;
    if (!v.live) return;
    ASSERT_EQ(got->found->value, v.value);
    ASSERT_EQ(got->found->mod_revision.value, mod);
    ASSERT_EQ(got->found->create_revision.value, v.create);
    ASSERT_EQ(got->found->version, v.version);
  }

  void check_list(std::uint64_t revision) {
    kv::ListRequest request;
    request.at = Revision(revision);
    if (random_() % 2 == 0) request.start = key();
    if (random_() % 2 == 0) request.end = key();
    request.limit = 1 + random_() % 12;
    const auto list = state_->reader().list(request);
    if (revision < twin_.compact_revision()) {
      ASSERT_FALSE(list);
      return;
    }
    ASSERT_TRUE(list) << list.error().message;
    std::size_t i = 0;
    bool more = false;
    for (const auto& [key, unused] : twin_.versions()) {
      if (key < request.start || (!request.end.empty() && key >= request.end)) continue;
      const auto [mod, v] = twin_.find(key, revision);
      if (!v.live) continue;
      if (i == request.limit) {
        more = true;
        break;
      }
      ASSERT_LT(i, list->items.size());
      ASSERT_EQ(list->items[i].key, key);
      ASSERT_EQ(list->items[i].value, v.value);
      ASSERT_EQ(list->items[i].mod_revision.value, mod);
      ++i;
    }
    ASSERT_EQ(list->items.size(), i);
    ASSERT_EQ(list->more, more);
  }

  void check() {
    ASSERT_EQ(state_->reader().revision().value, twin_.revision());
    ASSERT_EQ(state_->reader().compact_revision().value, twin_.compact_revision());
    for (int i = 0; i < 8; ++i) {
      ASSERT_NO_FATAL_FAILURE(check_key(key(), {}));
      ASSERT_NO_FATAL_FAILURE(check_key(key(), random_() % (twin_.revision() + 1)));
      ASSERT_NO_FATAL_FAILURE(check_list(random_() % (twin_.revision() + 1)));
    }
    ASSERT_NO_FATAL_FAILURE(check_list(twin_.revision()));
  }

  void check_everything() {
    for (const auto& key : kKeys) {
      for (std::uint64_t r = twin_.compact_revision(); r <= twin_.revision(); ++r) {
        ASSERT_NO_FATAL_FAILURE(check_key(key, r));
      }
    }
  }

  inline static const std::string kKeys[] = {"a",        "a\x01", std::string("a\0", 2),
                                             "aa",       "ab",    "b",
                                             "ba",       "bb",    "c",
                                             "ca",       "d",     "da",
                                             "db",       "\xFE",  "\xFF",
                                             "\xFF\xFF", "e1",    "e2",
                                             "e3",       "e4"};

  std::mt19937_64 random_;
  TempDir dir_;
  const fs::path directory_;
  Options options_;
  std::unique_ptr<StateMachine> state_;
  Twin twin_;
  std::vector<raft::Entry> log_;
};

TEST(StateMachineTwin, RandomCommands) {
  for (std::uint64_t seed = 0; seed < 15; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ASSERT_NO_FATAL_FAILURE(TwinRun(seed).run());
  }
}

}  // namespace
}  // namespace tenaz::storage
