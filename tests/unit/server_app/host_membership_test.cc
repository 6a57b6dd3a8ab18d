// Nodes that join, are added, replaced and removed: whole hosts over loopback, without HTTP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <future>

#include "raft/membership.h"
#include "server/hex.h"
#include "server/host.h"

namespace tenaz::server {
namespace {

using raft::NodeId;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kPatience{60};

// A port that was free a moment ago.
std::string free_address() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(fd);
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

template <class Condition>
[[nodiscard]] bool until(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return condition();
}

class Machine {
 public:
  Machine(std::filesystem::path root, std::uint64_t id) : directory_(root / std::to_string(id)), id_(id) {
    options_.self = NodeId{id};
    options_.name = "n" + std::to_string(id);
    options_.data_dir = directory_;
    options_.peer.listen = address;
    options_.on_removed = [this] { removed = true; };
  }
  ~Machine() { stop(); }

  void found(const std::vector<Machine*>& founders, char cluster = 'c') {
    options_.cluster_id = to_hex(std::string(16, cluster));
    std::vector<raft::Member> members;
    for (const Machine* founder : founders) members.push_back(founder->member());
    options_.founding = raft::founding_configuration(members);
    start();
  }
  void join(const std::vector<std::string>& addresses) {
    options_.join = addresses;
    start();
  }
  void start() {
    auto opened = Host::open(options_, metrics_, [](const storage::Error& error) { FAIL() << error.message; });
    if (!opened) {
      error = opened.error();
      return;
    }
    host_ = std::move(*opened);
    const auto started = host_->start();
    ASSERT_TRUE(started) << started.error().message;
  }
  void stop() {
    if (host_) host_->stop();
    host_.reset();
  }
  void empty_disk() { std::filesystem::remove_all(directory_); }
  // Longer, so that a leader stays one for a while when nobody answers it.
  void elect_slowly() {
    options_.raft.election_timeout_min = seconds(2);
    options_.raft.election_timeout_max = seconds(4);
  }
  bool leads() { return status().raft.role == raft::Role::leader; }
  void ask_to_lead() {
    std::promise<TransferOutcome> answered;
    host_->transfer_leadership(NodeId{id_}, seconds(3), [&](TransferOutcome outcome) { answered.set_value(outcome); });
    answered.get_future().get();
  }
  // Leads, and hears `peer`.
  bool leads_with(std::uint64_t peer) {
    const NodeStatus now = status();
    for (const auto& view : now.peers)
      if (view.id == NodeId{peer}) return now.raft.role == raft::Role::leader && view.active;
    return false;
  }

  raft::Member member() const { return {NodeId{id_}, "n", address, "client-" + std::to_string(id_), "", true, {}}; }
  NodeStatus status() {
    std::promise<NodeStatus> answered;
    host_->status([&](const NodeStatus& status) { answered.set_value(status); });
    return answered.get_future().get();
  }
  WriteResult put() {
    storage::pb::Command command;
    command.set_apply_version(storage::kApplyVersion);
    command.mutable_put()->set_key("k");
    std::promise<WriteResult> answered;
    host_->write(command, kPatience, [&](const WriteResult& result) { answered.set_value(result); });
    return answered.get_future().get();
  }
  ChangeResult change(const raft::MembershipChange& change, std::chrono::nanoseconds timeout = kPatience) {
    std::promise<ChangeResult> answered;
    host_->change_membership(change, timeout, [&](const ChangeResult& result) { answered.set_value(result); });
    return answered.get_future().get();
  }

  void begin(const raft::MembershipChange& change, ChangeDone done) {
    host_->change_membership(change, kPatience, std::move(done));
  }
  void call_patiently() { options_.peer.connect_timeout = kPatience; }

  // The log begins behind `index`, and the state is gone.
  void lose_state_before(raft::Index index, const raft::Configuration& configuration) {
    auto log = storage::RaftLog::open(directory_, {from_hex(options_.cluster_id), NodeId{id_}}, {}, {});
    ASSERT_TRUE(log) << log.error().message;
    ASSERT_TRUE((*log)->compact(index, configuration, raft::Index{}));
    std::filesystem::remove_all(directory_ / (*log)->state_directory());
  }

  const std::string address = free_address();
  std::atomic<bool> removed{false};
  std::optional<storage::Error> error;

