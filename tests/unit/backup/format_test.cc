// A backup file: what it holds, byte by byte, and that a file which is not what was written is refused, whatever has
// become of it.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "backup/reader.h"
#include "backup/writer.h"

namespace tenaz::backup {
namespace {

using Files = std::map<std::string, std::string>;

Header header_of(const Files& files) {
  Header header{.cluster_id = "0123456789abcdef",
                .node_id = 2,
                .applied_index = 40,
                .applied_term = 3,
                .term = 5,
                .revision = 31,
                .compact_revision = 7,
                .made_ms = 1700000000123,
                .cluster_name = "orders",
                .version = "0.1.0",
                .configuration_index = 4,
                .configuration = std::string("\x01\0\xff", 3)};
  header.files = static_cast<std::uint32_t>(files.size());
  for (const auto& [name, bytes] : files) header.file_bytes += bytes.size();
  return header;
}

std::string write(const Header& header, const Files& files, std::size_t piece = kMaxData) {
  Writer writer;
  std::string out;
  writer.begin(out, header);
  for (const auto& [name, bytes] : files) {
    writer.file(out, name, bytes.size());
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      writer.data(out, std::string_view(bytes).substr(at, piece));
  }
  writer.end(out);
  return out;
}

class Collector final : public Visitor {
 public:
  bool header(const Header& header) override {
    seen = header;
    return true;
  }
  bool file(const std::string& name, std::uint64_t bytes) override {
    current = name;
    files[name];
    promised[name] = bytes;
    return true;
  }
  bool data(std::string_view bytes) override {
    files[current] += bytes;
    return true;
  }
  Header seen;
  Files files;
  std::map<std::string, std::uint64_t> promised;
  std::string current;
};

std::variant<Summary, Fault> read_text(std::string_view text, Visitor& visitor) {
  return read(
      [&text](char* data, std::size_t size) {
        const std::size_t n = text.copy(data, size);
        text.remove_prefix(n);
        return static_cast<std::int64_t>(n);
      },
      visitor);
}

std::variant<Summary, Fault> check(std::string_view text) {
  Visitor nobody;
  return read_text(text, nobody);
}

bool good(std::string_view text) {
  return std::holds_alternative<Summary>(check(text));
}
std::string fault(std::string_view text) {
  const auto result = check(text);
  const auto* found = std::get_if<Fault>(&result);
  return found ? found->message : "(no fault)";
}

const Files kFiles = {{"CURRENT", "MANIFEST-000004\n"}, {"000012.sst", std::string(100, 'x')}, {"empty", ""}};

TEST(BackupFormat, IsReadAsItWasWritten) {
  Collector collector;
  const std::string text = write(header_of(kFiles), kFiles, 30);
  const auto result = read_text(text, collector);
  ASSERT_TRUE(std::holds_alternative<Summary>(result)) << std::get<Fault>(result).message;
  const Summary& summary = std::get<Summary>(result);
  EXPECT_EQ(summary.header, header_of(kFiles));
  EXPECT_EQ(collector.seen, header_of(kFiles));
  EXPECT_EQ(collector.files, kFiles);
  EXPECT_EQ(collector.promised.at("000012.sst"), 100u);
  EXPECT_EQ(summary.bytes, text.size());
  Hash whole;
  whole.update(text);
  EXPECT_EQ(summary.sha256, to_hex(whole.value()));
}

// A changed byte here is a new kFormat.
TEST(BackupFormat, TheBytes) {
  Header header;
  header.cluster_id = std::string(16, 'c');
  header.node_id = 1;
  header.applied_index = 2;
  header.applied_term = 3;
  header.term = 4;
  header.revision = 5;
  header.compact_revision = 6;
  header.made_ms = 7;
  header.files = 1;
  header.file_bytes = 3;
  header.cluster_name = "n";
  header.version = "v";
  header.configuration_index = 8;
  header.configuration = "q";
  const std::string text = write(header, {{"f", "abc"}});
  const std::string hex = to_hex(text);
  std::string expected =
      "74656e617a62616b"
      "01000000"
      "48"
      "6b000000";
  for (int i = 0; i < 16; ++i) expected += "63";
  for (const char* number : {"01", "02", "03", "04", "05", "06", "07"}) expected += number + std::string(14, '0');
  expected +=
      "01000000"
      "0300000000000000"
      "01000000"
      "6e"
      "01000000"
      "76"
      "0800000000000000"
      "01000000"
      "71";
  EXPECT_EQ(hex.substr(0, expected.size()), expected);
  EXPECT_NE(hex.find("46"
                     "09000000"
                     "0300000000000000"
                     "66"),
            std::string::npos);
  EXPECT_NE(hex.find("44"
                     "03000000"
                     "616263"),
            std::string::npos);
  std::string length;
  for (int i = 0; i < 8; ++i) length.push_back(static_cast<char>(text.size() >> (8 * i)));
  EXPECT_NE(hex.find("45"
                     "28000000" +
                     to_hex(length)),
            std::string::npos);
  // The sums are what SHA-256 says, not merely what the writer and the reader agree on: sha256sum of the bytes before.
  Hash before;
  before.update(std::string_view(text).substr(0, text.size() - kSumBytes));
  EXPECT_EQ(text.substr(text.size() - kSumBytes), before.value().substr(0, kSumBytes));
  Hash abc;
  abc.update("abc");
  EXPECT_EQ(to_hex(abc.value()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(BackupFormat, ItsLengthIsKnownBefore) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kMaxData, kMaxData + 1, 3 * kMaxData}) {
    const Files files = {{"a", std::string(size, 'a')}, {"b", "b"}};
    const Header header = header_of(files);
    std::uint64_t bytes = bytes_of_frame(header);
    for (const auto& [name, content] : files) bytes += bytes_of_file(name, content.size());
    EXPECT_EQ(write(header, files).size(), bytes) << size;
  }
}

TEST(BackupFormat, AnyFlippedByteIsNoticed) {
  const std::string text = write(header_of(kFiles), kFiles, 30);
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      std::string changed = text;
      changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ flip);
      ASSERT_FALSE(good(changed)) << "byte " << at << " ^ " << flip;
    }
  }
}

