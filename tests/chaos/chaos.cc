#include "tests/chaos/chaos.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

#include "tests/chaos/clients.h"
#include "tests/integration/harness/ledger.h"
#include "tests/model/linearizability.h"

namespace tenaz::chaos {

using harness::eventually;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::uint64_t kProgress = 30;  // writes that show that all is well
constexpr int kLedgerWriters = 2;
constexpr milliseconds kHoldMin(200);

std::vector<const FaultKind*> kinds_of(const Plan& plan) {
  std::vector<const FaultKind*> kinds;
  for (const FaultKind& kind : fault_kinds()) {
    const bool wanted =
        plan.faults.empty() || std::find(plan.faults.begin(), plan.faults.end(), kind.name) != plan.faults.end();
    if (wanted) kinds.push_back(&kind);
  }
  return kinds;
}

harness::Settings with_small_buffers(harness::Settings settings) {
  // Snapshots, flushes and new log files come often.
  settings.try_emplace("storage.log_retain_bytes", "\"256KiB\"");
  settings.try_emplace("storage.log_retain_time", "\"0s\"");
  settings.try_emplace("storage.write_buffer_bytes", "\"1MiB\"");
  settings.try_emplace("storage.log_buffer_bytes", "\"1MiB\"");
  return settings;
}

GroundOptions ground_options(const Plan& plan, const std::vector<const FaultKind*>& kinds) {
  GroundOptions options;
  options.nodes = plan.nodes;
  options.seed = plan.seed;
  options.settings = with_small_buffers(plan.settings);
  for (const FaultKind* kind : kinds) {
    options.preload |= kind->preload;
    options.small_disks |= kind->small_disks;
  }
  return options;
}

bool failed() {
  return ::testing::Test::HasFailure();
}

class Run {
 public:
  explicit Run(const Plan& plan) : plan_(plan), kinds_(kinds_of(plan)) {}

  Report go() {
    const auto end = steady_clock::now() + plan_.time;
    for (std::uint64_t epoch = 0; !failed() && (report_.rounds < plan_.rounds || steady_clock::now() < end); ++epoch) {
      if (!ground_ && !found(epoch)) return report_;
      run_epoch(epoch, end);
      if (!failed() && ground_->worn()) leave();
    }
    if (ground_) leave();
    return report_;
  }

 private:
  harness::Cluster& cluster() { return ground_->cluster(); }

  // A cluster to be hurt, which is left for another when it is worn. False: not possible here, or it has no leader.
  bool found(std::uint64_t epoch) {
    GroundOptions options = ground_options(plan_, kinds_);
    options.seed += epoch;
    ground_ = std::make_unique<Ground>(options);
    if (report_.rounds == 0) {
      report_.skipped = ground_->why_not();
    } else {
      EXPECT_EQ(ground_->why_not(), "") << "it was possible before";
    }
    if (!ground_->possible()) return false;
    cluster().start_all();
    return cluster().wait_leader() != 0;
  }
  void leave() {
    cluster().expect_one_leader_per_term();
    ground_.reset();
  }

  // The same keys, the same history: rounds until it is judged.
  void run_epoch(std::uint64_t epoch, steady_clock::time_point end) {
    ClientOptions options;
    options.seed = plan_.seed + epoch;
    const std::string number = std::to_string(epoch);
    Clients clients(cluster(), "chaos/" + number + "/", options);
    harness::Ledger ledger(cluster(), kLedgerWriters, "ledger/" + number + "/");
    for (std::uint64_t round = 0; round < plan_.rounds_per_epoch && !failed(); ++round) {
      if (report_.rounds >= plan_.rounds && steady_clock::now() >= end) break;
      run_round(clients);
      ++report_.rounds;
    }
    clients.stop();
    ledger.stop();
    if (!failed()) judge(clients, ledger);
  }

  void run_round(Clients& clients) {
    EXPECT_TRUE(clients.wait_progress(kProgress)) << "nothing is wrong, and no writes are taken";
    std::vector<std::unique_ptr<Fault>> faults;
    std::string text;
    const std::size_t first = ground_->below(kinds_.size());
    const std::size_t second = ground_->chance(30) ? ground_->below(kinds_.size()) : first;
    for (const std::size_t which : {first, second}) {
      if (which == second && second == first && !faults.empty()) break;
      auto fault = kinds_[which]->make(*ground_);
      const std::string what = fault->begin();
      if (what.empty()) continue;
      ++report_.faults[kinds_[which]->name];
      text += (text.empty() ? "" : ", ") + what;
      faults.push_back(std::move(fault));
    }
    const milliseconds hold =
        kHoldMin + milliseconds(ground_->below(static_cast<std::size_t>((plan_.hold_max - kHoldMin).count())));
    const bool must_go_on = ground_->majority_connected();
    std::cout << "round " << report_.rounds + 1 << ": " << text << " for " << hold.count() << " ms"
              << (must_go_on ? "" : ", no majority") << std::endl;
    keep_up(faults, hold);
    EXPECT_TRUE(!must_go_on || clients.wait_progress(kProgress))
        << "a majority is up and connected, and no writes are taken while this lasts: " << text;
    ground_->network().mend_all();
    ground_->network().apply();
    for (auto fault = faults.rbegin(); fault != faults.rend(); ++fault) (*fault)->heal();
    expect_recovery(text);
  }

