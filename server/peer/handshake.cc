#include "server/peer/handshake.h"

#include <algorithm>
#include <cstdio>

#include "peer/raft.pb.h"

namespace tenaz::server::peer {
namespace {

constexpr std::size_t kIdBytes = 16;
constexpr std::size_t kMaxRefusalText = 1024;
constexpr std::size_t kMaxEarlierBoots = 256;

std::string hex(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    out += digits;
  }
  return out;
}

std::string node(raft::NodeId id) {
  return "node " + std::to_string(id.value);
}

// What a stranger sends goes into a log line: printable, and not long.
std::string printable(const std::string& text) {
  std::string out = text.substr(0, kMaxRefusalText);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return out;
}

}  // namespace

void write_hello(FrameWriter& out, const Hello& hello) {
  pb::Hello h;
  h.set_min_protocol(hello.from.min_protocol);
  h.set_max_protocol(hello.from.max_protocol);
  h.set_features(hello.from.features);
  h.set_cluster_id(hello.from.cluster_id);
  h.set_node(hello.from.node.value);
  h.set_storage_id(hello.from.storage_id);
  h.set_incarnation(hello.from.incarnation);
  h.set_boot(hello.from.boot);
  h.set_lane(static_cast<std::uint32_t>(hello.lane));
  h.set_target(hello.target.value);
  h.set_address(hello.from.address);
  h.set_probe(hello.probe);
  h.mutable_earlier_boots()->Add(hello.from.earlier_boots.begin(), hello.from.earlier_boots.end());
  out.begin(FrameKind::hello, raft::kDefaultGroup, h);
  out.end();
}

void write_refused(FrameWriter& out, const Refusal& refusal) {
  pb::Refused h;
  h.set_code(static_cast<std::uint32_t>(refusal.code));
  h.set_text(printable(refusal.text));
  h.set_cluster_id(refusal.cluster_id);
  out.begin(FrameKind::refused, raft::kDefaultGroup, h);
  out.end();
}

std::optional<Hello> read_hello(const Frame& frame) {
  pb::Hello h;
  if (frame.kind != FrameKind::hello || !h.ParseFromArray(frame.header.data(), static_cast<int>(frame.header.size()))) {
    return {};
  }
  if (h.cluster_id().size() != kIdBytes || h.storage_id().size() != kIdBytes || h.lane() >= kLanes || h.node() == 0 ||
      static_cast<std::size_t>(h.earlier_boots_size()) > kMaxEarlierBoots) {
    return {};
  }
  return Hello{{h.cluster_id(),
                raft::NodeId{h.node()},
                h.storage_id(),
                h.incarnation(),
                h.boot(),
                h.min_protocol(),
                h.max_protocol(),
                h.features(),
                {h.earlier_boots().begin(), h.earlier_boots().end()},
                printable(h.address())},
               static_cast<Lane>(h.lane()),
               raft::NodeId{h.target()},
               h.probe()};
}

std::optional<Refusal> read_refused(const Frame& frame) {
  pb::Refused h;
  if (frame.kind != FrameKind::refused ||
      !h.ParseFromArray(frame.header.data(), static_cast<int>(frame.header.size()))) {
    return {};
  }
  return Refusal{static_cast<RefusalCode>(h.code()), printable(h.text()),
                 h.cluster_id().size() == kIdBytes ? h.cluster_id() : std::string()};
}

const char* lane_name(Lane lane) {
  switch (lane) {
    case Lane::control:
      return "control";
    case Lane::log:
      return "log";
    case Lane::bulk:
      return "bulk";
  }
  return "?";
}

std::optional<Refusal> Admission::judge(const Hello& hello, std::optional<raft::NodeId> dialed) {
  const LocalIdentity& other = hello.from;
  if (self_.cluster_id == kNoCluster)
    return Refusal{RefusalCode::joining, node(self_.node) + " does not yet know which cluster it joins"};
  if (other.cluster_id == kNoCluster)
    return Refusal{RefusalCode::joining, node(other.node) + " asks which cluster this is", self_.cluster_id};
  if (other.cluster_id != self_.cluster_id) {
    return Refusal{RefusalCode::wrong_cluster,
                   "wrong cluster: " + node(other.node) + " belongs to cluster " + hex(other.cluster_id) + ", " +
                       node(self_.node) + " to cluster " + hex(self_.cluster_id),
                   self_.cluster_id};
  }
  // Whomever it meant to call.
  if (std::find(retired_.begin(), retired_.end(), other.node) != retired_.end()) {
    return Refusal{RefusalCode::removed,
                   node(other.node) + " was removed from this cluster, and its id is not used again"};
  }
  if (hello.target != self_.node || (dialed && *dialed != other.node)) {
    const raft::NodeId meant = dialed ? *dialed : hello.target;
    const raft::NodeId found = dialed ? other.node : self_.node;
    return Refusal{RefusalCode::wrong_node,
                   "wrong node: " + node(meant) + " was called, " + node(found) + " listens at that address"};
  }
  // A member may not have heard yet of one that was added; and who has just joined knows nobody.
  const bool may_be_guest = dialed || (!other.address.empty() && other.node != self_.node);
  if (!may_be_guest && std::find(members_.begin(), members_.end(), other.node) == members_.end()) {
    return Refusal{RefusalCode::unknown_node, "unknown node: " + node(self_.node) + " knows no other member with id " +
                                                  std::to_string(other.node.value)};
  }
  if (std::min(other.max_protocol, self_.max_protocol) < std::max(other.min_protocol, self_.min_protocol)) {
    const auto range = [](const LocalIdentity& who) {
      return node(who.node) + " speaks versions " + std::to_string(who.min_protocol) + " to " +
             std::to_string(who.max_protocol) + " of the peer protocol";
    };
    return Refusal{RefusalCode::version, "no common version: " + range(other) + ", " + range(self_)};
  }
  if (auto refusal = handler_.check_identity(other)) return refusal;
  if (auto why = judge_life(other)) return Refusal{RefusalCode::other_life, std::move(*why)};
  return {};
}

std::optional<std::string> Admission::judge_life(const LocalIdentity& other) {
  Seen& seen = seen_[other.node];
  if (other.incarnation < seen.incarnation) {
    return node(other.node) + " shows start " + std::to_string(other.incarnation) + " of its disk, start " +
           std::to_string(seen.incarnation) +
           " was already met: a process of an earlier start, or a disk that went back";
  }
  // Every start raises the incarnation, so two lives with the same one are two copies of a disk.
  if (other.incarnation == seen.incarnation && seen.boot != 0 && other.boot != seen.boot) {
    return node(other.node) + " runs twice: two processes show start " + std::to_string(other.incarnation) +
           " of the same disk; stop the one on the copied disk";
  }
  seen = {other.incarnation, other.boot};
  return {};
}

}  // namespace tenaz::server::peer
