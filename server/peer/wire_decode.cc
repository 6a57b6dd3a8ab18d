#include "peer/raft.pb.h"
#include "raft/membership.h"
#include "server/peer/wire.h"
#include "storage/command.h"

namespace tenaz::server::peer {

// The messages that hold lists, and so are worth keeping.
struct Decoder::Scratch {
  pb::AppendRequest append_request;
  pb::ForwardWrites forward_writes;
};

namespace {

using Decoded = storage::Result<PeerMessage>;

storage::Error bad(std::string what) {
  return {storage::ErrorCode::corruption, std::move(what)};
}

template <class Header>
bool parse(const Frame& frame, Header& header) {
  return header.ParseFromArray(frame.header.data(), static_cast<int>(frame.header.size()));
}

// Cuts attachments off in order; false if there is less left.
class Attachments {
 public:
  explicit Attachments(std::string_view bytes) : left_(bytes) {}
  bool take(std::uint64_t bytes, std::string_view& out) {
    if (bytes > left_.size()) return false;
    out = left_.substr(0, bytes);
    left_.remove_prefix(bytes);
    return true;
  }
  bool empty() const { return left_.empty(); }

 private:
  std::string_view left_;
};

std::optional<raft::EntryKind> entry_kind(std::uint32_t wire) {
  switch (wire) {
    case 0:
      return raft::EntryKind::noop;
    case 1:
      return raft::EntryKind::commands;
    case 2:
      return raft::EntryKind::configuration;
    default:
      return {};
  }
}

std::optional<WriteRefusal> refusal(std::uint32_t wire) {
  switch (wire) {
    case 0:
      return WriteRefusal::not_leader;
    case 1:
      return WriteRefusal::overloaded;
    case 2:
      return WriteRefusal::disk_full;
    default:
      return {};
  }
}

Decoded append_request(const Frame& frame, pb::AppendRequest& h) {
  if (!parse(frame, h)) return bad("unreadable append");
  raft::AppendRequest m;
  m.term = raft::Term{h.term()};
  m.prev_index = raft::Index{h.prev_index()};
  m.prev_term = raft::Term{h.prev_term()};
  m.commit = raft::Index{h.commit()};
  m.sequence = h.sequence();
  m.entries.reserve(static_cast<std::size_t>(h.entries_size()));
  Attachments attachments(frame.attachments);
  raft::Index index = m.prev_index;
  for (const pb::EntryHead& head : h.entries()) {
    index = index.next();
    const auto kind = entry_kind(head.kind());
    std::string_view payload;
    if (!kind || !attachments.take(head.bytes(), payload)) return bad("append with a malformed entry");
    if (*kind == raft::EntryKind::commands) {
      if (auto verified = storage::verify_payload(payload); !verified) {
        return bad("entry " + std::to_string(index.value) + " is damaged: " + verified.error().message);
      }
    } else if (*kind == raft::EntryKind::configuration && !raft::decode_configuration(payload)) {
      // The core reads these by itself, and could not go on from one that it cannot read.
      return bad("entry " + std::to_string(index.value) + " holds no configuration that this version knows");
    } else if (*kind == raft::EntryKind::noop && !payload.empty()) {
      return bad("append with a malformed entry");
    }
    m.entries.push_back({raft::Term{head.term()}, index, *kind,
                         payload.empty() ? raft::empty_payload() : raft::make_payload(std::string(payload))});
  }
  if (!attachments.empty()) return bad("append with more bytes than its entries take");
  return PeerMessage(raft::Message(std::move(m)));
}

Decoded forward_writes(const Frame& frame, pb::ForwardWrites& h) {
  if (!parse(frame, h)) return bad("unreadable forwarded writes");
  ForwardWrites m{raft::Term{h.term()}, {}};
  m.commands.reserve(static_cast<std::size_t>(h.command_bytes_size()));
  Attachments attachments(frame.attachments);
  for (const std::uint64_t bytes : h.command_bytes()) {
    std::string_view command;
    if (!attachments.take(bytes, command)) return bad("forwarded writes with a malformed command");
    m.commands.emplace_back(command);
  }
  if (!attachments.empty()) return bad("forwarded writes with more bytes than their commands take");
  return PeerMessage(std::move(m));
}

Decoded snapshot_data(const Frame& frame) {
  pb::SnapshotData h;
  if (!parse(frame, h)) return bad("unreadable snapshot data");
  return PeerMessage(SnapshotData{std::move(*h.mutable_snapshot_id()), h.found(), std::move(*h.mutable_file()),
                                  h.offset(), std::string(frame.attachments)});
}

// --- messages without attachments: one convert() per header ---

Decoded convert(const pb::VoteRequest& h) {
  return PeerMessage(raft::Message(raft::VoteRequest{raft::Term{h.term()}, raft::Index{h.last_index()},
                                                     raft::Term{h.last_term()}, h.pre_vote(), h.transfer()}));
}

Decoded convert(const pb::VoteReply& h) {
  return PeerMessage(raft::Message(raft::VoteReply{raft::Term{h.term()}, raft::Term{h.campaign_term()}, h.pre_vote(),
                                                   h.granted(), raft::Duration{h.trust_remaining_ns()}}));
}

Decoded convert(const pb::AppendReply& h) {
  return PeerMessage(raft::Message(raft::AppendReply{
      raft::Term{h.term()}, h.sequence(), h.accepted(), raft::Index{h.match()}, raft::Index{h.prev_index()},
      raft::Index{h.conflict_index()}, raft::Term{h.conflict_term()}, raft::Index{h.last_index()}}));
}

Decoded convert(const pb::Heartbeat& h) {
  return PeerMessage(raft::Message(raft::Heartbeat{raft::Term{h.term()}, raft::Index{h.commit()}, h.round()}));
}

Decoded convert(const pb::HeartbeatReply& h) {
  return PeerMessage(raft::Message(
      raft::HeartbeatReply{raft::Term{h.term()}, h.round(), raft::Duration{h.promise_ns()}, h.disk_stalled()}));
}

Decoded convert(const pb::InstallSnapshot& h) {
  auto configuration = raft::decode_configuration(h.configuration());
  if (!configuration) return bad("snapshot offer with an unreadable configuration");
  return PeerMessage(
      raft::Message(raft::InstallSnapshot{raft::Term{h.term()},
                                          {raft::Index{h.index()}, raft::Term{h.snapshot_term()},
                                           std::move(*configuration), raft::Index{h.configuration_index()}},
                                          h.snapshot_id()}));
}

Decoded convert(const pb::InstallSnapshotFailed& h) {
  return PeerMessage(raft::Message(raft::InstallSnapshotFailed{raft::Term{h.term()}, raft::Index{h.index()}}));
}

Decoded convert(const pb::TimeoutNow& h) {
  return PeerMessage(raft::Message(raft::TimeoutNow{raft::Term{h.term()}, raft::NodeId{h.target()}}));
}

Decoded convert(const pb::ForwardRefused& h) {
  const auto reason = refusal(h.reason());
  if (!reason) return bad("refusal of writes for an unknown reason");
  return PeerMessage(
      ForwardRefused{raft::Term{h.term()}, h.boot(), {h.sequences().begin(), h.sequences().end()}, *reason});
}

Decoded convert(const pb::ReadIndexRequest& h) {
  return PeerMessage(ReadIndexRequest{h.boot(), h.id()});
}

Decoded convert(const pb::ReadIndexReply& h) {
  return PeerMessage(ReadIndexReply{h.boot(), h.id(), h.confirmed(), raft::Index{h.index()}});
}

Decoded convert(const pb::SnapshotRequest& h) {
  return PeerMessage(SnapshotRequest{h.snapshot_id(), h.file(), h.offset(), h.bytes(), raft::Index{h.at_least()}});
}

Decoded convert(const pb::SnapshotManifest& h) {
  SnapshotManifest m{h.found(), {h.id(), raft::Index{h.index()}, {}}};
  m.manifest.files.reserve(static_cast<std::size_t>(h.files_size()));
  for (const pb::SnapshotFile& file : h.files()) m.manifest.files.push_back({file.name(), file.bytes(), file.crc32c()});
  return PeerMessage(std::move(m));
}

Decoded convert(const pb::NodeReport& h) {
  return PeerMessage(NodeReport{h.disk_low()});
}

Decoded convert(const pb::TransferRequest& h) {
  return PeerMessage(TransferRequest{raft::NodeId{h.target()}, h.boot(), h.id()});
}

Decoded convert(const pb::TransferRefused& h) {
  return PeerMessage(TransferRefused{h.boot(), h.id()});
}

Decoded convert(const pb::ChangeRequest& h) {
  ChangeRequest m{h.boot(), h.id(), {}};
  switch (h.change_case()) {
    case pb::ChangeRequest::kAdd:
      if (h.add().id() == 0) return bad("an addition of nobody");
      m.change = raft::AddMember{{raft::NodeId{h.add().id()}, h.add().name(), h.add().peer(), h.add().client(),
                                  h.add().storage_id(), h.add().promote(), raft::NodeId{h.add().replaces()}}};
      break;
    case pb::ChangeRequest::kPromote:
      m.change = raft::PromoteMember{raft::NodeId{h.promote()}};
      break;
    case pb::ChangeRequest::kRemove:
      m.change = raft::RemoveMember{raft::NodeId{h.remove()}};
      break;
    case pb::ChangeRequest::kLeaseReads:
      m.change = raft::SetLeaseReads{h.lease_reads()};
      break;
    case pb::ChangeRequest::CHANGE_NOT_SET:
      return bad("a change of nothing that this version knows");
  }
  return PeerMessage(std::move(m));
}

Decoded convert(const pb::ChangeReply& h) {
  ChangeReply m{h.boot(), h.id(), {}, h.detail()};
  constexpr auto kLastRefusal = static_cast<std::uint32_t>(raft::ChangeRefusal::would_lose_quorum);
  constexpr auto kLastFault = static_cast<std::uint32_t>(raft::ChangeFault::too_many_members);
  if (h.refusal() > kLastRefusal + 1 || h.fault() > kLastFault + 1) return bad("an answer that is not known");
  if (h.refusal() != 0)
    m.result = static_cast<raft::ChangeRefusal>(h.refusal() - 1);
  else if (h.fault() != 0)
    m.result = static_cast<raft::ChangeFault>(h.fault() - 1);
  else
    m.result = raft::Proposed{raft::Term{h.term()}, raft::Index{h.index()}};
  return PeerMessage(std::move(m));
}

template <class Header>
Decoded plain(const Frame& frame) {
  Header header;
  if (!frame.attachments.empty() || !parse(frame, header)) {
    return bad("unreadable frame of kind " + std::to_string(static_cast<int>(frame.kind)));
  }
  return convert(header);
}

}  // namespace

Decoder::Decoder() : scratch_(std::make_unique<Scratch>()) {}
Decoder::~Decoder() = default;

Decoded Decoder::decode(const Frame& frame) {
  if (frame.group != raft::kDefaultGroup) return bad("frame of an unknown group");
  switch (frame.kind) {
    case FrameKind::vote_request:
      return plain<pb::VoteRequest>(frame);
    case FrameKind::vote_reply:
      return plain<pb::VoteReply>(frame);
    case FrameKind::append_request:
      return append_request(frame, scratch_->append_request);
    case FrameKind::append_reply:
      return plain<pb::AppendReply>(frame);
    case FrameKind::heartbeat:
      return plain<pb::Heartbeat>(frame);
    case FrameKind::heartbeat_reply:
      return plain<pb::HeartbeatReply>(frame);
    case FrameKind::install_snapshot:
      return plain<pb::InstallSnapshot>(frame);
    case FrameKind::install_snapshot_failed:
      return plain<pb::InstallSnapshotFailed>(frame);
    case FrameKind::timeout_now:
      return plain<pb::TimeoutNow>(frame);
    case FrameKind::forward_writes:
      return forward_writes(frame, scratch_->forward_writes);
    case FrameKind::forward_refused:
      return plain<pb::ForwardRefused>(frame);
    case FrameKind::read_index_request:
      return plain<pb::ReadIndexRequest>(frame);
    case FrameKind::read_index_reply:
      return plain<pb::ReadIndexReply>(frame);
    case FrameKind::snapshot_request:
      return plain<pb::SnapshotRequest>(frame);
    case FrameKind::snapshot_manifest:
      return plain<pb::SnapshotManifest>(frame);
    case FrameKind::snapshot_data:
      return snapshot_data(frame);
    case FrameKind::node_report:
      return plain<pb::NodeReport>(frame);
    case FrameKind::transfer_request:
      return plain<pb::TransferRequest>(frame);
    case FrameKind::transfer_refused:
      return plain<pb::TransferRefused>(frame);
    case FrameKind::change_request:
      return plain<pb::ChangeRequest>(frame);
    case FrameKind::change_reply:
      return plain<pb::ChangeReply>(frame);
    case FrameKind::hello:
    case FrameKind::refused:
      break;
  }
  return bad("frame of unexpected kind " + std::to_string(static_cast<int>(frame.kind)));
}

}  // namespace tenaz::server::peer
