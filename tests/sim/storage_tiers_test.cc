// The two tiers' crash semantics, held against each other: the same random jobs of log writer, applier and installer
// run on the model of a disk and on the production storage over a FileTree. The power is lost in the middle of a job,
// at any step. What is found then must be what the model allows: of the log all that was reported and, of the job at
// hand, all or nothing; of the state some point between what was reported as durable and what was applied, with the
// content that belongs to it; and of an installation the old or the new.
//
// How many seeds: TENAZ_SIM_TIERS_SEEDS.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "raft/membership.h"
#include "storage/command.h"
#include "tests/sim/seeds.h"
#include "tests/sim/stored_node.h"

namespace tenaz::sim {
namespace {

raft::Configuration two_members() {
  return raft::founding_configuration({{node_id(0), "n1", {}, {}, {}}, {node_id(1), "n2", {}, {}, {}}});
}

storage::Options small_storage(Random& random) {
  storage::Options options;
  options.cache_bytes = 64 << 10;
  options.write_buffer_bytes = 128 << 10;
  options.log_buffer_bytes = random.between(200, 6000);
  options.key_cache_bytes = 16 << 10;
  return options;
}

// Node 1 is the one whose power fails. Node 2 holds the committed history, for images.
class Tiers {
 public:
  explicit Tiers(std::uint64_t seed)
      : world_(seed, 0, nullptr),
        random_(seed, 300),
        stored_(world_, 0, small_storage(random_)),
        source_(world_, 1, small_storage(random_)),
        truth_(1) {
    model_.configuration = two_members();
    before_ = model_;
  }

  // Empty: nothing was found that must not be.
  std::string run(bool lying_disk) {
    if (const auto opened = source_.open(two_members()); !opened) return opened.error().message;
    for (int life = 0; life < 6; ++life) {
      if (random_.chance(200)) stored_.lose_power_while_opening(two_members());
      if (const auto opened = stored_.open(two_members()); !opened)
        return "life " + std::to_string(life) + ": not opened: " + opened.error().message;
      if (lying_disk) stored_.tree().lie();
      if (std::string wrong = check_found(); !wrong.empty()) return "life " + std::to_string(life) + ": " + wrong;
      for (std::uint64_t jobs = random_.below(25); jobs > 0; --jobs) {
        begin_job();
        if (std::string wrong = job(); !wrong.empty()) return "life " + std::to_string(life) + ": " + wrong;
        if (std::string wrong = difference(model_, stored_.log()); !wrong.empty()) return "at work: " + wrong;
        if (std::string wrong = difference(truth_[applied_.value], stored_.state()); !wrong.empty())
          return "at work: " + wrong;
      }
      begin_job();
      std::string wrong;
      stored_.lose_power([&] { wrong = job(); });
      if (!wrong.empty()) return wrong;
    }
    return {};
  }

 private:
  raft::Entry make_entry(raft::Index index, raft::Term term) {
    storage::PayloadBuilder builder;
    for (std::uint64_t n = random_.between(1, 3); n > 0; --n) {
      storage::pb::Command command;
      command.set_apply_version(storage::kApplyVersion);
      command.mutable_origin()->set_node(1);
      command.mutable_origin()->set_boot(1);
      command.mutable_origin()->set_sequence(++sequence_);
      const std::string key = "k" + std::to_string(random_.below(8));
      const std::uint64_t what = random_.below(100);
      if (what < 70) {
        command.mutable_put()->set_key(key);
        command.mutable_put()->set_value(std::string(random_.below(200), static_cast<char>('a' + random_.below(26))));
      } else if (what < 85) {
        command.mutable_delete_()->set_key(key);
      } else if (what < 92) {
        command.mutable_delete_range()->set_start(key);
        command.mutable_delete_range()->set_max_keys(random_.below(5));
      } else {
        const std::uint64_t revision = truth_.back().revision.value;
        command.mutable_compact()->set_revision(revision > 2 ? revision - random_.below(3) : revision);
      }
      builder.add(command.SerializeAsString());
    }
    return {term, index, raft::EntryKind::commands, builder.finish(1)};
  }

  // The committed history grows.
  void commit_more() {
    const raft::Entry entry = make_entry(raft::Index(history_.size() + 1), term_);
    history_.push_back(entry);
    KvState state = truth_.back();
    const auto batch = storage::parse_payload(*entry.payload);
    for (const auto& command : batch->commands()) state.apply(command);
    state.applied = entry.index;
    state.term = entry.term;
    truth_.push_back(std::move(state));
  }

  // Of what the node's log holds.
  bool agrees(raft::Index index) const { return model_.term(index) == history_[index.value - 1].term; }
  raft::Index agreed() const {
    raft::Index last = model_.base;
    while (last < model_.last_index() && last.value < history_.size() && agrees(last.next())) last = last.next();
    return last;
  }

  void begin_job() {
    before_ = model_;
    durable_before_ = durable_;
    applied_before_ = applied_;
    installing_ = false;
  }

  std::string job() {
    stored_.platform().keep_up();
    switch (random_.below(10)) {
      case 0:
      case 1:
      case 2:
        return write(false);
      case 3:
        return write(true);
      case 4:
      case 5:
        return apply();
      case 6:
        return cut();
      case 7:
        return flush();
      case 8:
        while (stored_.platform().queued() > 0 && random_.chance(700)) stored_.platform().run_one();
        see_durable();
        return {};
      default:
        return install();
    }
  }