TEST(BackupFormat, ATruncatedFileIsNoticedAtEveryLength) {
  const std::string text = write(header_of(kFiles), kFiles, 30);
  for (std::size_t size = 0; size < text.size(); ++size)
    ASSERT_FALSE(good(std::string_view(text).substr(0, size))) << size;
  ASSERT_TRUE(good(text));
  EXPECT_EQ(fault(text + "x"), "something follows its end");
  EXPECT_EQ(fault(text + text), "something follows its end");
}

// The borders of what is written: begin, one for each file and piece, end.
std::vector<std::size_t> borders(const std::string& text) {
  std::vector<std::size_t> out = {kPreambleBytes};
  while (out.back() < text.size()) {
    std::size_t size = 0;
    for (int i = 4; i > 0; --i)
      size = (size << 8) | static_cast<unsigned char>(text[out.back() + static_cast<std::size_t>(i)]);
    out.push_back(out.back() + kRecordHeadBytes + size + kSumBytes);
  }
  return out;
}

TEST(BackupFormat, WholeRecordsThatAreLostSwappedOrDoubledAreNoticed) {
  const std::string text = write(header_of(kFiles), kFiles, 30);
  const auto at = borders(text);
  ASSERT_GT(at.size(), 8u);
  const auto record = [&](std::size_t i) { return text.substr(at[i], at[i + 1] - at[i]); };
  for (std::size_t i = 0; i + 1 < at.size(); ++i) {
    EXPECT_FALSE(good(text.substr(0, at[i]) + text.substr(at[i + 1]))) << "lost " << i;
    EXPECT_FALSE(good(text.substr(0, at[i]) + record(i) + text.substr(at[i]))) << "doubled " << i;
    EXPECT_FALSE(good(text.substr(0, at[i]))) << "cut at " << i;
    if (i + 2 < at.size()) {
      EXPECT_FALSE(good(text.substr(0, at[i]) + record(i + 1) + record(i) + text.substr(at[i + 2]))) << "swapped " << i;
    }
  }
}

