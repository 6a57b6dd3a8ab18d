// A small language for stories about a few cores: who says what to whom, which disk is late, what is lost.
//
//   cluster n=3 [spare=N] (further nodes, members of nothing yet) [cache=BYTES] [append=BYTES] [inflight=N]
//   [uncommitted=BYTES] campaign N            time moves to N's deadline, and only N notices tick MS [N ...]       time
//   passes for these nodes, or for all that are up deliver A->B [COUNT]  what waits on that link arrives, oldest first
//   drop A->B [COUNT]     it is lost instead
//   repeat A->B           a copy of the oldest message arrives, the message stays
//   reverse A->B          the link's messages change their order
//   hold N | release N    from now on nothing from or to N is sent | it is again
//   persist N [COUNT]     the oldest write of N becomes durable, or COUNT of them
//   apply N               everything handed out to N's applier is applied
//   settle [N ...]        deliver, persist and apply, among these or all, until nobody has anything left to do; silent
//   propose N TEXT | read N ID | transfer N TARGET | unreachable N PEER
//   add N ID [learner] [replaces VOTER] | promote N ID | remove N ID | leases N on|off
//   configuration [N ...] which one is in force, and where it was appended
//   crash N | restart N | lose N INDEX (its disk forgets all behind INDEX) | compact N INDEX
//   stall N | unstall N   N's host finds that its disk does not answer | that it does again
//   snapshot N PEER | no_snapshot N PEER | install N | fail_install N
//   links | status [N ...]
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/raft/support/node.h"

namespace tenaz::raft::test {

class Interpreter {
 public:
  // Carries out one command and returns what came of it.
  std::string run(const std::string& command);

 private:
  struct Words;
  using Link = std::pair<std::uint64_t, std::uint64_t>;

  void cluster(Words& words);
  void deliver(Words& words);
  void drop(Words& words);
  void repeat(Link link);
  void settle(Words& words);
  void tick(Words& words);
  void on_node(const std::string& verb, Words& words);
  void status(Words& words);
  void configurations(Words& words);
  void change(Core& core, const std::string& verb, Words& words);
  void links();

  Node& node(std::uint64_t id);
  // Takes what the node wants and writes it down.
  void show(Node& n);

  std::string out_;
  bool quiet_ = false;
  Instant now_{std::chrono::hours(1)};
  Options options_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<Link, std::deque<Message>> links_;
  std::vector<std::uint64_t> held_;
};

}  // namespace tenaz::raft::test
