#include "tests/unit/server_peer/support.h"

#include <gtest/gtest.h>

#include <sstream>

#include "raft/membership.h"
#include "storage/command.h"

namespace tenaz::server::peer::test {
namespace {

struct Text {
  std::ostringstream& out;

  template <class... Fields>
  void fields(const char* name, const Fields&... values) {
    out << name;
    (field(values), ...);
  }
  template <class Tag>
  void field(const raft::Number<Tag>& n) {
    out << '|' << n.value;
  }
  void field(const std::string& s) { out << '|' << s.size() << ':' << s; }
  void field(raft::Duration d) { out << '|' << d.count(); }
  void field(std::uint64_t n) { out << '|' << n; }
  void field(bool b) { out << '|' << b; }

  void operator()(const raft::Message& m) { std::visit(*this, m); }
  void operator()(const raft::VoteRequest& m) {
    fields("VoteRequest", m.term, m.last_index, m.last_term, m.pre_vote, m.transfer);
  }
  void operator()(const raft::VoteReply& m) {
    fields("VoteReply", m.term, m.campaign_term, m.pre_vote, m.granted, m.trust_remaining);
  }
  void operator()(const raft::AppendRequest& m) {
    fields("AppendRequest", m.term, m.prev_index, m.prev_term, m.commit, m.sequence);
    for (const raft::Entry& e : m.entries) {
      fields(" entry", e.term, e.index, static_cast<std::uint64_t>(e.kind), *e.payload);
    }
  }
  void operator()(const raft::AppendReply& m) {
    fields("AppendReply", m.term, m.sequence, m.accepted, m.match, m.prev_index, m.conflict_index, m.conflict_term,
           m.last_index);
  }
  void operator()(const raft::Heartbeat& m) { fields("Heartbeat", m.term, m.commit, m.round); }
  void operator()(const raft::HeartbeatReply& m) {
    fields("HeartbeatReply", m.term, m.round, m.promise, m.disk_stalled);
  }
  void operator()(const raft::InstallSnapshot& m) {
    fields("InstallSnapshot", m.term, m.meta.index, m.meta.term, m.meta.configuration_index, m.snapshot_id);
    for (const auto* ids :
         {&m.meta.configuration.voters, &m.meta.configuration.outgoing, &m.meta.configuration.learners}) {
      out << " ids";
      for (const raft::NodeId id : *ids) field(id);
    }
    for (const raft::Member& member : m.meta.configuration.members) {
      fields(" member", member.id, member.name, member.peer, member.client, member.storage_id);
    }
  }
  void operator()(const raft::InstallSnapshotFailed& m) { fields("InstallSnapshotFailed", m.term, m.index); }
  void operator()(const raft::TimeoutNow& m) { fields("TimeoutNow", m.term, m.target); }
  void operator()(const ForwardWrites& m) {
    fields("ForwardWrites", m.term);
    for (const std::string& command : m.commands) field(command);
  }
  void operator()(const ForwardRefused& m) {
    fields("ForwardRefused", m.term, m.boot, static_cast<std::uint64_t>(m.reason));
    for (const std::uint64_t sequence : m.sequences) field(sequence);
  }
  void operator()(const ReadIndexRequest& m) { fields("ReadIndexRequest", m.boot, m.id); }
  void operator()(const ReadIndexReply& m) { fields("ReadIndexReply", m.boot, m.id, m.confirmed, m.index); }
  void operator()(const SnapshotRequest& m) {
    fields("SnapshotRequest", m.snapshot_id, m.file, m.offset, m.bytes, m.at_least);
  }
  void operator()(const SnapshotManifest& m) {
    fields("SnapshotManifest", m.found, m.manifest.id, m.manifest.index);
    for (const storage::ImageFile& file : m.manifest.files) {
      fields(" file", file.name, file.bytes, std::uint64_t{file.crc32c});
    }
  }
  void operator()(const SnapshotData& m) { fields("SnapshotData", m.snapshot_id, m.found, m.file, m.offset, m.bytes); }
  void operator()(const NodeReport& m) { fields("NodeReport", m.disk_low); }
  void operator()(const TransferRequest& m) { fields("TransferRequest", m.target, m.boot, m.id); }
  void operator()(const TransferRefused& m) { fields("TransferRefused", m.boot, m.id); }
  void operator()(const ChangeRequest& m) {
    fields("ChangeRequest", m.boot, m.id, std::uint64_t{m.change.index()});
    if (const auto* add = std::get_if<raft::AddMember>(&m.change)) {
      const raft::Member& member = add->member;
      fields(" add", member.id, member.name, member.peer, member.client, member.storage_id, member.promote,
             member.replaces);
    }
    if (const auto* promote = std::get_if<raft::PromoteMember>(&m.change)) fields(" promote", promote->id);
    if (const auto* remove = std::get_if<raft::RemoveMember>(&m.change)) fields(" remove", remove->id);
    if (const auto* leases = std::get_if<raft::SetLeaseReads>(&m.change)) fields(" leases", leases->on);
  }
  void operator()(const ChangeReply& m) {
    fields("ChangeReply", m.boot, m.id, std::uint64_t{m.result.index()});
    if (const auto* refusal = std::get_if<raft::ChangeRefusal>(&m.result))
      fields(" refusal", static_cast<std::uint64_t>(*refusal));
    if (const auto* fault = std::get_if<raft::ChangeFault>(&m.result))
      fields(" fault", static_cast<std::uint64_t>(*fault));
    if (const auto* proposed = std::get_if<raft::Proposed>(&m.result))
      fields(" proposed", proposed->term, proposed->index);
    fields(" detail", m.detail);
  }
};

template <class N>
N number(std::mt19937_64& random) {
  return N{random() >> (random() % 64)};
}

raft::AppendRequest append(std::mt19937_64& random) {
  raft::AppendRequest m{number<raft::Term>(random),
                        raft::Index{random() >> 8},
                        number<raft::Term>(random),
                        raft::Index{random()},
                        random(),
                        {}};
  const std::size_t entries = random() % 20;
  for (std::size_t i = 0; i < entries; ++i) {
    raft::Entry entry{number<raft::Term>(random), m.prev_index + i + 1, static_cast<raft::EntryKind>(random() % 3),
                      raft::empty_payload()};
    if (entry.kind == raft::EntryKind::commands) entry.payload = command_payload(random, random() % 20'000);
    if (entry.kind == raft::EntryKind::configuration)
      entry.payload = raft::make_payload(raft::encode(raft::founding_configuration(
          {{raft::NodeId{1 + random() % 9}, "n", "h:1", "h:2", random_bytes(random, 16)}})));
    m.entries.push_back(std::move(entry));
  }
  return m;
}

}  // namespace

std::string text(const PeerMessage& message) {
  std::ostringstream out;
  std::visit(Text{out}, message);
  return out.str();
}

std::string random_bytes(std::mt19937_64& random, std::size_t max_bytes) {
  std::string bytes(random() % (max_bytes + 1), '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

raft::Payload command_payload(std::mt19937_64& random, std::size_t value_bytes) {
  storage::pb::Command command;
  command.set_apply_version(storage::kApplyVersion);
  command.mutable_put()->set_key(random_bytes(random, 40));
  command.mutable_put()->set_value(std::string(value_bytes, static_cast<char>(random())));
  storage::PayloadBuilder builder;
  builder.add(command.SerializeAsString());
  return builder.finish(random() >> 20);
}

std::vector<PeerMessage> one_of_each(std::mt19937_64& random) {
  const auto flag = [&] { return random() % 2 == 0; };
  const auto name = [&] { return "file-" + std::to_string(random() % 1000); };
  ForwardWrites writes{number<raft::Term>(random), {}};
  ForwardRefused refused{number<raft::Term>(random), random(), {}, static_cast<WriteRefusal>(random() % 3)};
  for (std::size_t i = random() % 9; i > 0; --i) {
    writes.commands.push_back(random_bytes(random, 9000));
    refused.sequences.push_back(random() >> (random() % 64));
  }
  SnapshotManifest manifest{flag(), {name(), number<raft::Index>(random), {}}};
  for (std::size_t i = random() % 30; i > 0; --i) {
    manifest.manifest.files.push_back({name(), random(), static_cast<std::uint32_t>(random())});
  }
  raft::InstallSnapshot install{
      number<raft::Term>(random),
      {number<raft::Index>(random), number<raft::Term>(random),
       raft::founding_configuration(
           {{raft::NodeId{1}, "a", "h:1", "h:2", random_bytes(random, 16)}, {raft::NodeId{7}, "", "h:3", "", ""}}),
       number<raft::Index>(random)},
      name()};
  return {
      raft::Message{raft::VoteRequest{number<raft::Term>(random), number<raft::Index>(random),
                                      number<raft::Term>(random), flag(), flag()}},
      raft::Message{raft::VoteReply{number<raft::Term>(random), number<raft::Term>(random), flag(), flag(),
                                    raft::Duration{static_cast<std::int64_t>(random() >> 20) - 1000}}},
      raft::Message{append(random)},
      raft::Message{raft::AppendReply{number<raft::Term>(random), random(), flag(), number<raft::Index>(random),
                                      number<raft::Index>(random), number<raft::Index>(random),
                                      number<raft::Term>(random), number<raft::Index>(random)}},
      raft::Message{raft::Heartbeat{number<raft::Term>(random), number<raft::Index>(random), random()}},
      raft::Message{raft::HeartbeatReply{number<raft::Term>(random), random(),
                                         raft::Duration{static_cast<std::int64_t>(random() >> 30)}, flag()}},
      raft::Message{std::move(install)},
      raft::Message{raft::InstallSnapshotFailed{number<raft::Term>(random), number<raft::Index>(random)}},
      raft::Message{raft::TimeoutNow{number<raft::Term>(random), number<raft::NodeId>(random)}},
      std::move(writes),
      std::move(refused),
      ReadIndexRequest{random(), random()},
      ReadIndexReply{random(), random(), flag(), number<raft::Index>(random)},
      SnapshotRequest{name(), name(), random(), random(), number<raft::Index>(random)},
      std::move(manifest),
      SnapshotData{name(), flag(), name(), random(), random_bytes(random, 300'000)},
      NodeReport{flag()},
      TransferRequest{number<raft::NodeId>(random), random(), random()},
      TransferRefused{random(), random()},
      ChangeRequest{random(), random(),
                    raft::AddMember{{raft::NodeId{random() | 1}, name(), name(), name(), random_bytes(random, 16),
                                     flag(), number<raft::NodeId>(random)}}},
      ChangeRequest{random(), random(), raft::PromoteMember{number<raft::NodeId>(random)}},
      ChangeRequest{random(), random(), raft::RemoveMember{number<raft::NodeId>(random)}},
      ChangeRequest{random(), random(), raft::SetLeaseReads{flag()}},
      ChangeReply{random(), random(), raft::Proposed{number<raft::Term>(random), number<raft::Index>(random)}},
      ChangeReply{random(), random(), static_cast<raft::ChangeRefusal>(random() % 5), name()},
      ChangeReply{random(), random(), static_cast<raft::ChangeFault>(random() % 9)},
  };
}

std::string stream_of(const FrameWriter& writer) {
  std::vector<std::string_view> pieces;
  writer.pieces(0, SIZE_MAX, pieces);
  std::string out;
  for (const std::string_view piece : pieces) out += piece;
  return out;
}

class CapturedLog::Sink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    lines_.emplace_back(message.payload.data(), message.payload.size());
  }
  void flush_() override {}

 private:
  std::vector<std::string> lines_;
};

CapturedLog::CapturedLog() : sink_(std::make_shared<Sink>()), previous_(spdlog::default_logger()) {
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink_));
}

CapturedLog::~CapturedLog() {
  spdlog::set_default_logger(previous_);
}

std::size_t CapturedLog::count(const std::string& part) const {
  std::size_t n = 0;
  for (const std::string& line : sink_->lines()) n += line.find(part) != std::string::npos ? 1U : 0U;
  return n;
}

std::string CapturedLog::all() const {
  std::string out;
  for (const std::string& line : sink_->lines()) out += line + "\n";
  return out;
}

bool run_until(boost::asio::io_context& io, const std::function<bool()>& condition, std::chrono::seconds deadline) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    io.restart();
    io.run_one_for(std::chrono::milliseconds(20));
  }
  return true;
}