  void keep_up(const std::vector<std::unique_ptr<Fault>>& faults, milliseconds hold) {
    const auto end = steady_clock::now() + hold;
    while (steady_clock::now() < end) {
      std::this_thread::sleep_for(milliseconds(50 + ground_->below(200)));
      for (const auto& fault : faults) fault->go_on();
    }
  }

  // Every node is there and takes a write; but for those whose disks have lost something.
  void expect_recovery(const std::string& after) {
    for (const int id : ground_->remaining()) {
      EXPECT_TRUE(eventually([&] { return revived_if_damaged(id) && takes_a_write(id); }))
          << "node " << id << (cluster().running(id) ? " takes no write" : " ended") << " after: " << after << "\n"
          << cluster().log(id);
    }
  }

  bool takes_a_write(int id) {
    if (ground_->is_lost(id)) return true;
    const auto answer = cluster().request(id, "PUT", "/v1/kv/chaos/recovered?timeout=1s", std::to_string(id));
    return answer && (answer->status == 200 || answer->status == 201);
  }

  bool revived_if_damaged(int id) {
    if (!cluster().running(id) && ground_->is_damaged(id)) ground_->revive(id);
    return true;
  }

  void judge(Clients& clients, harness::Ledger& ledger) {
    come_upon_damage();
    clients.read_all(ground_->remaining());
    const model::History history = clients.take_history();
    report_.operations += history.size();
    report_.writes += clients.acknowledged() + ledger.acknowledged();
    report_.unknown += static_cast<std::uint64_t>(std::count_if(
        history.begin(), history.end(), [](const auto& each) { return each.outcome == model::Outcome::unknown; }));
    const model::Verdict verdict = model::check(history);
    if (!verdict.correct()) {
      const auto file = cluster().directory() / "history";
      std::string text;
      for (const model::Operation& operation : history) text += describe(operation) + "\n";
      harness::write_file(file, text);
      ADD_FAILURE() << verdict.explanation << "the whole history: " << file.string();
    }
    for (const int id : ground_->remaining()) ledger.check(id);
    for (const int id : ground_->with_damaged_state()) ground_->repair_state(id);
    expect_recovery("the end of an epoch");
    std::cout << "judged " << history.size() << " operations; " << report_.writes << " writes so far" << std::endl;
  }

  // A node with a damaged state reads all of it; it may stop of that, and is repaired, before it is asked what counts.
  void come_upon_damage() {
    for (const int id : ground_->remaining()) {
      if (!ground_->is_damaged(id)) continue;
      std::optional<harness::HttpAnswer> answer;
      std::string last;
      do {
        answer = cluster().request(id, "GET", "/v1/kv?limit=10000&start=" + last);
        const bool page = answer && answer->status == 200 && answer->json().is_object();
        if (!page) break;
        const auto body = answer->json();
        const auto* items = body.as_object().if_contains("items");
        if (items == nullptr || items->as_array().empty()) break;
        last = std::string(items->as_array().back().as_object().at("key").as_string()) + "%00";
      } while (answer->body.find("\"cursor\"") != std::string::npos);
      if (cluster().running(id) && answer && answer->status == 500) ground_->repair_state(id);
    }
    expect_recovery("all of a damaged state was read");
  }

  const Plan plan_;
  const std::vector<const FaultKind*> kinds_;
  std::unique_ptr<Ground> ground_;
  Report report_;
};

}  // namespace

Report run(const Plan& plan) {
  return Run(plan).go();
}

std::string command(const Plan& plan) {
  std::string text = "tests/chaos/run --nodes " + std::to_string(plan.nodes) + " --seed " + std::to_string(plan.seed);
  if (plan.rounds != 0) text += " --rounds " + std::to_string(plan.rounds);
  if (plan.time.count() != 0) text += " --minutes " + std::to_string(std::max<long>(plan.time.count() / 60, 1));
  for (const auto& [key, value] : plan.settings) text += " --set '" + key + "=" + value + "'";
  std::string names;
  for (const std::string& name : plan.faults) names += (names.empty() ? "" : ",") + name;
  return names.empty() ? text : text + " --faults " + names;
}

}  // namespace tenaz::chaos