// Random damage to random backups, as a dumb twin of the cases above.
TEST(BackupFormat, RandomDamageIsNoticed) {
  std::mt19937_64 random(4711);
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
  for (int round = 0; round < 300; ++round) {
    Files files;
    for (std::size_t i = 0, n = below(4); i <= n; ++i) files["f" + std::to_string(i)] = std::string(below(400), 'a');
    const std::string text = write(header_of(files), files, 1 + below(200));
    ASSERT_TRUE(good(text));
    std::string changed = text;
    for (std::size_t i = 0, n = 1 + below(3); i < n; ++i) {
      const std::size_t at = below(changed.size());
      switch (below(4)) {
        case 0:
          changed[at] = static_cast<char>(random());
          break;
        case 1:
          changed.erase(at, 1 + below(50));
          break;
        case 2:
          changed.insert(at, std::string(1 + below(50), static_cast<char>(random())));
          break;
        default:
          changed.resize(at);
      }
      if (changed.empty()) break;
    }
    if (changed != text) {
      ASSERT_FALSE(good(changed)) << "round " << round;
    }
  }
}

// Well-formed, with right checksums, and still no backup: what only a broken or hostile writer makes.
TEST(BackupFormat, RecordsInTheWrongPlaceAreRefused) {
  const Header header = header_of({{"f", "abc"}});
  const auto made = [&](const std::function<void(Writer&, std::string&)>& body) {
    Writer writer;
    std::string out;
    writer.begin(out, header);
    body(writer, out);
    return fault(out);
  };
  const std::string wrong = "does not belong there";
  EXPECT_NE(made([](Writer& w, std::string& o) {
              w.data(o, "abc");
              w.end(o);
            }).find(wrong),
            std::string::npos)
      << "data without a file";
  EXPECT_NE(made([](Writer& w, std::string& o) {
              w.file(o, "f", 3);
              w.data(o, "abcd");
            }).find(wrong),
            std::string::npos)
      << "more data than the file has";
  EXPECT_NE(made([](Writer& w, std::string& o) {
              w.file(o, "f", 3);
              w.data(o, "ab");
              w.end(o);
            }).find(wrong),
            std::string::npos)
      << "less";
  EXPECT_NE(made([](Writer& w, std::string& o) { w.end(o); }).find(wrong), std::string::npos) << "fewer files";
  for (const std::string& name : {std::string("../f"), std::string("a/b"), std::string(".."), std::string(""),
                                  std::string("a\0b", 3), std::string(256, 'a')}) {
    EXPECT_NE(made([&](Writer& w, std::string& o) { w.file(o, name, 3); }).find(wrong), std::string::npos) << name;
  }
  EXPECT_NE(made([](Writer& w, std::string& o) {
              w.file(o, "f", 0);
              w.file(o, "f", 3);
            }).find(wrong),
            std::string::npos)
      << "one name twice";
}

TEST(BackupFormat, ANewerFormatIsSaidToBeOne) {
  std::string text = write(header_of(kFiles), kFiles);
  text[8] = 2;
  const auto result = check(text);
  ASSERT_TRUE(std::holds_alternative<Fault>(result));
  EXPECT_EQ(std::get<Fault>(result).kind, Fault::Kind::newer_format);
  EXPECT_NE(std::get<Fault>(result).message.find("use the newer version"), std::string::npos);
  EXPECT_EQ(fault("not a backup at all"), "it is no backup of tenaz");
}

TEST(BackupFormat, AVisitorCanStop) {
  class Stopper final : public Visitor {
    bool data(std::string_view) override { return false; }
  } stopper;
  const auto result = read_text(write(header_of(kFiles), kFiles), stopper);
  ASSERT_TRUE(std::holds_alternative<Fault>(result));
  EXPECT_EQ(std::get<Fault>(result).kind, Fault::Kind::stopped);
}

TEST(BackupFormat, AFileThatIsNotThereIsNamed) {
  const auto result = check_file("/nonexistent/file");
  ASSERT_TRUE(std::holds_alternative<Fault>(result));
  EXPECT_EQ(std::get<Fault>(result).kind, Fault::Kind::io);
  EXPECT_NE(std::get<Fault>(result).message.find("/nonexistent/file"), std::string::npos);
}

}  // namespace
}  // namespace tenaz::backup
