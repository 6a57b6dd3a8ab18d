#include "tests/raft_scripts/interpreter.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "raft/describe.h"

namespace tenaz::raft::test {

struct Interpreter::Words {
  std::istringstream in;

  std::string word() {
    std::string w;
    if (!(in >> w)) throw std::runtime_error("a word is missing");
    return w;
  }
  std::uint64_t number() { return std::stoull(word()); }
  std::uint64_t number_or(std::uint64_t otherwise) {
    std::uint64_t n = 0;
    if (in >> n) return n;
    in.clear();
    return otherwise;
  }
  bool more() { return !(in >> std::ws).eof(); }
  std::vector<std::uint64_t> ids() {
    std::vector<std::uint64_t> all;
    while (more()) all.push_back(number());
    return all;
  }
  std::string rest() {
    std::string r;
    std::getline(in >> std::ws, r);
    return r;
  }
  Link link() {
    const std::string w = word();
    const auto arrow = w.find("->");
    if (arrow == std::string::npos) throw std::runtime_error("a link looks like 1->2");
    return {std::stoull(w.substr(0, arrow)), std::stoull(w.substr(arrow + 2))};
  }
};

std::string Interpreter::run(const std::string& command) {
  out_.clear();
  Words words{std::istringstream(command)};
  const std::string verb = words.word();
  if (verb == "cluster")
    cluster(words);
  else if (verb == "deliver")
    deliver(words);
  else if (verb == "repeat")
    repeat(words.link());
  else if (verb == "drop")
    drop(words);
  else if (verb == "reverse")
    std::ranges::reverse(links_[words.link()]);
  else if (verb == "hold")
    held_.push_back(words.number());
  else if (verb == "release")
    std::erase(held_, words.number());
  else if (verb == "settle")
    settle(words);
  else if (verb == "tick")
    tick(words);
  else if (verb == "status")
    status(words);
  else if (verb == "configuration")
    configurations(words);
  else if (verb == "links")
    links();
  else
    on_node(verb, words);
  return out_;
}

Node& Interpreter::node(std::uint64_t id) {
  if (id == 0 || id > nodes_.size()) throw std::runtime_error("no such node");
  return *nodes_[id - 1];
}

void Interpreter::show(Node& n) {
  if (!n.up()) return;
  std::istringstream lines(describe(n.run()));
  if (quiet_) return;
  for (std::string line; std::getline(lines, line);) out_ += std::to_string(n.id().value) + ": " + line + "\n";
}

void Interpreter::cluster(Words& words) {
  std::uint64_t n = 0, spare = 0;
  while (words.more()) {
    const std::string w = words.word();
    const auto equals = w.find('=');
    const std::string key = w.substr(0, equals);
    const std::uint64_t value = std::stoull(w.substr(equals + 1));
    if (key == "n") n = value;
    if (key == "spare") spare = value;
    if (key == "cache") options_.cache_bytes = value;
    if (key == "append") options_.max_append_bytes = value;
    if (key == "inflight") options_.max_inflight_appends = value;
    if (key == "uncommitted") options_.max_uncommitted_bytes = value;
  }
  for (std::uint64_t id = 1; id <= n + spare; ++id) {
    // Not by chance: node 1 waits 10 ms more than the shortest time, node 2 20 ms more, and so on.
    const auto random = [id](std::uint64_t bound) { return id * 10'000'000 % bound; };
    const auto send = [this](NodeId from, NodeId to, const Message& message) {
      for (std::uint64_t held : held_)
        if (held == from.value || held == to.value) return;
      links_[{from.value, to.value}].push_back(message);
    };
    nodes_.push_back(std::make_unique<Node>(NodeId{id}, options_, voters(id <= n ? n : 0), random, send));
    nodes_.back()->start(now_);
  }
}

void Interpreter::deliver(Words& words) {
  const Link link = words.link();
  auto& queue = links_[link];
  for (std::uint64_t count = words.number_or(queue.size()); count > 0 && !queue.empty(); --count) {
    const Message message = queue.front();
    queue.pop_front();
    Node& to = node(link.second);
    if (!to.up()) continue;
    if (!quiet_)
      out_ += std::to_string(link.first) + "->" + std::to_string(link.second) + " " + describe(message) + "\n";
    to.core().step(now_, NodeId{link.first}, message);
    show(to);
  }
}

void Interpreter::repeat(Link link) {
  auto& queue = links_[link];
  if (queue.empty()) throw std::runtime_error("nothing waits on that link");
  queue.push_front(queue.front());
  Words words{std::istringstream(std::to_string(link.first) + "->" + std::to_string(link.second) + " 1")};
  deliver(words);
}

void Interpreter::drop(Words& words) {
  const Link link = words.link();
  auto& queue = links_[link];
  for (std::uint64_t count = words.number_or(queue.size()); count > 0 && !queue.empty(); --count) {
    out_ += "lost " + std::to_string(link.first) + "->" + std::to_string(link.second) + " " + describe(queue.front()) +
            "\n";
    queue.pop_front();
  }
}

void Interpreter::settle(Words& only) {
  const std::vector<std::uint64_t> ids = only.ids();
  const auto among = [&ids](std::uint64_t id) { return ids.empty() || std::ranges::find(ids, id) != ids.end(); };
  quiet_ = true;
  bool busy = true;
  while (busy) {
    busy = false;
    for (auto& n : nodes_) {
      if (!among(n->id().value)) continue;
      show(*n);
      for (; n->up() && n->writes_under_way() > 0; busy = true) {
        n->finish_write(now_);
        show(*n);
      }
      for (; n->up() && n->batches_to_apply() > 0; busy = true) {
        n->finish_apply(now_);
        show(*n);
      }
    }
    for (auto& [link, queue] : links_) {
      if (queue.empty() || !among(link.first) || !among(link.second)) continue;
      busy = true;
      Words words{std::istringstream(std::to_string(link.first) + "->" + std::to_string(link.second))};
      deliver(words);
    }
  }
  quiet_ = false;
}

void Interpreter::tick(Words& words) {
  now_ += std::chrono::milliseconds(words.number());
  const std::vector<std::uint64_t> ids = words.ids();
  for (auto& n : nodes_) {
    if (!n->up() || (!ids.empty() && std::ranges::find(ids, n->id().value) == ids.end())) continue;
    n->core().advance(now_);
    show(*n);
  }
}

void Interpreter::status(Words& words) {
  const std::vector<std::uint64_t> ids = words.ids();
  for (auto& n : nodes_) {
    if (!ids.empty() && std::ranges::find(ids, n->id().value) == ids.end()) continue;
    out_ += n->up() ? describe(n->core().status()) : "node " + std::to_string(n->id().value) + ": down\n";
  }
}

void Interpreter::configurations(Words& words) {
  const std::vector<std::uint64_t> ids = words.ids();
  for (auto& n : nodes_) {
    if (!n->up() || (!ids.empty() && std::ranges::find(ids, n->id().value) == ids.end())) continue;
    const Core& core = n->core();
    out_ += "node " + std::to_string(n->id().value) + ": @" + std::to_string(core.configuration_index().value) +
            (core.configuration_index() <= core.commit() ? " " : " (uncommitted) ") + describe(core.configuration()) +
            "\n";
  }
}

void Interpreter::change(Core& core, const std::string& verb, Words& words) {
  MembershipChange change;
  if (verb == "leases") {
    change = SetLeaseReads{words.word() == "on"};
  } else if (const NodeId id{words.number()}; verb == "promote") {
    change = PromoteMember{id};
  } else if (verb == "remove") {
    change = RemoveMember{id};
  } else {
    Member member{id, "n" + std::to_string(id.value), "", "", "", true, NodeId{}};
    while (words.more()) {
      if (words.word() == "learner")
        member.promote = false;
      else
        member.replaces = NodeId{words.number()};
    }
    change = AddMember{member};
  }
  const auto result = core.change_membership(now_, change);
  if (const auto* refusal = std::get_if<ChangeRefusal>(&result)) {
    static constexpr const char* kRefusals[] = {"not_leader", "not_ready", "in_progress", "not_caught_up",
                                                "would_lose_quorum"};
    out_ += std::string("refused: ") + kRefusals[static_cast<std::size_t>(*refusal)] + "\n";
  } else if (const auto* fault = std::get_if<ChangeFault>(&result)) {
    static constexpr const char* kFaults[] = {"id_taken",          "id_retired",       "address_taken",
                                              "unknown_member",    "not_a_learner",    "last_voter",
                                              "replaces_no_voter", "already_replaced", "too_many_members"};
    out_ += std::string("refused: ") + kFaults[static_cast<std::size_t>(*fault)] + "\n";
  }
}

void Interpreter::links() {
  for (const auto& [link, queue] : links_)
    for (const Message& message : queue)
      out_ += std::to_string(link.first) + "->" + std::to_string(link.second) + " " + describe(message) + "\n";
}

void Interpreter::on_node(const std::string& verb, Words& words) {
  Node& n = node(words.number());
  if (verb == "crash") return n.crash();
  if (verb == "restart") return n.start(now_);
  if (verb == "lose") return n.disk().lose_after(Index{words.number()});
  if (!n.up()) throw std::runtime_error("the node is down");
  Core& core = n.core();
  if (verb == "campaign") {
    now_ = std::max(now_, core.deadline());
    core.advance(now_);
  } else if (verb == "persist") {
    for (std::uint64_t count = words.number_or(1); count > 0 && n.writes_under_way() > 0; --count) n.finish_write(now_);
  } else if (verb == "apply") {
    while (n.batches_to_apply() > 0) n.finish_apply(now_);
  } else if (verb == "propose") {
    const auto result = core.propose(now_, make_payload(words.rest()));
    if (const auto* refusal = std::get_if<Refusal>(&result)) {
      static constexpr const char* kRefusals[] = {"not_leader", "overloaded", "transferring"};
      out_ += std::string("refused: ") + kRefusals[static_cast<std::size_t>(*refusal)] + "\n";
    }
  } else if (verb == "read") {
    if (core.read(now_, ReadId{words.number()})) out_ += "refused: not_leader\n";
  } else if (verb == "transfer") {
    if (!core.transfer_leadership(now_, NodeId{words.number()})) out_ += "refused\n";
  } else if (verb == "add" || verb == "promote" || verb == "remove" || verb == "leases") {
    change(core, verb, words);
  } else if (verb == "unreachable") {
    core.unreachable(NodeId{words.number()});
  } else if (verb == "stall" || verb == "unstall") {
    core.disk_stalled(now_, verb == "stall");
  } else if (verb == "compact") {
    n.make_state_durable();
    n.compact(now_, Index{words.number()});
  } else if (verb == "snapshot") {
    core.snapshot_ready(now_, NodeId{words.number()}, n.snapshot_meta(), "image");
  } else if (verb == "no_snapshot") {
    core.snapshot_unavailable(now_, NodeId{words.number()});
  } else if (verb == "install") {
    n.finish_install(now_);
  } else if (verb == "fail_install") {
    n.fail_install(now_);
  } else {
    throw std::runtime_error("no such command");
  }
  show(n);
}

}  // namespace tenaz::raft::test
