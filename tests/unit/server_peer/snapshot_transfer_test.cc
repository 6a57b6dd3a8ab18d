// Images over real transports: whole, broken off, lost and damaged on the way.
#include "server/snapshot_transfer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <future>
#include <thread>

#include "storage/command.h"
#include "tests/unit/server_peer/support.h"

namespace tenaz::server::peer::test {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = 16 << 10;
constexpr std::size_t kWindow = 4;

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (fs::temp_directory_path() / "tenaz-snapshot-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// Node 1 has a state of some MiB and serves it; node 2 fetches it. The callbacks come from other threads and are
// brought to the test's own through the io_context, as a host would.
struct SnapshotTransfer : testing::Test {
  SnapshotTransfer() {
    auto opened = storage::StateMachine::open(source.path() / "state-0-1", storage::Options());
    EXPECT_TRUE(opened) << opened.error().message;
    state = std::move(*opened);
    fill(1500);
    a.hook = [this](raft::NodeId from, PeerMessage& message) {
      if (auto* request = std::get_if<SnapshotRequest>(&message)) sender->on_request(from, std::move(*request), state);
    };
    b.hook = [this](raft::NodeId from, PeerMessage& message) { at_b(from, message); };
    introduce({&a, &b});
    EXPECT_TRUE(until([&] { return a.connected_to(b) && b.connected_to(a); }));
    make_sender({});
    make_fetcher(std::chrono::seconds(30));
  }

  void fill(std::size_t puts) {
    std::mt19937_64 random(state->applied_index().value + 1);
    for (std::size_t i = 0; i < puts; ++i) {
      storage::pb::Command command;
      command.set_apply_version(storage::kApplyVersion);
      command.mutable_put()->set_key("key-" + std::to_string(random() % 1'000'000));
      std::string value(1000, '\0');
      for (char& c : value) c = static_cast<char>(random());
      command.mutable_put()->set_value(value);
      storage::PayloadBuilder builder;
      builder.add(command.SerializeAsString());
      const raft::Entry entry{raft::Term{3}, state->applied_index().next(), raft::EntryKind::commands,
                              builder.finish(1)};
      const auto applied = state->apply(std::span(&entry, 1), raft::NodeId{1});
      ASSERT_TRUE(applied) << applied.error().message;
    }
  }

  SnapshotSend through(TestNode& node) {
    return [this, &node](raft::NodeId to, PeerMessage message) {
      boost::asio::post(io, [&node, to, message = std::move(message)]() mutable {
        if (node.open()) node.transport().send(to, std::move(message));
      });
    };
  }
  void make_sender(SnapshotSender::Options options) {
    options.events = &events;
    sender = std::make_unique<SnapshotSender>(source.path(), through(a), options);
  }
  void make_fetcher(std::chrono::nanoseconds give_up, std::uint64_t reserve_bytes = 0,
                    std::size_t piece_bytes = kPiece) {
    SnapshotFetcher::Options options;
    options.events = &events;
    options.piece_bytes = piece_bytes;
    options.window = kWindow;
    options.retry = std::chrono::milliseconds(50);
    options.give_up = give_up;
    options.reserve_bytes = reserve_bytes;
    fetcher = std::make_unique<SnapshotFetcher>(target.path(), through(b), options);
  }

  void at_b(raft::NodeId from, PeerMessage& message) {
    if (auto* manifest = std::get_if<SnapshotManifest>(&message)) {
      image_bytes = 0;
      for (const auto& file : manifest->manifest.files) image_bytes += file.bytes;
      fetcher->on_manifest(from, std::move(*manifest));
    } else if (auto* data = std::get_if<SnapshotData>(&message)) {
      ++pieces;
      received_bytes += data->bytes.size();
      if (tamper && !tamper(*data)) return;
      fetcher->on_data(from, std::move(*data));
    }
  }

  struct CountedEvents final : SnapshotEvents {
    void snapshot_moved(Direction direction, std::uint64_t bytes) override {
      (direction == Direction::in ? in : out) += bytes;
    }
    void snapshot_resumed() override { ++resumed; }
    void snapshot_ended(Direction direction, bool whole, std::chrono::nanoseconds) override {
      ++(direction == Direction::in ? (whole ? got : failed) : (whole ? sent : abandoned));
    }
    std::atomic<std::uint64_t> in{0}, out{0}, resumed{0}, got{0}, failed{0}, sent{0}, abandoned{0};
  };

  struct Image {
    raft::Index index;
    raft::Term term;
    std::string id;
  };
  Image make_image() {
    std::optional<Image> image;
    sender->make_image(state, [&](raft::Index index, raft::Term term, const std::string& id) {
      boost::asio::post(io, [&image, index, term, id] { image = Image{index, term, id}; });
    });
    EXPECT_TRUE(until([&] { return image.has_value(); }));
    return image.value_or(Image{});
  }

  void start(const Image& image) {
    raft::SnapshotMeta meta;
    meta.index = image.index;
    meta.term = image.term;
    fetcher->start(raft::NodeId{1}, meta, image.id, [this](storage::Result<std::string> result) {
      boost::asio::post(io, [this, result = std::move(result)] { results.push_back(result); });
    });
  }
  std::string outcome() {
    EXPECT_TRUE(until([&] { return !results.empty(); })) << log.all();
    if (results.empty()) return "nothing";
    return results[0] ? "done" : results[0].error().message;
  }
  // What was fetched is the state that was sent.
  void expect_equal_state() {
    ASSERT_EQ(outcome(), "done") << log.all();
    const auto copy = must_open(*results[0]);
    EXPECT_EQ(copy->applied_index(), state->applied_index());
    EXPECT_EQ(copy->applied_term(), raft::Term{3});
    EXPECT_EQ(*copy->digest(), *state->digest());
  }
  std::unique_ptr<storage::StateMachine> must_open(const std::string& directory) {
    auto opened = storage::StateMachine::open(target.path() / directory, storage::Options());
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }
  bool until(const std::function<bool()>& condition) { return run_until(io, condition, std::chrono::seconds(60)); }

  CapturedLog log;
  CountedEvents events;
  TemporaryDirectory source;
  TemporaryDirectory target;
  boost::asio::io_context io;
  TestNode a{io, 1};
  TestNode b{io, 2};
  std::shared_ptr<storage::StateMachine> state;
  std::size_t pieces = 0;
  std::uint64_t image_bytes = 0;
  std::uint64_t received_bytes = 0;
  std::function<bool(SnapshotData&)> tamper;  // false: lost
  std::vector<storage::Result<std::string>> results;
  std::unique_ptr<SnapshotSender> sender;
  std::unique_ptr<SnapshotFetcher> fetcher;
};

TEST_F(SnapshotTransfer, TheWholeStateArrives) {
  const Image image = make_image();
  EXPECT_EQ(image.index, state->applied_index());
  EXPECT_EQ(image.term, raft::Term{3});
  start(image);
  expect_equal_state();
  EXPECT_GT(image_bytes, 1'000'000U);
  EXPECT_EQ(received_bytes, image_bytes);
  EXPECT_EQ(events.in, image_bytes);
  EXPECT_EQ(events.out, image_bytes);
  EXPECT_EQ(events.got, 1U);
  EXPECT_EQ(events.sent, 1U);
  EXPECT_EQ(events.resumed + events.failed + events.abandoned, 0U);
  EXPECT_EQ(log.count("snapshot: sending image " + image.id), 1U) << log.all();
  EXPECT_EQ(log.count("was sent all of index"), 1U) << log.all();
  EXPECT_EQ(log.count("is here, in " + *results[0]), 1U) << log.all();
}

TEST_F(SnapshotTransfer, ItsProgressShowsOnBothSides) {
  EXPECT_TRUE(sender->progress().empty());
  EXPECT_FALSE(fetcher->progress());
  tamper = [this](SnapshotData&) { return pieces < 20; };
  const Image image = make_image();
  start(image);
  ASSERT_TRUE(until([&] { return pieces >= 20; }));
  ASSERT_TRUE(until([&] { return fetcher->progress() && fetcher->progress()->bytes_done > 0; }));
  const auto in = fetcher->progress();
  EXPECT_EQ(in->peer, raft::NodeId{1});
  EXPECT_EQ(in->direction, Direction::in);
  EXPECT_EQ(in->index, image.index);
  EXPECT_EQ(in->bytes_total, image_bytes);
  EXPECT_LT(in->bytes_done, image_bytes);
  const auto out = sender->progress();
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].peer, raft::NodeId{2});
  EXPECT_EQ(out[0].direction, Direction::out);
  EXPECT_EQ(out[0].bytes_total, image_bytes);
  EXPECT_GT(out[0].bytes_done, 0U);
  EXPECT_LT(out[0].bytes_done, image_bytes);
  tamper = nullptr;
  expect_equal_state();
  EXPECT_TRUE(sender->progress().empty());
  EXPECT_FALSE(fetcher->progress());
  EXPECT_GE(events.resumed, 1U);
}

