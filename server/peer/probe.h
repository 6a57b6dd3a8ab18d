// Asks once who listens at an address, and hangs up: before a node is added its address is tried, and a node that joins
// asks which cluster it joins. On the io_context's thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "server/peer/links.h"

namespace tenaz::server::peer {

class Probe : public std::enable_shared_from_this<Probe> {
 public:
  using Done = std::function<void(const Probed&)>;

  Probe(std::shared_ptr<LinkContext> context, std::string address, raft::NodeId target, Done done);

  // `done` is called once, unless it is cancelled before. Never from within.
  void start(std::chrono::nanoseconds within);
  void cancel();

 private:
  void connect(const std::vector<Tcp::endpoint>& endpoints);
  void greet();
  void read();
  void on_frame(const Frame& frame);
  void finish(const Probed& result);

  std::shared_ptr<LinkContext> context_;
  const std::string address_;
  const raft::NodeId target_;  // 0: whoever it is
  Done done_;                  // null: it is over
  Socket socket_;
  Timer deadline_;
  Resolver resolver_;
  FrameReader reader_{kMaxHandshakeFrameBytes};
};

}  // namespace tenaz::server::peer
