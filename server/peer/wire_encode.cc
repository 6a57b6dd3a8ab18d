#include "peer/raft.pb.h"
#include "raft/membership.h"
#include "server/peer/wire.h"

namespace tenaz::server::peer {

struct Encoder::Scratch {
  pb::VoteRequest vote_request;
  pb::VoteReply vote_reply;
  pb::AppendRequest append_request;
  pb::AppendReply append_reply;
  pb::Heartbeat heartbeat;
  pb::HeartbeatReply heartbeat_reply;
  pb::InstallSnapshot install_snapshot;
  pb::InstallSnapshotFailed install_snapshot_failed;
  pb::TimeoutNow timeout_now;
  pb::ForwardWrites forward_writes;
  pb::ForwardRefused forward_refused;
  pb::ReadIndexRequest read_index_request;
  pb::ReadIndexReply read_index_reply;
  pb::SnapshotRequest snapshot_request;
  pb::SnapshotManifest snapshot_manifest;
  pb::SnapshotData snapshot_data;
  pb::NodeReport node_report;
  pb::TransferRequest transfer_request;
  pb::TransferRefused transfer_refused;
  pb::ChangeRequest change_request;
  pb::ChangeReply change_reply;
};

namespace {

std::uint32_t wire_refusal(WriteRefusal reason) {
  switch (reason) {
    case WriteRefusal::not_leader:
      return 0;
    case WriteRefusal::overloaded:
      return 1;
    case WriteRefusal::disk_full:
      return 2;
  }
  return 0;
}

}  // namespace

Encoder::Encoder() : scratch_(std::make_unique<Scratch>()) {}
Encoder::~Encoder() = default;

namespace {

// One overload per message: lays its header and attachments.
template <class Scratch>
class Layer {
 public:
  Layer(Scratch& scratch, FrameWriter& out) : scratch_(scratch), out_(out) {}

  void operator()(raft::Message&& message) {
    std::visit([this](auto&& m) { (*this)(std::move(m)); }, std::move(message));
  }

  void operator()(raft::VoteRequest&& m) {
    auto& h = scratch_.vote_request;
    h.set_term(m.term.value);
    h.set_last_index(m.last_index.value);
    h.set_last_term(m.last_term.value);
    h.set_pre_vote(m.pre_vote);
    h.set_transfer(m.transfer);
    begin(FrameKind::vote_request, h);
  }

  void operator()(raft::VoteReply&& m) {
    auto& h = scratch_.vote_reply;
    h.set_term(m.term.value);
    h.set_campaign_term(m.campaign_term.value);
    h.set_pre_vote(m.pre_vote);
    h.set_granted(m.granted);
    h.set_trust_remaining_ns(m.trust_remaining.count());
    begin(FrameKind::vote_reply, h);
  }

  void operator()(raft::AppendRequest&& m) {
    auto& h = scratch_.append_request;
    h.Clear();
    h.set_term(m.term.value);
    h.set_prev_index(m.prev_index.value);
    h.set_prev_term(m.prev_term.value);
    h.set_commit(m.commit.value);
    h.set_sequence(m.sequence);
    for (const raft::Entry& entry : m.entries) {
      auto& head = *h.add_entries();
      head.set_term(entry.term.value);
      head.set_kind(static_cast<std::uint32_t>(entry.kind));
      head.set_bytes(entry.payload->size());
    }
    begin(FrameKind::append_request, h);
    for (const raft::Entry& entry : m.entries) out_.attach(entry.payload);
  }

  void operator()(raft::AppendReply&& m) {
    auto& h = scratch_.append_reply;
    h.set_term(m.term.value);
    h.set_sequence(m.sequence);
    h.set_accepted(m.accepted);
    h.set_match(m.match.value);
    h.set_prev_index(m.prev_index.value);
    h.set_conflict_index(m.conflict_index.value);
    h.set_conflict_term(m.conflict_term.value);
    h.set_last_index(m.last_index.value);
    begin(FrameKind::append_reply, h);
  }

  void operator()(raft::Heartbeat&& m) {
    auto& h = scratch_.heartbeat;
    h.set_term(m.term.value);
    h.set_commit(m.commit.value);
    h.set_round(m.round);
    begin(FrameKind::heartbeat, h);
  }

  void operator()(raft::HeartbeatReply&& m) {
    auto& h = scratch_.heartbeat_reply;
    h.set_term(m.term.value);
    h.set_round(m.round);
    h.set_promise_ns(m.promise.count());
    h.set_disk_stalled(m.disk_stalled);
    begin(FrameKind::heartbeat_reply, h);
  }

  void operator()(raft::InstallSnapshot&& m) {
    auto& h = scratch_.install_snapshot;
    h.set_term(m.term.value);
    h.set_index(m.meta.index.value);
    h.set_snapshot_term(m.meta.term.value);
    h.set_configuration(raft::encode(m.meta.configuration));
    h.set_configuration_index(m.meta.configuration_index.value);
    h.set_snapshot_id(m.snapshot_id);
    begin(FrameKind::install_snapshot, h);
  }

  void operator()(raft::InstallSnapshotFailed&& m) {
    auto& h = scratch_.install_snapshot_failed;
    h.set_term(m.term.value);
    h.set_index(m.index.value);
    begin(FrameKind::install_snapshot_failed, h);
  }

  void operator()(raft::TimeoutNow&& m) {
    auto& h = scratch_.timeout_now;
    h.set_term(m.term.value);
    h.set_target(m.target.value);
    begin(FrameKind::timeout_now, h);
  }