TestNode::TestNode(boost::asio::io_context& io, std::uint64_t id,
                   std::function<void(PeerOptions&, LocalIdentity&)> adjust)
    : io_(io) {
  options_.listen = "127.0.0.1:0";
  identity_.cluster_id = std::string(16, 'c');
  identity_.node = raft::NodeId{id};
  identity_.storage_id = std::string(15, 's') + static_cast<char>('0' + id);
  identity_.boot = 1000 * id;
  if (adjust) adjust(options_, identity_);
  begin();
}

void TestNode::begin() {
  ++identity_.incarnation;
  ++identity_.boot;
  transport_ = std::make_unique<Transport>(io_, options_, identity_, *this);
  const auto listening = transport_->listen();
  ASSERT_TRUE(listening) << listening.error().message;
  port_ = transport_->port();
  options_.listen = address();
}

bool TestNode::connected_to(const TestNode& other) const {
  for (const Lane lane : {Lane::control, Lane::log, Lane::bulk}) {
    if (!transport_->connected(other.identity_.node, lane)) return false;
  }
  return true;
}

void TestNode::on_message(raft::NodeId from, PeerMessage message) {
  if (hook) return hook(from, message);
  received.push_back({from, std::move(message)});
}

std::optional<Refusal> TestNode::check_identity(const LocalIdentity& other) {
  const std::string node = "node " + std::to_string(other.node.value);
  if (distrusted == other.node) return Refusal{RefusalCode::identity, "disk rolled back: " + node};
  for (const auto& [pinned, its_storage] : pins_) {
    if (pinned != other.node.value) continue;
    if (its_storage == other.storage_id) return {};
    return Refusal{RefusalCode::identity,
                   "disk replaced: " + node + " is known with another storage id; remove it and add it anew"};
  }
  pins_.emplace_back(other.node.value, other.storage_id);
  return {};
}

void introduce(std::vector<TestNode*> nodes) {
  std::vector<raft::Member> members;
  for (const TestNode* node : nodes) members.push_back(node->member());
  for (TestNode* node : nodes) node->transport().set_members(members);
}

}  // namespace tenaz::server::peer::test
