// tenazctl backup and verify-backup: what is kept is a whole backup, whatever the node, the network or the disk does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

#include "backup/writer.h"
#include "client/client.h"
#include "tests/unit/client/scripted_server.h"
#include "tests/unit/client/tenazctl_program.h"

namespace tenaz::client {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::string whole_backup(std::size_t bytes = 3 << 20) {
  backup::Header header;
  header.cluster_id = "0123456789abcdef";
  header.cluster_name = "orders";
  header.node_id = 2;
  header.applied_index = 40;
  header.applied_term = 3;
  header.term = 5;
  header.revision = 31;
  header.made_ms = 1700000000123;
  header.version = "0.1.0";
  header.files = 1;
  header.file_bytes = bytes;
  backup::Writer writer;
  std::string out;
  writer.begin(out, header);
  writer.file(out, "f", bytes);
  for (std::size_t left = bytes; left > 0;) {
    const std::size_t piece = std::min(left, backup::kMaxData);
    writer.data(out, std::string(piece, 'x'));
    left -= piece;
  }
  writer.end(out);
  return out;
}

class BackupCommand : public testing::Test {
 protected:
  BackupCommand() : dir_(testing::TempDir() + "tenazctl_backup." + std::to_string(::getpid())) {
    fs::create_directories(dir_);
  }
  ~BackupCommand() override { fs::remove_all(dir_); }
  std::string file() const { return (dir_ / "b").string(); }
  std::vector<std::string> files() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(dir_)) out.push_back(entry.path().filename().string());
    return out;
  }
  static ScriptedServer::Script always(Answer answer) {
    return [answer](const Asked&) { return answer; };
  }
  const fs::path dir_;
};

TEST_F(BackupCommand, KeepsWhatTheNodeSent) {
  const std::string bytes = whole_backup();
  ScriptedServer node(always(answer(200, bytes)));
  const Ended ended = run({"--endpoints", node.url(), "backup", file()});
  EXPECT_EQ(ended.code, 0) << ended.error;
  EXPECT_TRUE(content(file()) == bytes);
  EXPECT_THAT(ended.out, HasSubstr("revision  31\n"));
  EXPECT_THAT(ended.out, HasSubstr("orders, id 30313233343536373839616263646566"));
  EXPECT_THAT(ended.out, HasSubstr("bytes     " + std::to_string(bytes.size())));
  EXPECT_THAT(ended.out, HasSubstr("made      2023-11-14T22:13:20Z by node 2, tenaz 0.1.0"));
  backup::Hash hash;
  hash.update(bytes);
  EXPECT_THAT(ended.out, HasSubstr("sha256    " + backup::to_hex(hash.value())));
  EXPECT_THAT(files(), testing::ElementsAre("b"));
  EXPECT_THAT(node.asked().at(0).target, StartsWith("/v1/backup?timeout="));
  EXPECT_EQ(fs::status(file()).permissions() & fs::perms::others_all, fs::perms::none) << "it holds every value";
}

TEST_F(BackupCommand, Json) {
  ScriptedServer node(always(answer(200, whole_backup())));
  const Ended ended = run({"-o", "json", "--endpoints", node.url(), "backup", "--consistency", "local", file()});
  const auto shown = boost::json::parse(ended.out);
  EXPECT_EQ(shown.at("revision"), 31);
  EXPECT_EQ(shown.at("cluster_name"), "orders");
  EXPECT_EQ(shown.at("term"), 5);
  EXPECT_EQ(shown.at("sha256").as_string().size(), 64u);
  EXPECT_THAT(node.asked().at(0).target, StartsWith("/v1/backup?consistency=local&"));
}

TEST_F(BackupCommand, AnExistingFileIsLeftAlone) {
  ScriptedServer node(always(answer(200, whole_backup())));
  std::ofstream(file()) << "mine";
  const Ended ended = run({"--endpoints", node.url(), "backup", file()});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.error, HasSubstr("exists already"));
  EXPECT_EQ(content(file()), "mine");
  EXPECT_THAT(node.asked(), IsEmpty());
  fs::remove(file());
  fs::create_symlink("nowhere", file());
  EXPECT_EQ(run({"--endpoints", node.url(), "backup", file()}).code, 1) << "nor is a link that leads nowhere followed";
}

TEST_F(BackupCommand, ATruncatedStreamIsNotKept) {
  const std::string bytes = whole_backup();
  // Fewer bytes than announced, as after a node's death; and a length that agrees with a truncated body.
  Answer cut = answer(200, bytes);
  cut.bytes.resize(cut.bytes.size() - 100);
  cut.then = Answer::Then::close;
  for (const Answer& given : {cut, answer(200, bytes.substr(0, bytes.size() - 1)), answer(200, "")}) {
    ScriptedServer node(always(given));
    const Ended ended = run({"--endpoints", node.url(), "backup", file()});
    EXPECT_NE(ended.code, 0);
    EXPECT_NE(ended.error, "");
    EXPECT_THAT(files(), IsEmpty());
  }
}

TEST_F(BackupCommand, AFlippedByteIsNotKept) {
  std::string bytes = whole_backup();
  bytes[bytes.size() / 2] ^= 1;
  ScriptedServer node(always(answer(200, bytes)));
  const Ended ended = run({"--endpoints", node.url(), "backup", file()});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.error, HasSubstr("does not match its checksum"));
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(BackupCommand, AnotherNodeIsAskedWhereOneCannot) {
  ScriptedServer busy(always(problem(429, "overloaded", "")));
  ScriptedServer node(always(answer(200, whole_backup())));
  EXPECT_EQ(run({"--endpoints", dead_url() + "," + busy.url() + "," + node.url(), "backup", file()}).code, 0);
  const Ended refused = run({"--endpoints", busy.url(), "backup", (dir_ / "c").string()});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.error, HasSubstr("overloaded"));
  EXPECT_EQ(run({"--endpoints", dead_url(), "backup", (dir_ / "c").string()}).code, 3);
  EXPECT_THAT(files(), testing::ElementsAre("b"));
}

TEST_F(BackupCommand, AFileThatCannotBeMadeIsNamed) {
  ScriptedServer node(always(answer(200, whole_backup())));
  const Ended ended = run({"--endpoints", node.url(), "backup", (dir_ / "no" / "such" / "b").string()});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.error, HasSubstr("no/such/b"));
  EXPECT_EQ(run({"backup"}).code, 2);
}

TEST_F(BackupCommand, VerifyTellsAWholeOneFromAnyOther) {
  const std::string bytes = whole_backup(1000);
  std::ofstream(file(), std::ios::binary) << bytes;
  const Ended good = run({"verify-backup", file()});
  EXPECT_EQ(good.code, 0) << good.error;
  EXPECT_THAT(good.out, HasSubstr("a whole backup\nrevision  31\n"));
  for (const std::size_t at : {std::size_t{0}, std::size_t{8}, std::size_t{300}, bytes.size() - 1}) {
    std::string changed = bytes;
    changed[at] ^= 4;
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << changed;
    const Ended bad = run({"verify-backup", file()});
    EXPECT_EQ(bad.code, 1) << at;
    EXPECT_THAT(bad.error, HasSubstr(file()));
    EXPECT_EQ(bad.out, "");
  }
  std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes.substr(0, 500);
  EXPECT_THAT(run({"verify-backup", file()}).error, HasSubstr("truncated"));
  EXPECT_EQ(run({"verify-backup", (dir_ / "none").string()}).code, 1);
}

}  // namespace
}  // namespace tenaz::client