TEST_F(SnapshotTransfer, NoFasterThanTheLimit) {
  SnapshotSender::Options options;
  options.bytes_per_second = 4 << 20;
  make_sender(options);
  const Image image = make_image();
  const auto began = std::chrono::steady_clock::now();
  start(image);
  expect_equal_state();
  const double least = static_cast<double>(image_bytes) / (4 << 20) - 0.1;
  EXPECT_GE(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(), least);
  EXPECT_GT(least, 0.2) << "the image is too small to show it";
  EXPECT_EQ(events.resumed, 0U);
}

// A piece takes longer than the receiver waits before it asks again; still nothing is sent twice for that.
TEST_F(SnapshotTransfer, ASlowSenderIsNotMadeSlowerByBeingAskedAgain) {
  SnapshotSender::Options options;
  options.bytes_per_second = 1 << 20;
  make_sender(options);
  make_fetcher(std::chrono::seconds(30), 0, 128 << 10);
  start(make_image());
  expect_equal_state();
  EXPECT_LE(received_bytes, image_bytes + image_bytes / 4);
}

TEST_F(SnapshotTransfer, WhoAsksNoLongerIsForgotten) {
  SnapshotSender::Options options;
  options.given_up_after = std::chrono::milliseconds(300);
  make_sender(options);
  tamper = [this](SnapshotData&) { return pieces < 5; };
  start(make_image());
  ASSERT_TRUE(until([&] { return sender->progress().size() == 1 && pieces >= 5; }));
  fetcher.reset();
  EXPECT_TRUE(until([&] { return events.abandoned == 1; }));
  EXPECT_TRUE(sender->progress().empty());
  EXPECT_EQ(log.count("asks no longer for image"), 1U) << log.all();
}

