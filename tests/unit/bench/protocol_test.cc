#include "bench/protocol.h"

#include <gtest/gtest.h>

namespace tenaz::bench {
namespace {

const Endpoint kNode{"127.0.0.1", "7481"};

std::string request(const Protocol& protocol, Operation operation, std::uint64_t key, std::string_view value = {}) {
  std::string out;
  protocol.write_request(operation, key, value, kNode, out);
  return out;
}

TEST(Endpoint, Parses) {
  const auto full = parse_endpoint("http://example.org:81");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->host, "example.org");
  EXPECT_EQ(full->port, "81");
  EXPECT_EQ(parse_endpoint("127.0.0.1:7480")->port, "7480");
  EXPECT_EQ(parse_endpoint("node-a")->port, "80");
  EXPECT_FALSE(parse_endpoint("https://example.org"));
  EXPECT_FALSE(parse_endpoint(""));
}

TEST(Key, NumbersSortAsText) {
  std::string nine, ten;
  append_key("k/", 9, nine);
  append_key("k/", 10, ten);
  EXPECT_EQ(nine, "k/000000000009");
  EXPECT_LT(nine, ten);
}

TEST(TenazProtocol, Requests) {
  const auto plain = tenaz_protocol({});
  EXPECT_EQ(request(*plain, Operation::put, 7, "abc"),
            "PUT /v1/kv/bench/000000000007 HTTP/1.1\r\nHost: 127.0.0.1:7481\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(request(*plain, Operation::get, 7),
            "GET /v1/kv/bench/000000000007 HTTP/1.1\r\nHost: 127.0.0.1:7481\r\n\r\n");
  const auto local = tenaz_protocol({.consistency = "local", .list_limit = 20});
  EXPECT_EQ(request(*local, Operation::list, 7),
            "GET /v1/kv?start=bench/000000000007&limit=20&consistency=local HTTP/1.1\r\nHost: 127.0.0.1:7481\r\n\r\n");
}

TEST(TenazProtocol, Answers) {
  const auto protocol = tenaz_protocol({});
  EXPECT_EQ(protocol->error_of(Operation::put, {201, "{}"}), "");
  EXPECT_EQ(protocol->error_of(Operation::get, {200, "bytes"}), "");
  EXPECT_EQ(protocol->error_of(Operation::put, {503, R"({"title":"x","code":"no_leader","detail":""})"}), "no_leader");
  EXPECT_EQ(protocol->error_of(Operation::get, {500, "oops"}), "status_500");
  EXPECT_TRUE(protocol->leads(R"({"node_id":1,"role":"leader"})"));
  EXPECT_FALSE(protocol->leads(R"({"node_id":1,"role":"follower"})"));
  EXPECT_FALSE(protocol->leads("not json"));
}

TEST(EtcdProtocol, Requests) {
  const auto protocol = etcd_protocol({.key_prefix = "b/", .consistency = "local", .list_limit = 3});
  EXPECT_EQ(request(*protocol, Operation::put, 1, "v"),
            "POST /v3/kv/put HTTP/1.1\r\nHost: 127.0.0.1:7481\r\nContent-Length: 45\r\n\r\n"
            R"({"key":"Yi8wMDAwMDAwMDAwMDE=","value":"dg=="})");
  EXPECT_NE(request(*protocol, Operation::list, 1)
                .find(R"({"key":"Yi8wMDAwMDAwMDAwMDE=","range_end":"YjA=","limit":3,"serializable":true})"),
            std::string::npos);
}

TEST(EtcdProtocol, Answers) {
  const auto protocol = etcd_protocol({});
  EXPECT_EQ(protocol->error_of(Operation::put, {200, "{}"}), "");
  EXPECT_EQ(protocol->error_of(Operation::get, {200, R"({"header":{},"kvs":[]})"}), "");
  EXPECT_EQ(protocol->error_of(Operation::get, {200, R"({"header":{}})"}), "not_found");
  EXPECT_EQ(protocol->error_of(Operation::put, {503, R"({"error":"no leader","code":14})"}), "no leader");
  EXPECT_TRUE(protocol->leads(R"({"header":{"member_id":"5"},"leader":"5"})"));
  EXPECT_FALSE(protocol->leads(R"({"header":{"member_id":"5"},"leader":"6"})"));
  EXPECT_FALSE(protocol->leads(R"({"header":{"member_id":"5"}})"));
}

}  // namespace
}  // namespace tenaz::bench