  // What a leader sends, or what will never be committed.
  std::string write(bool vain) {
    raft::Persist write;
    const raft::Index from = agreed().next();
    if (vain) {
      ++term_.value;
      const std::uint64_t first = from.value + random_.below(model_.last_index().next().value - from.value + 1);
      raft::Index index(first);
      for (std::uint64_t n = random_.between(1, 4); n > 0; --n, index = index.next())
        write.entries.push_back(make_entry(index, term_));
      // What is committed later, comes from a leader of a later term.
      ++term_.value;
    } else {
      const std::uint64_t more = random_.below(4);
      while (history_.size() < from.value + more) commit_more();
      for (std::uint64_t index = from.value; index <= from.value + more; ++index)
        write.entries.push_back(history_[index - 1]);
    }
    if (random_.chance(500) || model_.hard_state.term < write.entries.back().term)
      write.hard_state = raft::HardState{term_, raft::NodeId(random_.below(3))};
    const std::vector<raft::Persist> writes{write};
    model_.store(write);
    const auto done = stored_.log().write(writes);
    return done ? "" : done.error().message;
  }

  std::string write_term() {
    const std::vector<raft::Persist> writes{{raft::WriteId(1), raft::HardState{term_, {}}, {}}};
    model_.store(writes.front());
    const auto done = stored_.log().write(writes);
    return done ? "" : done.error().message;
  }

  std::string apply() {
    const raft::Index to(applied_.value + random_.below(agreed().past(applied_) + 1));
    if (to <= applied_) return {};
    const std::vector<raft::Entry> entries(history_.begin() + static_cast<std::ptrdiff_t>(applied_.value),
                                           history_.begin() + static_cast<std::ptrdiff_t>(to.value));
    const auto outcome = stored_.state().apply(entries, node_id(0));
    if (!outcome) return outcome.error().message;
    applied_ = to;
    see_durable();
    return outcome->index == to && outcome->revision == truth_[to.value].revision ? "" : "apply came to something else";
  }

  std::string cut() {
    see_durable();
    const raft::Index most = std::min(durable_, model_.last_index());
    if (most <= model_.base) return {};
    const raft::Index index = model_.base + random_.between(1, most.past(model_.base));
    model_.cut(index, two_members(), raft::Index(0));
    const auto done = stored_.log().compact(index, two_members(), raft::Index(0));
    return done ? "" : done.error().message;
  }

  std::string flush() {
    const auto done = stored_.state().flush();
    see_durable();
    return done ? "" : done.error().message;
  }

  std::string install() {
    while (history_.size() <= model_.last_index().value || random_.chance(300)) commit_more();
    // Whoever is offered a snapshot has entered the leader's term before.
    if (model_.hard_state.term < term_) return write_term();
    source_.platform().run_queued();
    const std::vector<raft::Entry> entries(
        history_.begin() + static_cast<std::ptrdiff_t>(source_.state().applied_index().value), history_.end());
    if (const auto done = source_.state().apply(entries, node_id(1)); !done) return done.error().message;
    const std::string id = "image-" + std::to_string(++images_);
    const auto made = source_.make_image(id);
    if (!made) return made.error().message;
    raft::SnapshotMeta meta{*made, history_[made->value - 1].term, two_members(), raft::Index(0)};
    installing_ = true;
    model_.replace(meta, truth_[made->value]);
    if (const auto begun = stored_.begin_receiving(source_, id); !begun) return begun.error().message;
    if (const auto done = stored_.receive(source_, id, ~std::uint64_t{0}); !done) return done.error().message;
    source_.drop_image(id);
    const auto directory = stored_.open_received(meta.index, meta.term);
    if (!directory) return directory.error().message;
    if (const auto done = stored_.log().reset(meta, *directory); !done) return done.error().message;
    stored_.switch_state();
    applied_ = durable_ = meta.index;
    return {};
  }

  void see_durable() { durable_ = std::max(durable_, stored_.state().durable_index()); }

  std::string check_found() {
    const std::string as_before = difference(before_, stored_.log());
    const std::string as_after = as_before.empty() ? "" : difference(model_, stored_.log());
    if (!as_before.empty() && !as_after.empty()) return as_before + " (or, with the job at hand, " + as_after + ")";
    const raft::Index found = stored_.state().applied_index();
    raft::Index low = durable_before_;
    raft::Index high = std::max(applied_, applied_before_);
    // Only an installation takes the state past what was applied.
    if (as_before.empty())
      model_ = before_;
    else if (installing_)
      low = high = model_.base;
    if (found < low || found > high)
      return "the state stands at " + std::to_string(found.value) + ", not in [" + std::to_string(low.value) + ", " +
             std::to_string(high.value) + "]";
    applied_ = durable_ = found;
    return difference(truth_[found.value], stored_.state());
  }

  World world_;
  Random random_;
  StoredNode stored_;
  StoredNode source_;
  Disk model_;
  // Before the job at hand.
  Disk before_;
  raft::Index durable_before_;
  raft::Index applied_before_;
  bool installing_ = false;  // it is one
  std::vector<raft::Entry> history_;
  std::vector<KvState> truth_;  // [index]
  raft::Term term_{1};
  raft::Index applied_;
  raft::Index durable_;
  std::uint64_t sequence_ = 0;
  std::uint64_t images_ = 0;
};

TEST(StorageTiers, WhatIsFoundAfterAPowerLossIsWhatTheModelAllows) {
  const std::uint64_t seeds = from_environment("TENAZ_SIM_TIERS_SEEDS", 40);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) ASSERT_EQ(Tiers(seed).run(false), "") << "seed " << seed;
}

TEST(StorageTiers, ADiskThatLiesAboutSyncsIsFoundOut) {
  std::uint64_t found = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) found += Tiers(seed).run(true).empty() ? 0 : 1;
  EXPECT_GE(found, 15U);
}

}  // namespace
}  // namespace tenaz::sim
