#include "storage/backup.h"

#include <gtest/gtest.h>

#include <thread>

#include "backup/reader.h"
#include "raft/membership.h"
#include "tests/unit/storage/support.h"

namespace tenaz::storage {
namespace {

using namespace test;

class BackupTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(node());
    state_ = must(StateMachine::open(node() / "state-0-0", small_options()));
    for (int i = 0; i < 500; ++i) apply(put("key" + std::to_string(i % 200), std::string(2000, static_cast<char>(i))));
  }
  void apply(const pb::Command& c) {
    const auto e = entry(state_->applied_index().value + 1, {c}, 3);
    must(state_->apply({&e, 1}, kSelf));
  }
  fs::path node() const { return dir_.path() / "node"; }

  BackupOrigin origin() const {
    return {"0123456789abcdef", "orders", raft::NodeId(2), raft::Term(9), one_member(), raft::Index(0), 1234, "0.1.0"};
  }
  std::unique_ptr<BackupImage> make(const std::string& id = "b1") {
    return must(BackupImage::create(*state_, node(), id, origin()));
  }
  static std::string all_of(BackupImage& image) {
    std::string out;
    for (;;) {
      const std::string piece = must(image.next());
      if (piece.empty()) return out;
      EXPECT_LE(piece.size(), backup::kMaxData + 1024);
      out += piece;
    }
  }

  // Writes what goes by into a directory.
  class Unpacker final : public backup::Visitor {
   public:
    explicit Unpacker(fs::path to) : to_(std::move(to)) { fs::create_directories(to_); }
    bool file(const std::string& name, std::uint64_t) override {
      out_ = std::ofstream(to_ / name, std::ios::binary);
      return true;
    }
    bool data(std::string_view bytes) override {
      out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      return true;
    }

   private:
    fs::path to_;
    std::ofstream out_;
  };
  backup::Summary unpack(const std::string& text, const fs::path& to) {
    write_file(dir_.path() / "file", text);
    Unpacker unpacker(to);
    auto read = backup::read_file((dir_.path() / "file").string(), unpacker);
    if (const auto* fault = std::get_if<backup::Fault>(&read)) throw std::runtime_error(fault->message);
    return std::get<backup::Summary>(read);
  }

  TempDir dir_;
  std::unique_ptr<StateMachine> state_;
};

TEST_F(BackupTest, HoldsTheStateAsItWasWhenItWasMade) {
  apply(compact(100));
  const std::string digest = must(state_->digest());
  auto image = make();
  apply(put("later", "than the backup"));
  const std::string text = all_of(*image);
  EXPECT_EQ(text.size(), image->bytes()) << "what the reader of the stream is promised";
  const backup::Summary summary = unpack(text, dir_.path() / "copy");
  const backup::Header& header = summary.header;
  EXPECT_EQ(header, image->header());
  EXPECT_EQ(header.cluster_id, "0123456789abcdef");
  EXPECT_EQ(header.cluster_name, "orders");
  EXPECT_EQ(header.node_id, 2u);
  EXPECT_EQ(header.applied_index, 501u);
  EXPECT_EQ(header.applied_term, 3u);
  EXPECT_EQ(header.term, 9u) << "the node's, which may be ahead of the last entry";
  EXPECT_EQ(header.revision, 500u);
  EXPECT_EQ(header.compact_revision, 100u);
  EXPECT_EQ(header.made_ms, 1234u);
  EXPECT_EQ(header.version, "0.1.0");
  const auto copy = must(StateMachine::open(dir_.path() / "copy", small_options()));
  EXPECT_EQ(must(copy->digest()), digest);
  EXPECT_EQ(copy->applied_index(), raft::Index(501));
}

TEST_F(BackupTest, TheConfigurationIsTheLatestThatWasApplied) {
  EXPECT_EQ(raft::decode_configuration(make("b1")->header().configuration), one_member());
  raft::Configuration next = one_member();
  next.retired = {raft::NodeId(7)};
  const raft::Entry change{raft::Term(3), raft::Index(501), raft::EntryKind::configuration,
                           raft::make_payload(raft::encode(next))};
  must(state_->apply({&change, 1}, kSelf));
  apply(put("a", "b"));
  auto image = make("b2");
  EXPECT_EQ(image->header().configuration_index, 501u);
  const auto read = raft::decode_configuration(image->header().configuration);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->retired, next.retired) << "ids that are not used again";
}

TEST_F(BackupTest, IsConsistentWhileTheStateChanges) {
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t index = 501; !done; ++index) {
      // Two keys that are always equal: put in one entry.
      const auto e = entry(index, {put("twin-a", std::to_string(index)), put("twin-b", std::to_string(index))}, 3);
      must(state_->apply({&e, 1}, kSelf));
    }
  });
  for (int i = 0; i < 10; ++i) {
    auto image = make("b" + std::to_string(i));
    const std::string text = all_of(*image);
    const fs::path to = dir_.path() / ("copy" + std::to_string(i));
    const backup::Summary summary = unpack(text, to);
    const auto copy = must(StateMachine::open(to, small_options()));
    EXPECT_EQ(copy->applied_index().value, summary.header.applied_index);
    EXPECT_EQ(copy->reader().revision().value, summary.header.revision);
    const auto a = must(copy->reader().get("twin-a", {})).found, b = must(copy->reader().get("twin-b", {})).found;
    ASSERT_EQ(a.has_value(), b.has_value());
    if (a) {
      EXPECT_EQ(a->value, b->value);
      EXPECT_EQ(a->value, std::to_string(summary.header.applied_index));
    }
  }
  done = true;
  writer.join();
}

TEST_F(BackupTest, SeveralAtATimeAndWithImagesOfSnapshots) {
  std::vector<std::thread> makers;
  std::atomic<int> made{0};
  for (int i = 0; i < 4; ++i) {
    makers.emplace_back([&, i] {
      for (int n = 0; n < 5; ++n) {
        const auto image = make("t" + std::to_string(i) + "-" + std::to_string(n));
        made += image->header().revision == 500u ? 1 : 0;
      }
    });
  }
  for (auto& maker : makers) maker.join();
  EXPECT_EQ(made, 20);
}

TEST_F(BackupTest, ItsFilesGoWithIt) {
  auto image = make();
  EXPECT_TRUE(fs::exists(node() / "images" / "b1"));
  must(image->next());
  must(image->next());
  image.reset();
  EXPECT_FALSE(fs::exists(node() / "images" / "b1"));
}

// A backup is kept for the day on which nothing else is left: damage must show when it is made.
TEST_F(BackupTest, OfADamagedTableIsAnError) {
  must(state_->flush());
  const std::string table = damage_table(node() / "state-0-0").filename().string();
  auto image = make();
  Result<std::string> piece = image->next();
  while (piece && !piece->empty()) piece = image->next();
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().code, ErrorCode::corruption);
  EXPECT_NE(piece.error().message.find(table), std::string::npos) << piece.error().message;
  EXPECT_TRUE(must(image->next()).empty()) << "and nothing follows";
}

TEST_F(BackupTest, AFileThatGetsLostOnTheWayIsAnError) {
  auto image = make();
  for (const auto& file : fs::directory_iterator(node() / "images" / "b1")) fs::remove(file.path());
  Result<std::string> piece = image->next();
  while (piece && !piece->empty()) piece = image->next();
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().code, ErrorCode::io);
  EXPECT_TRUE(must(image->next()).empty()) << "and nothing follows";
}

}  // namespace
}  // namespace tenaz::storage
