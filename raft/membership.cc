#include "raft/membership.h"

#include <algorithm>
#include <cstddef>

#include "raft/invariants.h"

namespace tenaz::raft {
namespace {

constexpr char kVersion = 1;

void put_number(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}

void put_bytes(std::string& out, std::string_view bytes) {
  put_number(out, bytes.size(), 4);
  out.append(bytes);
}

void put_ids(std::string& out, const std::vector<NodeId>& ids) {
  put_number(out, ids.size(), 4);
  for (NodeId id : ids) put_number(out, id.value, 8);
}

// Takes fields off the front; once something is missing, `ok` stays false and all further fields are empty.
struct Parser {
  std::string_view rest;
  bool ok = true;

  std::uint64_t number(std::size_t bytes) {
    if (!ok || rest.size() < bytes) {
      ok = false;
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i)
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(rest[i])) << (8 * i);
    rest.remove_prefix(bytes);
    return value;
  }

  bool flag() {
    const std::uint64_t value = number(1);
    ok = ok && value <= 1;
    return value == 1;
  }

  std::string bytes() {
    const std::uint64_t size = number(4);
    if (!ok || rest.size() < size) {
      ok = false;
      return {};
    }
    std::string out(rest.substr(0, size));
    rest.remove_prefix(size);
    return out;
  }

  std::vector<NodeId> ids() {
    std::vector<NodeId> out;
    for (std::uint64_t left = number(4); ok && left > 0; --left) out.emplace_back(number(8));
    return out;
  }
};

bool sorted_and_distinct(const std::vector<NodeId>& ids) {
  return std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) == ids.end() &&
         (ids.empty() || ids.front() != NodeId{});
}

bool shared(const std::vector<NodeId>& a, const std::vector<NodeId>& b) {
  return std::any_of(a.begin(), a.end(), [&](NodeId id) { return std::binary_search(b.begin(), b.end(), id); });
}

bool well_formed(const Configuration& c) {
  for (const auto* ids : {&c.voters, &c.outgoing, &c.learners, &c.retired})
    if (!sorted_and_distinct(*ids)) return false;
  if (shared(c.learners, c.voters) || shared(c.learners, c.outgoing)) return false;
  std::vector<NodeId> all;
  for (const auto* ids : {&c.voters, &c.outgoing, &c.learners}) all.insert(all.end(), ids->begin(), ids->end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  if (shared(all, c.retired)) return false;
  return std::equal(all.begin(), all.end(), c.members.begin(), c.members.end(),
                    [](NodeId id, const Member& member) { return id == member.id; });
}

}  // namespace

Configuration founding_configuration(std::vector<Member> members) {
  Configuration configuration;
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) { return a.id < b.id; });
  for (Member& member : members) {
    configuration.voters.push_back(member.id);
    member.promote = false;
    member.replaces = NodeId{};
  }
  configuration.members = std::move(members);
  require(well_formed(configuration), "the members of a configuration need distinct, non-zero ids");
  return configuration;
}

std::string encode(const Configuration& configuration) {
  std::string out(1, kVersion);
  put_ids(out, configuration.voters);
  put_ids(out, configuration.outgoing);
  put_ids(out, configuration.learners);
  put_number(out, configuration.members.size(), 4);
  for (const Member& member : configuration.members) {
    put_number(out, member.id.value, 8);
    for (const auto* field : {&member.name, &member.peer, &member.client, &member.storage_id}) put_bytes(out, *field);
    put_number(out, member.promote, 1);
    put_number(out, member.replaces.value, 8);
  }
  put_ids(out, configuration.retired);
  put_number(out, configuration.lease_reads, 1);
  return out;
}

std::optional<Configuration> decode_configuration(std::string_view bytes) {
  if (bytes.empty() || bytes.front() != kVersion) return std::nullopt;
  Parser parser{bytes.substr(1)};
  Configuration configuration;
  configuration.voters = parser.ids();
  configuration.outgoing = parser.ids();
  configuration.learners = parser.ids();
  for (std::uint64_t left = parser.number(4); parser.ok && left > 0; --left) {
    Member member;
    member.id = NodeId{parser.number(8)};
    for (auto* field : {&member.name, &member.peer, &member.client, &member.storage_id}) *field = parser.bytes();
    member.promote = parser.flag();
    member.replaces = NodeId{parser.number(8)};
    configuration.members.push_back(std::move(member));
  }
  configuration.retired = parser.ids();
  configuration.lease_reads = parser.flag();
  if (!parser.ok || !parser.rest.empty() || !well_formed(configuration)) return std::nullopt;
  return configuration;
}

