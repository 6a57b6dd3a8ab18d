// The first words on a connection. The dialer sends Hello; the other side checks it and answers with its own Hello or
// with Refused; the dialer checks that in turn, and either begins to send or says Refused. So both logs name the
// reason.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/peer/framing.h"
#include "server/peer/transport.h"

namespace tenaz::server::peer {

struct Hello {
  LocalIdentity from;  // of the sender
  Lane lane = Lane::control;
  raft::NodeId target;  // whom the sender believes to speak to
  bool probe = false;   // only asks who is there
};

void write_hello(FrameWriter& out, const Hello& hello);
void write_refused(FrameWriter& out, const Refusal& refusal);
// Nothing if the frame is not a well-formed message of its kind.
std::optional<Hello> read_hello(const Frame& frame);
std::optional<Refusal> read_refused(const Frame& frame);

const char* lane_name(Lane lane);

// Whom this node speaks with. One thread.
class Admission {
 public:
  Admission(const LocalIdentity& self, Handler& handler) : self_(self), handler_(handler) {}

  const LocalIdentity& self() const { return self_; }
  void set_cluster(const std::string& cluster_id) { self_.cluster_id = cluster_id; }
  // `address`: this node's own, as the configuration has it.
  void set_members(std::vector<raft::NodeId> others, std::vector<raft::NodeId> retired, std::string address) {
    members_ = std::move(others);
    retired_ = std::move(retired);
    self_.address = std::move(address);
  }

  // Why the sender of this Hello is refused; nothing if it is welcome. `dialed`: whom this node called, if it did.
  std::optional<Refusal> judge(const Hello& hello, std::optional<raft::NodeId> dialed);

 private:
  // The latest life of a member that this process has met.
  struct Seen {
    std::uint64_t incarnation = 0;
    std::uint64_t boot = 0;
  };

  std::optional<std::string> judge_life(const LocalIdentity& other);

  LocalIdentity self_;
  Handler& handler_;
  std::vector<raft::NodeId> members_;
  std::vector<raft::NodeId> retired_;
  std::unordered_map<raft::NodeId, Seen> seen_;
};

}  // namespace tenaz::server::peer
