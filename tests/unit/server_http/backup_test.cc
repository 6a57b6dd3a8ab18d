// GET /v1/backup: streamed as the client takes it, whatever the client does; refused when the node cannot.
#include "tests/unit/server_http/client.h"

namespace tenaz::server::test {
namespace {

class Backups : public HttpTest {
 protected:
  static constexpr std::size_t kPiece = 1 << 20;
  // Far more than the kernel's buffers of a connection take.
  static std::vector<std::string> many() { return std::vector<std::string>(64, std::string(kPiece, 'x')); }
};

TEST_F(Backups, AreStreamedWhole) {
  node_->offer_backup({"begin", std::string(3 * kPiece, 'a'), "end"});
  Connection connection(port());
  const Reply reply = connection.ask(request("GET", "/v1/backup"));
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.header("content-type"), "application/octet-stream");
  EXPECT_EQ(reply.header("content-length"), std::to_string(3 * kPiece + 8));
  EXPECT_EQ(reply.header("tenaz-revision"), "7");
  EXPECT_TRUE(reply.body == "begin" + std::string(3 * kPiece, 'a') + "end");
  EXPECT_EQ(node_->read_indexes(), 1u) << "what was acknowledged before is in it";
  EXPECT_TRUE(eventually([&] { return node_->open_backups() == 0; })) << "though the connection is kept";
  EXPECT_EQ(connection.ask(request("GET", "/v1/backup")).status, 200u);
  EXPECT_EQ(connection.ask(request("GET", "/livez")).status, 200u);
}

TEST_F(Backups, PipelinedRequestsAreAnsweredBehindIt) {
  node_->offer_backup(many());
  put("k", "v");
  Connection connection(port());
  connection.send(request("GET", "/v1/backup") + request("GET", "/v1/kv/k") + request("GET", "/livez"));
  EXPECT_EQ(connection.receive().body.size(), 64 * kPiece);
  EXPECT_EQ(connection.receive().body, "v");
  EXPECT_EQ(connection.receive().status, 200u);
}

TEST_F(Backups, LocalAsksNobody) {
  node_->offer_backup({"all"});
  node_->fail_reads(Failure::no_leader);
  EXPECT_EQ(call("GET", "/v1/backup").problem(), "no_leader");
  EXPECT_EQ(call("GET", "/v1/backup?consistency=local").body, "all");
}

TEST_F(Backups, AClientThatDoesNotReadHoldsOnePieceAndIsCutOff) {
  options_.body_timeout = std::chrono::milliseconds(200);
  node_->offer_backup(many());
  Connection connection(port());
  connection.send(request("GET", "/v1/backup"));
  ASSERT_TRUE(eventually([&] { return node_->pieces_given() > 0; }));
  EXPECT_TRUE(eventually([&] { return node_->open_backups() == 0; })) << "it would hold the image for ever";
  EXPECT_LT(node_->pieces_given(), 64u) << "nobody took them";
  EXPECT_LT(connection.rest().size(), 64 * kPiece);
}

TEST_F(Backups, AClientThatGoesAwayLetsGo) {
  node_->offer_backup(many());
  {
    Connection connection(port());
    connection.send(request("GET", "/v1/backup"));
    ASSERT_TRUE(eventually([&] { return node_->pieces_given() > 0; }));
  }
  EXPECT_TRUE(eventually([&] { return node_->open_backups() == 0; }));
  EXPECT_EQ(call("GET", "/livez").status, 200u);
}

TEST_F(Backups, OthersAreServedMeanwhile) {
  node_->offer_backup(many());
  Connection slow(port());
  slow.send(request("GET", "/v1/backup"));
  ASSERT_TRUE(eventually([&] { return node_->pieces_given() > 0; }));
  EXPECT_EQ(put("k", "v").status, 201u);
  EXPECT_EQ(get("k").body, "v");
  EXPECT_EQ(slow.receive().body.size(), 64 * kPiece);
}

TEST_F(Backups, AnErrorInTheMiddleEndsTheConnectionBeforeTheEnd) {
  node_->offer_backup({"begin"}, true);
  Connection connection(port());
  connection.send(request("GET", "/v1/backup"));
  const std::string all = connection.rest();
  EXPECT_NE(all.find("Content-Length: 6"), std::string::npos) << all;
  EXPECT_TRUE(all.ends_with("begin")) << all;
  EXPECT_TRUE(eventually([&] { return node_->open_backups() == 0; }));
}

TEST_F(Backups, AreRefusedWithTheReason) {
  node_->refuse_backups(Failure::overloaded);
  const Reply full = call("GET", "/v1/backup");
  EXPECT_EQ(full.status, 429u);
  EXPECT_EQ(full.problem(), "overloaded");
  EXPECT_EQ(full.header("retry-after"), "1");
  EXPECT_NE(full.member("detail").find("backups"), std::string::npos);
  node_->refuse_backups(Failure::joining);
  EXPECT_EQ(call("GET", "/v1/backup?consistency=local").problem(), "not_ready");
  node_->refuse_backups(storage::Error{storage::ErrorCode::io, "the disk is gone"});
  const Reply broken = call("GET", "/v1/backup");
  EXPECT_EQ(broken.status, 500u);
  EXPECT_EQ(broken.member("detail"), "the disk is gone");
}

TEST_F(Backups, OnlyGet) {
  for (const char* method : {"HEAD", "POST", "PUT", "DELETE"}) {
    Connection connection(port());
    connection.send(request(method, "/v1/backup"));
    const Reply reply = connection.receive(method == std::string("HEAD"));
    EXPECT_EQ(reply.status, 405u) << method;
    EXPECT_EQ(reply.header("allow"), "GET");
  }
  EXPECT_EQ(call("GET", "/v1/backup?revision=3").problem(), "bad_parameter");
  EXPECT_EQ(call("GET", "/v1/backup/").problem(), "no_such_route");
}

TEST_F(Backups, AreTakenByHttp10) {
  node_->offer_backup({"all"});
  Connection connection(port());
  connection.send("GET /v1/backup HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(connection.rest().ends_with("\r\n\r\nall"));
}

TEST_F(Backups, AServerThatStopsCutsThemOff) {
  node_->offer_backup(many());
  Connection connection(port());
  connection.send(request("GET", "/v1/backup"));
  ASSERT_TRUE(eventually([&] { return node_->pieces_given() > 0; }));
  server_->stop(std::chrono::milliseconds(10));
  EXPECT_TRUE(eventually([&] { return node_->open_backups() == 0; }));
}

}  // namespace
}  // namespace tenaz::server::test