// --- changes
// ----------------------------------------------------------------------------------------------------------

namespace {

using Changed = std::variant<Configuration, ChangeFault>;

bool contains(const std::vector<NodeId>& ids, NodeId id) {
  return std::binary_search(ids.begin(), ids.end(), id);
}

void insert(std::vector<NodeId>& ids, NodeId id) {
  ids.insert(std::lower_bound(ids.begin(), ids.end(), id), id);
}

Changed apply(Configuration c, const AddMember& change) {
  const Member& added = change.member;
  if (find_member(c, added.id)) return ChangeFault::id_taken;
  if (contains(c.retired, added.id)) return ChangeFault::id_retired;
  for (const Member& member : c.members) {
    for (const std::string* address : {&added.peer, &added.client})
      if (!address->empty() && (*address == member.peer || *address == member.client))
        return ChangeFault::address_taken;
    if (added.replaces && member.replaces == added.replaces) return ChangeFault::already_replaced;
  }
  if (added.replaces && !contains(c.voters, added.replaces)) return ChangeFault::replaces_no_voter;
  if (c.members.size() >= kMaxMembers) return ChangeFault::too_many_members;
  insert(c.learners, added.id);
  const auto place = std::lower_bound(c.members.begin(), c.members.end(), added.id,
                                      [](const Member& member, NodeId id) { return member.id < id; });
  c.members.insert(place, added);
  return c;
}

Changed apply(Configuration c, const PromoteMember& change) {
  if (!find_member(c, change.id)) return ChangeFault::unknown_member;
  if (!contains(c.learners, change.id)) return ChangeFault::not_a_learner;
  c.outgoing = c.voters;
  std::erase(c.learners, change.id);
  insert(c.voters, change.id);
  for (Member& member : c.members) {
    if (member.id != change.id) continue;
    std::erase(c.voters, member.replaces);
    member.promote = false;
    member.replaces = NodeId{};
  }
  return c;
}

Changed apply(Configuration c, const RemoveMember& change) {
  if (!find_member(c, change.id)) return ChangeFault::unknown_member;
  if (contains(c.learners, change.id)) {
    std::erase(c.learners, change.id);
    return left_joint(c);
  }
  if (c.voters.size() == 1) return ChangeFault::last_voter;
  c.outgoing = c.voters;
  std::erase(c.voters, change.id);
  return c;
}

Changed apply(Configuration c, const SetLeaseReads& change) {
  c.lease_reads = change.on;
  return c;
}

}  // namespace

Changed changed(const Configuration& configuration, const MembershipChange& change) {
  require(!configuration.joint(), "a joint configuration was changed again");
  return std::visit([&](const auto& c) { return apply(configuration, c); }, change);
}

Configuration left_joint(const Configuration& joint) {
  Configuration c = joint;
  c.outgoing.clear();
  std::erase_if(c.members, [&](const Member& member) {
    if (contains(c.voters, member.id) || contains(c.learners, member.id)) return false;
    insert(c.retired, member.id);
    return true;
  });
  // A learner that waits to replace somebody who is gone just joins.
  for (Member& member : c.members)
    if (!contains(c.voters, member.replaces)) member.replaces = NodeId{};
  return c;
}

Configuration with_disks(Configuration c, const StorageIds& known) {
  for (Member& member : c.members)
    if (known && member.storage_id.empty()) member.storage_id = known(member.id);
  return c;
}

bool holds(const Configuration& c, const MembershipChange& change) {
  struct Visitor {
    const Configuration& c;
    bool operator()(const AddMember& added) const {
      // Somebody else may have been given the same id.
      const Member* member = find_member(c, added.member.id);
      return member && member->peer == added.member.peer && member->client == added.member.client;
    }
    bool operator()(const PromoteMember& promoted) const { return contains(c.voters, promoted.id); }
    bool operator()(const RemoveMember& removed) const { return contains(c.retired, removed.id); }
    bool operator()(const SetLeaseReads& set) const { return c.lease_reads == set.on; }
  };
  return !c.joint() && std::visit(Visitor{c}, change);
}

const Member* find_member(const Configuration& configuration, NodeId id) {
  const auto& members = configuration.members;
  const auto found = std::find_if(members.begin(), members.end(), [id](const Member& m) { return m.id == id; });
  return found == members.end() ? nullptr : &*found;
}

}  // namespace tenaz::raft