// Of a big state it takes long, and who asks has heartbeats to send.
TEST_F(SnapshotTransfer, AnImageIsNotMadeByWhoAsksForIt) {
  std::promise<std::thread::id> maker;
  sender->make_image(state,
                     [&](raft::Index, raft::Term, const std::string&) { maker.set_value(std::this_thread::get_id()); });
  EXPECT_NE(maker.get_future().get(), std::this_thread::get_id());
}

TEST_F(SnapshotTransfer, GoesOnWhereItWasAfterBrokenConnections) {
  start(make_image());
  for (const std::size_t at : {10U, 30U, 50U}) {
    ASSERT_TRUE(until([&] { return pieces >= at; }));
    b.end();
    b.begin();
    introduce({&a, &b});
  }
  for (const std::size_t at : {60U, 70U}) {
    ASSERT_TRUE(until([&] { return pieces >= at; }));
    a.end();
    a.begin();
    introduce({&a, &b});
  }
  expect_equal_state();
  // Each break costs at most the window, asked for a second time.
  EXPECT_LE(received_bytes, image_bytes + 5 * 2 * kWindow * kPiece);
  EXPECT_LE(events.out, image_bytes + 5 * 2 * kWindow * kPiece);
}

// The same image is offered to the new process, which finds what the old one had.
TEST_F(SnapshotTransfer, GoesOnWhereItWasAfterARestartOfTheReceiver) {
  const Image image = make_image();
  for (const std::size_t at : {20U, 40U}) {
    start(image);
    ASSERT_TRUE(until([&] { return pieces >= at; }));
    fetcher.reset();
    make_fetcher(std::chrono::seconds(30));
  }
  start(image);
  expect_equal_state();
  EXPECT_GE(received_bytes, image_bytes);
  EXPECT_LE(received_bytes, image_bytes + 2 * 2 * kWindow * kPiece);
  EXPECT_GE(events.resumed, 2U);
  EXPECT_EQ(log.count("are here already, from an earlier attempt"), 2U) << log.all();
}

TEST_F(SnapshotTransfer, WhatNobodyGoesOnWithIsRemoved) {
  tamper = [this](SnapshotData&) { return pieces < 20; };
  start(make_image());
  ASSERT_TRUE(until([&] { return pieces >= 20; }));
  fetcher.reset();
  ASSERT_FALSE(fs::is_empty(target.path()));
  SnapshotFetcher::Options options;
  options.keep_partial = std::chrono::milliseconds(50);
  fetcher = std::make_unique<SnapshotFetcher>(target.path(), through(b), options);
  EXPECT_TRUE(until([&] { return fs::is_empty(target.path()); }));
}

TEST_F(SnapshotTransfer, LostPiecesAreAskedForAgain) {
  tamper = [this](SnapshotData&) { return pieces % 11 != 0; };
  start(make_image());
  expect_equal_state();
}

TEST_F(SnapshotTransfer, ADamagedPieceIsNoticedAndItsFileFetchedAgain) {
  bool damaged = false;
  tamper = [&](SnapshotData& data) {
    if (!damaged && data.bytes.size() == kPiece) {
      data.bytes[100] = static_cast<char>(data.bytes[100] ^ 1);
      damaged = true;
    }
    return true;
  };
  start(make_image());
  expect_equal_state();
  EXPECT_TRUE(damaged);
  EXPECT_EQ(log.count("does not match its checksum; it is fetched again"), 1U) << log.all();
}

