#include "raft/named.h"

#include <algorithm>

#include "raft/invariants.h"
#include "raft/membership.h"

namespace tenaz::raft {

namespace {
constexpr std::size_t kScanBytes = 1 << 20;
}

std::vector<Member> members_named(const LogReader& log, const Configuration& at_its_beginning) {
  std::vector<Member> named = at_its_beginning.members;
  const auto name = [&named](const Member& member) {
    const auto place = std::lower_bound(named.begin(), named.end(), member.id,
                                        [](const Member& other, NodeId id) { return other.id < id; });
    if (place == named.end() || place->id != member.id)
      named.insert(place, member);
    else
      *place = member;
  };
  for (Index next = log.first_index(); next <= log.last_index();) {
    const std::vector<Entry> entries = log.entries(next, log.last_index(), kScanBytes);
    require(!entries.empty(), "the log has a hole");
    for (const Entry& entry : entries) {
      next = entry.index.next();
      if (entry.kind != EntryKind::configuration) continue;
      const auto configuration = decode_configuration(*entry.payload);
      require(configuration.has_value(), "a configuration entry cannot be read by this version");
      for (const Member& member : configuration->members) name(member);
    }
  }
  return named;
}

}  // namespace tenaz::raft