 private:
  const std::filesystem::path directory_;
  const std::uint64_t id_;
  HostOptions options_;
  Metrics metrics_;
  std::unique_ptr<Host> host_;
};

class HostMembership : public ::testing::Test {
 protected:
  ~HostMembership() override { std::filesystem::remove_all(root_); }

  const std::filesystem::path root_ = testing::TempDir() + "tenaz-members-" + std::to_string(::getpid()) + "-" +
                                      testing::UnitTest::GetInstance()->current_test_info()->name();
};

std::vector<std::uint64_t> voters(const NodeStatus& status) {
  std::vector<std::uint64_t> out;
  if (status.configuration.joint()) return out;
  for (const NodeId id : status.configuration.voters) out.push_back(id.value);
  return out;
}

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(HostMembership, AClusterOfOneGrowsAndIsLeftByItsFounder) {
  Machine one(root_, 1), two(root_, 2), three(root_, 3);
  one.found({&one});
  ASSERT_FALSE(one.put().failure);

  two.join({three.address, one.address});  // nobody is at the first yet
  EXPECT_TRUE(two.status().joining);
  const ChangeResult added = one.change(raft::AddMember{two.member()});
  ASSERT_TRUE(added.done()) << added.detail;
  EXPECT_EQ(added.configuration.members[1].storage_id.size(), 16U);
  ASSERT_TRUE(until([&] { return voters(two.status()) == std::vector<std::uint64_t>{1, 2}; }));
  for (const auto& member : two.status().configuration.members) EXPECT_EQ(member.storage_id.size(), 16U);
  EXPECT_EQ(two.status().cluster_id, one.status().cluster_id);
  EXPECT_FALSE(two.status().joining);
  ASSERT_FALSE(two.put().failure) << "through the leader";

  three.join({two.address});
  ASSERT_TRUE(two.change(raft::AddMember{three.member()}).done()) << "a follower passes it on";
  ASSERT_TRUE(until([&] { return voters(three.status()) == std::vector<std::uint64_t>{1, 2, 3}; }));
  ASSERT_FALSE(three.put().failure);

  ASSERT_TRUE(one.change(raft::RemoveMember{NodeId{1}}).done()) << "the leader itself";
  ASSERT_TRUE(until([&] { return one.removed.load(); }));
  one.stop();
  ASSERT_FALSE(two.put().failure);
  EXPECT_THAT(voters(two.status()), ElementsAre(2, 3));

  one.start();
  ASSERT_TRUE(one.error);
  EXPECT_EQ(one.error->code, storage::ErrorCode::removed);
  EXPECT_THAT(one.error->message, HasSubstr("was removed from its cluster"));
  EXPECT_EQ(std::get<raft::ChangeFault>(two.change(raft::AddMember{one.member()}).fault),
            raft::ChangeFault::id_retired);
}

TEST_F(HostMembership, WhoIsAwayWhileItIsReplacedLearnsItLater) {
  Machine one(root_, 1), two(root_, 2), three(root_, 3), four(root_, 4);
  for (Machine* founder : {&one, &two, &three}) founder->found({&one, &two, &three});
  ASSERT_FALSE(one.put().failure);
  three.stop();

  four.join({one.address});
  raft::Member newcomer = four.member();
  newcomer.replaces = NodeId{3};
  ASSERT_TRUE(one.change(raft::AddMember{newcomer}).done());
  ASSERT_TRUE(until([&] { return voters(four.status()) == std::vector<std::uint64_t>{1, 2, 4}; }));

  three.start();
  ASSERT_TRUE(until([&] { return three.removed.load(); }));
  three.stop();
  three.start();
  ASSERT_TRUE(three.error);
  EXPECT_EQ(three.error->code, storage::ErrorCode::removed);
  ASSERT_FALSE(four.put().failure);
}

// Node 3 sleeps while all the others are replaced: nobody whom it knows is left, but the new ones call it.
TEST_F(HostMembership, AMemberThatSleptThroughItAllIsFoundAgain) {
  Machine one(root_, 1), two(root_, 2), three(root_, 3), four(root_, 4), five(root_, 5);
  for (Machine* founder : {&one, &two, &three}) founder->found({&one, &two, &three});
  ASSERT_FALSE(one.put().failure);
  three.stop();
  four.join({one.address});
  five.join({two.address});
  const auto replace = [&](Machine& at, Machine& newcomer, std::uint64_t old) {
    raft::Member member = newcomer.member();
    member.replaces = NodeId{old};
    ASSERT_TRUE(at.change(raft::AddMember{member}).done());
  };
  replace(two, four, 1);
  ASSERT_TRUE(until([&] { return one.removed && voters(two.status()) == std::vector<std::uint64_t>{2, 3, 4}; }));
  one.stop();
  replace(four, five, 2);
  ASSERT_TRUE(until([&] { return two.removed && voters(five.status()) == std::vector<std::uint64_t>{3, 4, 5}; }));
  two.stop();

  three.start();
  ASSERT_TRUE(until([&] { return voters(three.status()) == std::vector<std::uint64_t>{3, 4, 5}; }));
  ASSERT_FALSE(three.put().failure);
}

// A leader that nobody hears any more adds node 4, and remembers its disk. That comes to nothing, the disk is emptied,
// and another leader adds the node: the first one must not condemn the disk that the cluster has agreed on.
TEST_F(HostMembership, AnAdditionThatCameToNothingDoesNoHarm) {
  Machine one(root_, 1), two(root_, 2), three(root_, 3), four(root_, 4);
  for (Machine* founder : {&one, &two, &three}) {
    founder->elect_slowly();
    founder->found({&one, &two, &three});
  }
  ASSERT_FALSE(one.put().failure);
  std::vector<Machine*> others{&one, &two, &three};
  const auto leading = std::find_if(others.begin(), others.end(), [](Machine* machine) { return machine->leads(); });
  ASSERT_NE(leading, others.end());
  Machine& first = **leading;
  others.erase(leading);

  four.join({first.address});
  ASSERT_TRUE(until([&] { return !four.status().cluster_id.empty(); }));
  for (Machine* other : others) other->stop();
  const ChangeResult lost = first.change(raft::AddMember{four.member()}, milliseconds(300));
  ASSERT_FALSE(lost.done());
  ASSERT_FALSE(lost.not_applied) << "it was appended";
  ASSERT_TRUE(until([&] { return four.status().raft.term > raft::Term{}; })) << "the leader has called it";
  four.stop();
  first.stop();
  four.empty_disk();

  for (Machine* other : others) other->start();
  four.join({others[0]->address});
  const ChangeResult added = others[0]->change(raft::AddMember{four.member()});
  ASSERT_TRUE(added.done()) << added.detail;
  ASSERT_TRUE(until([&] { return voters(four.status()) == std::vector<std::uint64_t>{1, 2, 3, 4}; }));
  first.start();
  ASSERT_TRUE(until([&] {
    if (first.leads_with(4)) return true;
    first.ask_to_lead();
    return false;
  }));
  ASSERT_FALSE(four.put().failure);
}

// The log begins where node 1 was the only member, and names node 2 later: the state can only come from there, and
// nobody can lead without node 1.
TEST_F(HostMembership, AMissingStateIsFetchedFromAMemberThatIsNamedLaterInTheLog) {
  Machine one(root_, 1), two(root_, 2);
  one.found({&one});
  ASSERT_FALSE(one.put().failure);
  const raft::Configuration founding = one.status().configuration;
  two.join({one.address});
  ASSERT_TRUE(one.change(raft::AddMember{two.member()}).done());
  ASSERT_TRUE(until([&] { return voters(two.status()) == std::vector<std::uint64_t>{1, 2}; }));
  const storage::Revision revision = one.status().revision;
  one.stop();
  two.stop();
  one.lose_state_before(raft::Index{2}, founding);

  one.start();
  ASSERT_FALSE(one.error) << one.error->message;
  EXPECT_TRUE(one.status().state_missing);
  two.start();
  ASSERT_TRUE(until([&] { return !one.status().state_missing; }));
  ASSERT_FALSE(one.put().failure);
  EXPECT_GT(one.status().revision, revision);
}

TEST_F(HostMembership, WhoCannotBeAddedIsSaidWhy) {
  Machine one(root_, 1), other(root_, 2), joiner(root_, 3), nobody(root_, 4);
  one.found({&one});
  other.found({&other}, 'd');
  joiner.join({one.address});
  ASSERT_FALSE(one.put().failure);
  const auto fault = [&](const raft::Member& member) { return one.change(raft::AddMember{member}); };

  ChangeResult result = fault(nobody.member());
  EXPECT_EQ(std::get<AddressFault>(result.fault), AddressFault::unreachable);
  EXPECT_THAT(result.detail, HasSubstr("refused"));
  result = fault(other.member());
  EXPECT_EQ(std::get<AddressFault>(result.fault), AddressFault::wrong_cluster);
  EXPECT_THAT(result.detail, HasSubstr("wrong cluster"));
  raft::Member misnamed = joiner.member();
  misnamed.id = NodeId{9};
  EXPECT_EQ(std::get<AddressFault>(fault(misnamed).fault), AddressFault::wrong_node);
  raft::Member taken = joiner.member();
  taken.id = NodeId{1};
  EXPECT_EQ(std::get<raft::ChangeFault>(fault(taken).fault), raft::ChangeFault::id_taken);
  EXPECT_TRUE(fault(taken).not_applied);
  EXPECT_THAT(voters(one.status()), ElementsAre(1));

  EXPECT_EQ(std::get<raft::ChangeFault>(one.change(raft::RemoveMember{NodeId{1}}).fault),
            raft::ChangeFault::last_voter);
  EXPECT_EQ(std::get<raft::ChangeFault>(one.change(raft::PromoteMember{NodeId{7}}).fault),
            raft::ChangeFault::unknown_member);
  ASSERT_TRUE(fault(joiner.member()).done());
}

// Nobody calls it: it knows no member, and is none.
TEST_F(HostMembership, WhoComesWithAnIdThatWasRemovedIsTold) {
  Machine one(root_, 1), two(root_, 2);
  one.found({&one});
  ASSERT_FALSE(one.put().failure);
  two.join({one.address});
  raft::Member learner = two.member();
  learner.promote = false;
  ASSERT_TRUE(one.change(raft::AddMember{learner}).done());
  ASSERT_TRUE(one.change(raft::RemoveMember{NodeId{2}}).done()) << "perhaps before it knew of its addition";
  ASSERT_TRUE(until([&] { return two.removed.load(); }));
  two.stop();

  Machine again(root_ / "again", 2);
  again.join({one.address});
  ASSERT_TRUE(until([&] { return again.removed.load(); }));
  again.stop();
  again.start();
  ASSERT_TRUE(again.error);
  EXPECT_EQ(again.error->code, storage::ErrorCode::removed);
}

// Each call takes an open file, and nothing is won by more of them.
TEST_F(HostMembership, OnlySoManyAreCalledAtATime) {
  const int silent = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(silent, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(silent, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(::listen(silent, 64), 0);

  Machine one(root_, 1);
  one.call_patiently();
  one.found({&one});
  ASSERT_FALSE(one.put().failure);
  std::atomic<int> answered{0}, overloaded{0};
  raft::Member member = Machine(root_, 2).member();
  member.peer = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  for (int i = 0; i < 20; ++i)
    one.begin(raft::AddMember{member}, [&](const ChangeResult& result) {
      const auto* failure = std::get_if<Failure>(&result.fault);
      overloaded += failure && *failure == Failure::overloaded && result.not_applied;
      ++answered;
    });
  EXPECT_TRUE(until([&] { return answered >= 12; }));
  EXPECT_EQ(overloaded, 12);
  one.stop();
  EXPECT_EQ(answered, 20);
  ::close(silent);
}

// Whoever waits for its cluster, or for an answer, is not kept when the host stops.
TEST_F(HostMembership, StoppingAnswersWhatWaits) {
  Machine one(root_, 1), lost(root_, 2), joiner(root_, 3);
  one.found({&one});
  ASSERT_FALSE(one.put().failure);
  lost.join({free_address()});
  // It can be called, but does not know the cluster, and never will.
  std::promise<ChangeResult> answered;
  std::thread asking([&] { answered.set_value(one.change(raft::AddMember{lost.member()})); });
  auto result = answered.get_future();
  EXPECT_EQ(result.wait_for(milliseconds(300)), std::future_status::timeout);
  one.stop();
  EXPECT_EQ(std::get<Failure>(result.get().fault), Failure::stopping);
  asking.join();
}

}  // namespace
}  // namespace tenaz::server