TEST_F(SnapshotTransfer, AnImageThatIsDamagedEachTimeFails) {
  tamper = [](SnapshotData& data) {
    data.bytes[0] = static_cast<char>(data.bytes[0] ^ 1);
    return true;
  };
  start(make_image());
  EXPECT_THAT(outcome(), testing::HasSubstr("does not match its checksum"));
  EXPECT_TRUE(fs::is_empty(target.path()));
}

TEST_F(SnapshotTransfer, AnUnknownImageFailsAtOnce) {
  start({raft::Index{5}, raft::Term{1}, "no-such-image"});
  EXPECT_EQ(outcome(), "the sender no longer has image no-such-image");
}

TEST_F(SnapshotTransfer, AnImageWithoutRoomForItFails) {
  make_fetcher(std::chrono::seconds(30), fs::space(target.path()).capacity);
  start(make_image());
  EXPECT_THAT(outcome(), testing::HasSubstr("does not fit"));
  EXPECT_TRUE(fs::is_empty(target.path()));
}

TEST_F(SnapshotTransfer, AnyImageThatStandsFarEnoughIsServed) {
  start({state->applied_index(), raft::Term{}, ""});
  expect_equal_state();
  EXPECT_EQ(received_bytes, image_bytes);
}

TEST_F(SnapshotTransfer, AnyImageIsOneThatIsThereIfThatWillDo) {
  const Image image = make_image();
  fill(1);
  start({image.index, raft::Term{}, ""});
  ASSERT_EQ(outcome(), "done");
  EXPECT_EQ(must_open(*results[0])->applied_index(), image.index);
}

TEST_F(SnapshotTransfer, NoImageStandsFartherThanTheState) {
  start({state->applied_index().next(), raft::Term{}, ""});
  EXPECT_EQ(outcome(), "the sender has no image that would do");
}

TEST_F(SnapshotTransfer, WithoutProgressItGivesUp) {
  make_fetcher(std::chrono::milliseconds(200));
  tamper = [this](SnapshotData&) { return pieces < 5; };
  start(make_image());
  EXPECT_EQ(outcome(), "nothing came from the sender for too long");
}

TEST_F(SnapshotTransfer, HurriedItGivesUpSooner) {
  make_fetcher(std::chrono::hours(1));
  tamper = [this](SnapshotData&) { return pieces < 5; };
  start(make_image());
  ASSERT_TRUE(until([&] { return pieces >= 5; }));
  fetcher->hurry();
  EXPECT_EQ(outcome(), "nothing came from the sender for too long");
}

TEST_F(SnapshotTransfer, HurriedItStillFinishesWhileThePiecesCome) {
  start(make_image());
  fetcher->hurry();
  expect_equal_state();
}

TEST_F(SnapshotTransfer, ALaterFetchTakesThePlaceOfTheFormer) {
  tamper = [](SnapshotData&) { return false; };
  start(make_image());
  ASSERT_TRUE(until([&] { return pieces > 0; }));
  tamper = nullptr;
  fill(10);
  start(make_image());
  expect_equal_state();
  EXPECT_EQ(results.size(), 1U);
}

TEST_F(SnapshotTransfer, AnImageThatIsBeingSentIsNotThrownOutForAnother) {
  SnapshotSender::Options options;
  options.max_images = 1;
  make_sender(options);
  tamper = [this](SnapshotData&) { return pieces < 5; };
  const Image first = make_image();
  start(first);
  ASSERT_TRUE(until([&] { return sender->progress().size() == 1 && pieces >= 5; }));
  fill(1);
  EXPECT_EQ(make_image().id, first.id);
  tamper = nullptr;
  EXPECT_EQ(outcome(), "done");
  EXPECT_NE(make_image().id, first.id);
}

TEST_F(SnapshotTransfer, ImagesAreSharedLimitedAndRemoved) {
  SnapshotSender::Options options;
  options.max_images = 2;
  make_sender(options);
  const Image first = make_image();
  EXPECT_EQ(make_image().id, first.id);  // nothing was applied in between
  fill(1);
  const Image second = make_image();
  EXPECT_NE(second.id, first.id);
  EXPECT_EQ(second.index, first.index.next());
  fill(1);
  make_image();
  start(first);
  EXPECT_EQ(outcome(), "the sender no longer has image " + first.id);
  EXPECT_FALSE(fs::exists(source.path() / "images" / first.id));
  EXPECT_TRUE(fs::exists(source.path() / "images" / second.id));

  options.keep_unused = std::chrono::milliseconds(1);
  make_sender(options);
  const Image third = make_image();
  EXPECT_TRUE(until([&] { return !fs::exists(source.path() / "images" / third.id); }));
}

}  // namespace
}  // namespace tenaz::server::peer::test