  void operator()(ForwardWrites&& m) {
    auto& h = scratch_.forward_writes;
    h.Clear();
    h.set_term(m.term.value);
    for (const std::string& command : m.commands) h.add_command_bytes(command.size());
    begin(FrameKind::forward_writes, h);
    for (std::string& command : m.commands) out_.attach(std::move(command));
  }

  void operator()(ForwardRefused&& m) {
    auto& h = scratch_.forward_refused;
    h.Clear();
    h.set_term(m.term.value);
    h.set_boot(m.boot);
    for (const std::uint64_t sequence : m.sequences) h.add_sequences(sequence);
    h.set_reason(wire_refusal(m.reason));
    begin(FrameKind::forward_refused, h);
  }

  void operator()(ReadIndexRequest&& m) {
    auto& h = scratch_.read_index_request;
    h.set_boot(m.boot);
    h.set_id(m.id);
    begin(FrameKind::read_index_request, h);
  }

  void operator()(ReadIndexReply&& m) {
    auto& h = scratch_.read_index_reply;
    h.set_boot(m.boot);
    h.set_id(m.id);
    h.set_confirmed(m.confirmed);
    h.set_index(m.index.value);
    begin(FrameKind::read_index_reply, h);
  }

  void operator()(SnapshotRequest&& m) {
    auto& h = scratch_.snapshot_request;
    h.set_snapshot_id(m.snapshot_id);
    h.set_file(m.file);
    h.set_offset(m.offset);
    h.set_bytes(m.bytes);
    h.set_at_least(m.at_least.value);
    begin(FrameKind::snapshot_request, h);
  }

  void operator()(SnapshotManifest&& m) {
    auto& h = scratch_.snapshot_manifest;
    h.Clear();
    h.set_found(m.found);
    h.set_id(m.manifest.id);
    h.set_index(m.manifest.index.value);
    for (const storage::ImageFile& file : m.manifest.files) {
      auto& f = *h.add_files();
      f.set_name(file.name);
      f.set_bytes(file.bytes);
      f.set_crc32c(file.crc32c);
    }
    begin(FrameKind::snapshot_manifest, h);
  }

  void operator()(SnapshotData&& m) {
    auto& h = scratch_.snapshot_data;
    h.set_snapshot_id(m.snapshot_id);
    h.set_found(m.found);
    h.set_file(m.file);
    h.set_offset(m.offset);
    begin(FrameKind::snapshot_data, h);
    out_.attach(std::move(m.bytes));
  }

  void operator()(NodeReport&& m) {
    auto& h = scratch_.node_report;
    h.set_disk_low(m.disk_low);
    begin(FrameKind::node_report, h);
  }

  void operator()(TransferRequest&& m) {
    auto& h = scratch_.transfer_request;
    h.set_target(m.target.value);
    h.set_boot(m.boot);
    h.set_id(m.id);
    begin(FrameKind::transfer_request, h);
  }

  void operator()(TransferRefused&& m) {
    auto& h = scratch_.transfer_refused;
    h.set_boot(m.boot);
    h.set_id(m.id);
    begin(FrameKind::transfer_refused, h);
  }

  void operator()(ChangeRequest&& m) {
    auto& h = scratch_.change_request;
    h.Clear();
    h.set_boot(m.boot);
    h.set_id(m.id);
    if (const auto* add = std::get_if<raft::AddMember>(&m.change)) {
      auto& member = *h.mutable_add();
      member.set_id(add->member.id.value);
      member.set_name(add->member.name);
      member.set_peer(add->member.peer);
      member.set_client(add->member.client);
      member.set_storage_id(add->member.storage_id);
      member.set_promote(add->member.promote);
      member.set_replaces(add->member.replaces.value);
    } else if (const auto* promote = std::get_if<raft::PromoteMember>(&m.change)) {
      h.set_promote(promote->id.value);
    } else if (const auto* remove = std::get_if<raft::RemoveMember>(&m.change)) {
      h.set_remove(remove->id.value);
    } else {
      h.set_lease_reads(std::get<raft::SetLeaseReads>(m.change).on);
    }
    begin(FrameKind::change_request, h);
  }

  void operator()(ChangeReply&& m) {
    auto& h = scratch_.change_reply;
    h.Clear();
    h.set_boot(m.boot);
    h.set_id(m.id);
    if (const auto* refusal = std::get_if<raft::ChangeRefusal>(&m.result)) {
      h.set_refusal(static_cast<std::uint32_t>(*refusal) + 1);
    } else if (const auto* fault = std::get_if<raft::ChangeFault>(&m.result)) {
      h.set_fault(static_cast<std::uint32_t>(*fault) + 1);
    } else {
      h.set_term(std::get<raft::Proposed>(m.result).term.value);
      h.set_index(std::get<raft::Proposed>(m.result).index.value);
    }
    h.set_detail(m.detail);
    begin(FrameKind::change_reply, h);
  }

 private:
  void begin(FrameKind kind, const google::protobuf::MessageLite& header) {
    out_.begin(kind, raft::kDefaultGroup, header);
  }

  Scratch& scratch_;
  FrameWriter& out_;
};

}  // namespace

bool Encoder::encode(PeerMessage&& message, FrameWriter& out) {
  std::visit(Layer(*scratch_, out), std::move(message));
  return out.end();
}

}  // namespace tenaz::server::peer
