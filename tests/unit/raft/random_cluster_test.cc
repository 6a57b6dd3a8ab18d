// Clusters of bare cores under seeded chaos: a network that loses, delays, reorders and repeats, one-way cuts, disks
// that lag, crashes that drop what was not written, compaction and snapshots, members that come, go and take others'
// places, clocks that run at different rates. Checked all along: one leader per term, elected by a quorum of the
// configuration in force at the leader (both halves of a joint one), an entry is durable on a quorum when it commits,
// all nodes apply the same, reads see every earlier commit, no lease outlives an election, no false alarm of a disk
// gone back. Afterwards the network heals, and the cluster must make progress and agree.
//
// TENAZ_SEED=n replays one seed; TENAZ_SEEDS=n sets how many run.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <queue>
#include <random>
#include <set>

#include "raft/describe.h"
#include "raft/quorum.h"
#include "tests/unit/raft/support/node.h"

namespace tenaz::raft::test {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

class Chaos {
 public:
  explicit Chaos(std::uint64_t seed) : rng_(seed) {
    static constexpr std::uint64_t kSizes[] = {3, 5, 3, 2, 7, 3, 5, 1};
    size_ = kSizes[seed % std::size(kSizes)];
    options_.max_append_bytes = 64 * (1 + pick(12));
    options_.max_inflight_bytes = options_.max_append_bytes * (1 + pick(8));
    options_.max_inflight_appends = 1 + pick(8);
    options_.max_apply_bytes = 64 * (1 + pick(12));
    options_.cache_bytes = pick(3) == 0 ? 0 : 64 * pick(60);
    loss_ = static_cast<double>(pick(25)) / 100;
    repeat_ = static_cast<double>(pick(15)) / 100;
    slow_ = milliseconds(1 + pick(pick(4) == 0 ? 400 : 30));
    slow_disk_ = milliseconds(1 + pick(pick(3) == 0 ? 500 : 20));
    crashes_ = pick(4) != 0;
    changes_ = pick(3) != 0;
    const std::uint64_t founders = size_;
    members_ = voters(founders);
    members_.lease_reads = pick(2) == 0;
    if (changes_) size_ += 1 + pick(4);
    // Within the bound of raft/lease.h: a tenth between the fastest and the slowest.
    const bool drift = pick(2) == 0;
    for (std::uint64_t id = 1; id <= size_; ++id)
      clock_ppm_.push_back(drift ? static_cast<std::int64_t>(pick(94'000)) - 47'000 : 0);
    for (std::uint64_t id = 1; id <= size_; ++id) {
      nodes_.push_back(std::make_unique<Node>(
          NodeId{id}, options_, id <= founders ? members_ : voters(0),
          [this](std::uint64_t bound) { return pick(bound); },
          [this](NodeId from, NodeId to, const Message& message) { transmit(from, to, message); }));
      nodes_.back()->on_apply = [this](const Entry& entry) { check_applied(entry); };
      nodes_.back()->start(local(*nodes_.back()));
    }
    for (auto& node : nodes_) settle(*node);
  }

  void run() {
    const Instant end = now_ + std::chrono::seconds(12);
    std::uint64_t steps = 0;
    while (now_ < end && ++steps < 60'000 && !testing::Test::HasFailure()) {
      act(true);
      proceed();
    }
    heal();
    const Instant healed = now_ + std::chrono::seconds(20);
    const std::uint64_t before = acknowledged_;
    while (now_ < healed && !testing::Test::HasFailure()) {
      act(false);
      proceed();
      if (acknowledged_ > before + 3 && agreed()) break;
    }
    EXPECT_GT(acknowledged_, before + 3) << "no progress after the network healed\n" << picture();
    EXPECT_TRUE(agreed()) << "the nodes did not catch up\n" << picture();
    compare_logs();
  }

  std::uint64_t acknowledged() const { return acknowledged_; }
  std::uint64_t reads() const { return reads_answered_; }
  std::uint64_t lease_reads() const { return lease_reads_; }
  std::uint64_t snapshots() const { return snapshots_; }
  std::size_t terms() const { return leaders_.size(); }
  std::uint64_t configurations() const { return configurations_; }

 private:
  struct Event {
    Instant at;
    std::uint64_t order;
    std::function<void()> happen;
    bool operator>(const Event& other) const { return std::tie(at, order) > std::tie(other.at, other.order); }
  };

  std::uint64_t pick(std::uint64_t bound) { return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(rng_); }
  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(rng_) < p; }
  Duration within(Duration longest) {
    return microseconds(50 + pick(static_cast<std::uint64_t>(longest / microseconds(1))));
  }
  Node& node(NodeId id) { return *nodes_[id.value - 1]; }

  // Each node has a clock of its own.
  std::int64_t rate(const Node& n) const { return kMillion + clock_ppm_[n.id().value - 1]; }
  Instant local(const Node& n) const {
    const std::int64_t passed = now_.time_since_epoch().count();
    return Instant{Duration{passed / kMillion * rate(n) + passed % kMillion * rate(n) / kMillion}};
  }
  // The first true time at which it shows `shown` or later.
  Instant true_time(const Node& n, Instant shown) const {
    if (shown == Instant::max()) return shown;
    const std::int64_t rest = shown.time_since_epoch().count();
    return Instant{Duration{rest / rate(n) * kMillion + rest % rate(n) * kMillion / rate(n) + 1}};
  }

  void at(Instant when, std::function<void()> happen) { events_.push({when, ++order_, std::move(happen)}); }

  void transmit(NodeId from, NodeId to, const Message& message) {
    if (const auto* vote = std::get_if<VoteReply>(&message); vote && vote->granted && !vote->pre_vote) {
      const auto given = votes_.try_emplace({vote->campaign_term, from}, to).first;
      EXPECT_EQ(given->second, to) << "node " << from.value << " votes twice in term " << vote->campaign_term.value;
    }
    if (cut_.contains({from, to}) || chance(loss_)) return;
    const int copies = chance(repeat_) ? 2 : 1;
    for (int i = 0; i < copies; ++i)
      at(now_ + within(chance(0.05) ? 5 * slow_ : slow_), [this, from, to, message] {
        if (!node(to).up()) return;
        node(to).core().step(local(node(to)), from, message);
        settle(node(to));
      });
  }

  // Takes what the core wants and sets the machinery in motion.
  void settle(Node& n) {
    if (pick(4) == 0 && !calm_) return;  // several inputs before the next output
    const Output out = n.run();
    observe(n, out);
    const std::uint64_t life = lives_[n.id()];
    const auto later = [this, &n, life](Duration delay, auto what) {
      at(now_ + delay, [this, &n, life, what] {
        if (!n.up() || lives_[n.id()] != life) return;
        what();
        settle(n);
      });
    };
    if (out.persist)
      later(within(slow_disk_), [this, &n] {
        if (n.writes_under_way() == 0) return;
        pick(3) == 0 ? n.finish_all_writes(local(n)) : n.finish_write(local(n));
      });
    if (!out.committed.empty())
      later(within(milliseconds(5)), [this, &n] {
        if (n.batches_to_apply() > 0) n.finish_apply(local(n));
      });
    if (out.install) {
      later(within(milliseconds(200)), [this, &n] {
        if (!n.installing()) return;
        if (!calm_ && pick(3) == 0) return n.fail_install(local(n));
        ++snapshots_;
        n.finish_install(local(n));
      });
    }
    for (NodeId peer : out.snapshots_wanted)
      later(within(milliseconds(50)), [this, &n, peer] {
        if ((!calm_ && pick(4) == 0) || !n.core().applied_index()) return n.core().snapshot_unavailable(local(n), peer);
        n.core().snapshot_ready(local(n), peer, n.snapshot_meta(), "image");
      });
  }

  void observe(Node& n, const Output& out) {
    const Core& core = n.core();
    EXPECT_TRUE(out.rolled_back.empty()) << "no disk went back";
    if (core.role() == Role::leader) {
      const auto [known, fresh] = leaders_.try_emplace(core.term(), n.id());
      EXPECT_EQ(known->second, n.id()) << "two leaders in term " << core.term().value;
      if (fresh) {
        EXPECT_GE(core.last_index(), highest_commit_) << "a leader lacks committed entries";
        EXPECT_TRUE(elected(n)) << "node " << n.id().value << " leads in term " << core.term().value
                                << " without the votes of a quorum of " << describe(core.configuration());
      }
      if (core.commit() > highest_commit_) {
        highest_commit_ = core.commit();
        // What it knew to be committed before it led is of an earlier term. By now it may have begun the next change.
        EXPECT_TRUE(!core.status().read_ready || on_quorum(n, core.configuration()) ||
                    on_quorum(n, core.configuration_at(core.commit()).first))
            << "index " << highest_commit_.value << " committed without a durable majority";
      }
    }
    for (const ReadConfirmed& read : out.reads_confirmed) {
      const auto asked = reads_.find(read.id);
      ASSERT_NE(asked, reads_.end()) << "a read was answered twice";
      EXPECT_GE(read.index, asked->second.second) << "a read misses what was committed before it";
      if (read.by_lease) {
        EXPECT_GE(core.term(), leaders_.rbegin()->first) << "a lease outlives an election";
        ++lease_reads_;
      }
      reads_.erase(asked);
      ++reads_answered_;
    }
    for (ReadId id : out.reads_failed) EXPECT_EQ(reads_.erase(id), 1U) << "a read was answered twice";
  }

  // Its own vote is never sent. Counted by hand: raft/quorum is what the leader went by.
  bool elected(const Node& leader) {
    const Term term = leader.core().term();
    const auto majority = [&](const std::vector<NodeId>& voters) {
      std::size_t votes = 0;
      for (NodeId voter : voters) {
        const auto vote = votes_.find({term, voter});
        votes += voter == leader.id() || (vote != votes_.end() && vote->second == leader.id()) ? 1 : 0;
      }
      return 2 * votes > voters.size();
    };
    const Configuration& configuration = leader.core().configuration();
    return majority(configuration.voters) && (!configuration.joint() || majority(configuration.outgoing));
  }

  bool on_quorum(const Node& leader, const Configuration& configuration) {
    return quorum_vote(configuration, [&](NodeId id) {
             return holds(node(id).disk(), leader, highest_commit_) ? Ballot::granted : Ballot::missing;
           }) == VoteResult::won;
  }

  // Whether `disk` durably holds the entry that the leader knows at `index` (its term is the leader's, by the commit
  // rule, unless it reached the leader from below).
  bool holds(const MemoryLog& disk, const Node& leader, Index index) {
    return index < disk.first_index() || disk.term(index) == leader.core().term();
  }

  void check_applied(const Entry& entry) {
    const auto [known, fresh] = applied_.try_emplace(entry.index, std::pair(entry.term, *entry.payload));
    EXPECT_EQ(known->second, std::pair(entry.term, *entry.payload)) << "nodes differ at index " << entry.index.value;
    if (fresh && entry.kind == EntryKind::commands) ++acknowledged_;
    if (fresh && entry.kind == EntryKind::configuration) {
      const auto next = decode_configuration(*entry.payload);
      ASSERT_TRUE(next);
      // Ids that are used up stay so, and two configurations in a row share a majority.
      EXPECT_TRUE(std::ranges::includes(next->retired, members_.retired));
      EXPECT_TRUE(next->voters == members_.voters || members_.joint() != next->joint())
          << describe(members_) << " -> " << describe(*next);
      members_ = *next;
      ++configurations_;
    }
  }

  void act(bool chaos) {
    calm_ = !chaos;
    Node& n = *nodes_[pick(size_)];
    const std::uint64_t what = pick(1000);
    if (!n.up()) {
      if (what < 20 || !chaos) {
        n.start(local(n));
        settle(n);
      }
      return;
    }
    if (what < 60) {
      n.core().propose(local(n), make_payload("v" + std::to_string(++proposals_)));
    } else if (what < 90) {
      const ReadId id{++read_ids_};
      reads_[id] = {n.id(), highest_commit_};
      if (n.core().read(local(n), id)) reads_.erase(id);
    } else if (!chaos) {
      return;
    } else if (what < 94) {
      n.core().transfer_leadership(local(n), NodeId{pick(size_ + 1)});
    } else if (what < 110) {
      n.make_state_durable();
      if (pick(2) == 0) n.compact(local(n), Index{pick(n.durable_applied().value + 1)});
    } else if (what < 114 && crashes_) {
      ++lives_[n.id()];
      std::erase_if(reads_, [&n](const auto& read) { return read.second.first == n.id(); });
      n.crash(pick(n.writes_under_way() + 1));
      return;
    } else if (what < 120) {
      cut_.insert({NodeId{1 + pick(size_)}, NodeId{1 + pick(size_)}});
    } else if (what < 126) {
      cut_.clear();
    } else if (what < 130) {
      n.core().unreachable(NodeId{1 + pick(size_)});
    } else if (what < 150 && changes_) {
      change(n);
    } else {
      return;
    }
    settle(n);
  }

  void change(Node& n) {
    const NodeId id{1 + pick(size_)};
    switch (pick(5)) {
      case 0:
      case 1: {
        Member member{id, "n", "", "", "", pick(4) != 0, {}};
        if (pick(3) == 0) member.replaces = NodeId{1 + pick(size_)};
        n.core().change_membership(local(n), AddMember{member});
        return;
      }
      case 2:
        n.core().change_membership(local(n), PromoteMember{id});
        return;
      case 3:
        // Now and then itself.
        n.core().change_membership(local(n), RemoveMember{pick(3) == 0 ? n.id() : id});
        return;
      case 4:
        n.core().change_membership(local(n), SetLeaseReads{pick(4) != 0});
    }
  }

  // To the next event or deadline.
  void proceed() {
    Instant next = now_ + milliseconds(3);
    if (!events_.empty()) next = std::min(next, events_.top().at);
    for (auto& n : nodes_)
      if (n->up()) next = std::min(next, true_time(*n, n->core().deadline()));
    now_ = std::max(now_, next);
    for (auto& n : nodes_) {
      if (!n->up() || n->core().deadline() > local(*n)) continue;
      n->core().advance(local(*n));
      EXPECT_GT(n->core().deadline(), local(*n)) << "a timer does not advance";
      settle(*n);
    }
    while (!events_.empty() && events_.top().at <= now_) {
      const auto happen = events_.top().happen;
      events_.pop();
      happen();
    }
  }

  void heal() {
    calm_ = true;
    cut_.clear();
    loss_ = repeat_ = 0;
    slow_ = slow_disk_ = milliseconds(3);
    for (auto& n : nodes_) {
      if (!n->up()) n->start(local(*n));
      settle(*n);
    }
  }

  // Those who belong to the cluster, or have not heard yet that they do.
  bool agreed() const {
    for (const Member& member : members_.members) {
      const Node& n = *nodes_[member.id.value - 1];
      if (!n.up() || n.core().applied_index() < highest_commit_) return false;
    }
    return true;
  }

  // Log matching (thesis 3.3): where two logs hold the same (index, term), they are equal up to there.
  void compare_logs() {
    for (const auto& a : nodes_)
      for (const auto& b : nodes_) {
        bool equal_from_here = false;
        const Index low = std::max(a->disk().first_index(), b->disk().first_index());
        for (Index i = std::min(a->disk().last_index(), b->disk().last_index()); i >= low && i; i = i.previous()) {
          const Entry& x = a->disk().at(i);
          const Entry& y = b->disk().at(i);
          equal_from_here = equal_from_here || x.term == y.term;
          if (equal_from_here) {
            EXPECT_EQ(x.term, y.term) << "logs differ below an equal entry";
            EXPECT_EQ(*x.payload, *y.payload) << "logs differ below an equal entry";
          }
        }
      }
  }

  std::string picture() const {
    std::string out;
    for (const auto& n : nodes_) out += n->up() ? describe(n->core().status()) : "down\n";
    return out;
  }

  std::mt19937_64 rng_;
  std::uint64_t size_ = 0;
  Options options_;
  double loss_ = 0;
  double repeat_ = 0;
  Duration slow_{};
  Duration slow_disk_{};
  bool crashes_ = false;
  bool calm_ = false;
  bool changes_ = false;  // of the membership
  Instant now_{std::chrono::hours(1)};
  std::uint64_t order_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  static constexpr std::int64_t kMillion = 1'000'000;
  std::vector<std::int64_t> clock_ppm_;  // what each node's clock gains
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<NodeId, std::uint64_t> lives_;
  std::set<std::pair<NodeId, NodeId>> cut_;

  std::map<Term, NodeId> leaders_;
  std::map<std::pair<Term, NodeId>, NodeId> votes_;  // (term, voter) -> candidate
  std::map<Index, std::pair<Term, std::string>> applied_;
  Configuration members_;  // the last that was applied anywhere
  std::uint64_t configurations_ = 0;
  std::map<ReadId, std::pair<NodeId, Index>> reads_;  // asked where, and what was committed by then
  Index highest_commit_;
  std::uint64_t proposals_ = 0;
  std::uint64_t read_ids_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t reads_answered_ = 0;
  std::uint64_t lease_reads_ = 0;
  std::uint64_t snapshots_ = 0;
};

std::uint64_t current_seed = 0;

// An impossible state ends the process, and nobody is left to print the trace.
extern "C" void say_which_seed(int) {
  char text[96];
  const int length =
      std::snprintf(text, sizeof text, "replay: TENAZ_SEED=%llu raft_test --gtest_filter=RandomCluster.*\n",
                    static_cast<unsigned long long>(current_seed));
  const bool written = write(STDERR_FILENO, text, static_cast<std::size_t>(length)) == length;
  std::_Exit(written ? 1 : 3);
}

TEST(RandomCluster, IsSafeUnderChaosAndLivesAfterIt) {
  std::uint64_t first = 1;
  std::uint64_t count = 1000;
  if (const char* seeds = std::getenv("TENAZ_SEEDS")) count = std::strtoull(seeds, nullptr, 10);
  if (const char* seed = std::getenv("TENAZ_SEED")) {
    first = std::strtoull(seed, nullptr, 10);
    count = 1;
  }
  std::uint64_t acknowledged = 0;
  std::uint64_t reads = 0;
  std::uint64_t lease_reads = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t configurations = 0;
  std::size_t terms = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("replay: TENAZ_SEED=" + std::to_string(seed) + " raft_test --gtest_filter=RandomCluster.*");
    ::testing::Test::RecordProperty("seed", std::to_string(seed));
    current_seed = seed;
    const auto before = std::signal(SIGABRT, say_which_seed);
    Chaos chaos(seed);
    chaos.run();
    std::signal(SIGABRT, before);
    if (HasFailure()) return;
    acknowledged += chaos.acknowledged();
    reads += chaos.reads();
    lease_reads += chaos.lease_reads();
    snapshots += chaos.snapshots();
    terms += chaos.terms();
    configurations += chaos.configurations();
  }
  std::cout << acknowledged << " commands, " << reads << " reads (" << lease_reads << " by leases), " << snapshots
            << " snapshots, " << configurations << " configurations, " << terms << " terms with a leader in " << count
            << " runs\n";
}

}  // namespace
}  // namespace tenaz::raft::test
