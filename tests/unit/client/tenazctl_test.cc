// The program itself: what it prints, and the exit codes that scripts rely on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "client/client.h"
#include "tests/unit/client/scripted_server.h"
#include "tests/unit/client/tenazctl_program.h"

namespace tenaz::client {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kPut = R"({"revision":7,"create_revision":3,"version":2})";

ScriptedServer::Script always(Answer answer) {
  return [answer](const Asked&) { return answer; };
}

std::string item(const std::string& value_field) {
  return R"({"key":"k",)" + value_field + R"(,"create_revision":2,"mod_revision":3,"version":4,"revision":9})";
}

TEST(Tenazctl, GetPrintsTheBytesAndNothingElse) {
  ScriptedServer node(always(answer(200, item(R"("value_base64":"AAoN/w==")"))));
  const Ended ended = run({"--endpoints", node.url(), "get", "k"});
  EXPECT_EQ(ended.code, 0) << ended.error;
  EXPECT_EQ(ended.out, std::string("\0\n\r\xff", 4));
  EXPECT_EQ(ended.error, "");
}

TEST(Tenazctl, JsonIsWhatTheNodeSaid) {
  ScriptedServer node(always(answer(200, item(R"("value":"v")"))));
  EXPECT_EQ(run({"-o", "json", "--endpoints", node.url(), "get", "k"}).out, item(R"("value":"v")") + "\n");
  EXPECT_EQ(run({"get", "k", "-o", "json", "--endpoints", node.url()}).out, item(R"("value":"v")") + "\n");
}

TEST(Tenazctl, PutTakesTheValueFromArgumentStdinOrFile) {
  ScriptedServer node(always(answer(201, kPut)));
  const std::string bytes("\0\n\xff", 3);
  const std::string file = testing::TempDir() + "tenazctl_value." + std::to_string(::getpid());
  std::ofstream(file, std::ios::binary) << bytes;
  const std::string empty = file + ".empty";
  std::ofstream(empty, std::ios::binary).flush();

  EXPECT_EQ(run({"--endpoints", node.url(), "put", "k", "v"}).out, "created, revision 7\n");
  EXPECT_EQ(run({"--endpoints", node.url(), "put", "k", "-"}, bytes).code, 0);
  EXPECT_EQ(run({"--endpoints", node.url(), "put", "k", "--file", file}).code, 0);
  EXPECT_EQ(run({"--endpoints", node.url(), "put", "k", ""}).code, 0);
  EXPECT_EQ(run({"--endpoints", node.url(), "put", "k", "--file", empty}).code, 0);
  EXPECT_EQ(run({"--endpoints", node.url(), "put", "k", "--", "-v"}).code, 0);
  const auto asked = node.asked();
  ASSERT_THAT(asked, SizeIs(6));
  EXPECT_EQ(asked[0].body, "v");
  EXPECT_EQ(asked[1].body, bytes);
  EXPECT_EQ(asked[2].body, bytes);
  EXPECT_EQ(asked[3].body, "");
  EXPECT_EQ(asked[4].body, "");
  EXPECT_EQ(asked[5].body, "-v");
  std::remove(file.c_str());
  std::remove(empty.c_str());
}

TEST(Tenazctl, ConditionsAreSentAndARefusalIsOne) {
  ScriptedServer node(always(problem(412, "precondition_failed", "not_applied")));
  const Ended ended = run({"--endpoints", node.url(), "put", "k", "v", "--if-match", "7"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.error, HasSubstr("precondition_failed"));
  EXPECT_EQ(run({"--endpoints", node.url(), "put", "k", "v", "--if-absent"}).code, 1);
  EXPECT_EQ(run({"--endpoints", node.url(), "del", "k", "--if-match", "8"}).code, 1);
  const auto asked = node.asked();
  EXPECT_THAT(asked[0].head, HasSubstr("If-Match: \"7\""));
  EXPECT_THAT(asked[1].head, HasSubstr("If-None-Match: *"));
  EXPECT_THAT(asked[2].head, HasSubstr("If-Match: \"8\""));
}

TEST(Tenazctl, NotFoundIsOne) {
  ScriptedServer node(always(problem(404, "not_found", "")));
  const Ended ended = run({"--endpoints", node.url(), "get", "k"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(ended.error, HasSubstr("not_found"));
}

TEST(Tenazctl, NoAnswerIsThree) {
  EXPECT_EQ(run({"--endpoints", dead_url(), "get", "k"}).code, 3);
  const Ended nobody = run({"--endpoints", dead_url() + "," + dead_url(), "put", "k", "v"});
  EXPECT_EQ(nobody.code, 3);
  EXPECT_THAT(nobody.error, testing::Not(HasSubstr("not known")));

  ScriptedServer leaderless(always(problem(503, "no_leader", "not_applied")));
  EXPECT_EQ(run({"--endpoints", leaderless.url(), "get", "k"}).code, 3);

  ScriptedServer broken(always(hang_up()));
  const Ended unknown = run({"--endpoints", broken.url(), "put", "k", "v"});
  EXPECT_EQ(unknown.code, 3);
  EXPECT_THAT(unknown.error, HasSubstr("it is not known whether the write was done"));
}

TEST(Tenazctl, BadUsageIsTwoAndAsksNobody) {
  ScriptedServer node(always(answer(200, kPut)));
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"member"},
      {"get"},
      {"get", "a", "b"},
      {"put", "k"},
      {"put", "k", "v", "--file", "f"},
      {"put", "k", "--file", "/no/such/file"},
      {"put", "k", "--file", "/"},
      {"put", "k", "v", "--if-match", "x"},
      {"put", "k", "v", "--if-match", "1", "--if-absent"},
      {"del"},
      {"del", "k", "--prefix", "p"},
      {"del", "--prefix", ""},
      {"del", "--start", ""},
      {"del", "--start", "", "--end", "b"},
      {"del", "--start", "a", "--end", ""},
      {"del", "k", "--start", "a"},
      {"del", "k", "--max-keys", "3"},
      {"del", "--prefix", "p", "--if-match", "3"},
      {"list", "p", "--prefix", "q"},
      {"list", "--limit", "0"},
      {"get", "k", "--consistency", "strong"},
      {"get", "k", "-o", "xml"},
      {"get", "k", "--timeout", "0"},
      {"list", "p", "--start", "q"},
      {"del", "--prefix", "p", "--end", "q"},
      {"transfer", "0"},
      {"compact"},
      {"compact", "0"},
      {"compact", "-1"},
      {"compact", "1.5"},
      {"compact", "all"},
      {"member", "add"},
      {"member", "add", "4", "h:1"},
      {"member", "add", "x", "h:1", "h:2"},
      {"member", "add", "0", "h:1", "h:2"},
      {"member", "add", "4", "h:1", "h:2", "--replaces", "0"},
      {"member", "promote"},
      {"member", "remove", "-1"},
      {"member", "rename", "4"},
      {"members", "--consistency", "strong"},
      {"settings", "--lease-reads", "maybe"},
      {"--nonsense"},
  };
  for (std::vector<std::string> arguments : wrong) {
    const std::string shown = testing::PrintToString(arguments);
    const Ended ended = run(arguments, "", {"TENAZ_ENDPOINTS=" + node.url()});
    EXPECT_EQ(ended.code, 2) << shown << ended.out << ended.error;
    EXPECT_NE(ended.error, "") << shown;
  }
  EXPECT_THAT(run({"memmbers"}).error, HasSubstr("\"memmbers\""));
  EXPECT_THAT(run({"settings", "--lease-reads", "maybe"}).error, HasSubstr("found \"maybe\", must be off or on"));
  EXPECT_EQ(run({"-o", "1", "status"}).code, 2) << "a number that stands for a word is none";
  EXPECT_EQ(run({"--endpoints", "https://x", "status"}).code, 2);
  EXPECT_EQ(run({"--endpoints", "a:1,,b:1", "status"}).code, 2);
  EXPECT_THAT(node.asked(), SizeIs(0));
}

TEST(Tenazctl, VersionAndHelp) {
  EXPECT_EQ(run({"--version"}).code, 0);
  EXPECT_THAT(run({"--version"}).out, testing::StartsWith("tenazctl "));
  EXPECT_EQ(run({"--help"}).code, 0);
  EXPECT_EQ(run({"put", "--help"}).code, 0);
}

TEST(Tenazctl, EndpointsComeFromTheEnvironmentUnlessGiven) {
  ScriptedServer node(always(answer(201, kPut)));
  EXPECT_EQ(run({"put", "k", "v"}, "", {"TENAZ_ENDPOINTS=" + node.url()}).code, 0);
  EXPECT_EQ(run({"put", "k", "v", "--endpoints", node.url()}, "", {"TENAZ_ENDPOINTS=" + dead_url()}).code, 0);
  EXPECT_THAT(node.asked(), SizeIs(2));
}

Answer two_pages(const Asked& asked) {
  const bool second = asked.target.find("cursor=c%2B1") != std::string::npos;
  const std::string number = second ? "2" : "1";
  return answer(200, R"({"revision":5,"items":[{"key":"k)" + number + R"(","value":"a\nb","create_revision":1,)" +
                         R"("mod_revision":)" + number + R"(,"version":1}])" + (second ? "}" : R"(,"cursor":"c+1"})"));
}

TEST(Tenazctl, ListFollowsTheCursor) {
  ScriptedServer node(two_pages);
  const Ended ended = run({"--endpoints", node.url(), "list", "k"});
  EXPECT_EQ(ended.code, 0) << ended.error;
  EXPECT_EQ(ended.out,
            "KEY  REVISION  VERSION  VALUE\nk1   1         1        a\\x0ab\nk2   2         1        a\\x0ab\n");
  EXPECT_THAT(node.asked()[0].target, HasSubstr("/v1/kv?prefix=k&limit=1000"));
  EXPECT_EQ(run({"--endpoints", node.url(), "list", "--prefix", "k", "--keys-only"}).out, "k1\nk2\n");
  EXPECT_THAT(node.asked().back().target, HasSubstr("keys_only=true"));
  EXPECT_EQ(run({"--endpoints", node.url(), "list", "--limit", "1", "--keys-only"}).out, "k1\n");
  EXPECT_THAT(node.asked().back().target, HasSubstr("limit=1&"));
  EXPECT_THAT(run({"--endpoints", node.url(), "list", "-o", "json"}).out,
              testing::AllOf(HasSubstr(R"("revision":5)"), HasSubstr(R"("k1")"), HasSubstr(R"("k2")")));
}

TEST(Tenazctl, DelSaysHowMany) {
  ScriptedServer node(always(answer(200, R"({"revision":8,"deleted":42})")));
  EXPECT_EQ(run({"--endpoints", node.url(), "del", "--prefix", "p/"}).out, "deleted 42, revision 8\n");
  EXPECT_EQ(run({"--endpoints", node.url(), "del", "k"}).code, 0);
  EXPECT_THAT(node.asked()[0].target, HasSubstr("/v1/kv?prefix=p%2F"));
  EXPECT_THAT(node.asked()[1].target, HasSubstr("/v1/kv/k?"));
}

TEST(Tenazctl, StatusAsksEveryEndpoint) {
  auto status = [](int id, const char* role, int applied) {
    return answer(200, R"({"node_id":)" + std::to_string(id) + R"(,"name":"n)" + std::to_string(id) + R"(","role":")" +
                           role + R"(","term":3,"leader_id":1,"commit_index":20,"applied_index":)" +
                           std::to_string(applied) + R"(,"revision":11,"peers":[]})");
  };
  ScriptedServer one(always(status(1, "leader", 20))), two(always(status(2, "follower", 15)));
  const Ended fine = run({"--endpoints", one.url() + "," + two.url(), "status"});
  EXPECT_EQ(fine.code, 0) << fine.error;
  EXPECT_THAT(fine.out, testing::ContainsRegex("1 +n1 +leader +3 +1 +20 +20 +0 +11"));
  EXPECT_THAT(fine.out, testing::ContainsRegex("2 +n2 +follower +3 +1 +20 +15 +5 +11"));

  const Ended partly = run({"--endpoints", one.url() + "," + dead_url(), "status"});
  EXPECT_EQ(partly.code, 3);
  EXPECT_THAT(partly.out, HasSubstr("leader"));
  EXPECT_THAT(partly.out, HasSubstr("unreachable"));
  EXPECT_THAT(run({"--endpoints", one.url() + "," + dead_url(), "status", "-o", "json"}).out,
              testing::AllOf(HasSubstr(R"("node_id":1)"), HasSubstr(R"("error":"unreachable")")));
}

TEST(Tenazctl, CompactSaysWhatIsHeld) {
  ScriptedServer node(always(answer(200, "{\"revision\":9,\"compact_revision\":7}\n")));
  const Ended ended = run({"--endpoints", node.url(), "compact", "7"});
  EXPECT_EQ(ended.code, 0) << ended.error;
  EXPECT_EQ(ended.out, "compacted: the oldest revision held is 7 of 9\n");
  EXPECT_EQ(run({"--endpoints", node.url(), "compact", "7", "-o", "json"}).out,
            "{\"revision\":9,\"compact_revision\":7}\n");
  EXPECT_EQ(node.asked()[0].method, "POST");
  EXPECT_THAT(node.asked()[0].target, testing::StartsWith("/v1/compact?timeout="));
  EXPECT_EQ(node.asked()[0].body, R"({"revision":7})");
}

TEST(Tenazctl, ACompactionThatIsRefusedOrLost) {
  ScriptedServer gone(always(problem(410, "compacted", "")));
  const Ended refused = run({"--endpoints", gone.url(), "compact", "7"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.error, HasSubstr("compacted"));
  ScriptedServer late(always(problem(504, "timeout", "unknown")));
  const Ended unknown = run({"--endpoints", late.url(), "compact", "7"});
  EXPECT_EQ(unknown.code, 3);
  EXPECT_THAT(unknown.error, HasSubstr("not known whether the compaction was done"));
}

TEST(Tenazctl, TransferNamesTheNode) {
  ScriptedServer node(always(answer(200, "{\"leader_id\":2,\"term\":3}\n")));
  EXPECT_EQ(run({"--endpoints", node.url(), "transfer", "2"}).out, "node 2 leads\n");
  EXPECT_EQ(run({"--endpoints", node.url(), "transfer", "-o", "json"}).out, "{\"leader_id\":2,\"term\":3}\n");
  EXPECT_THAT(node.asked()[0].target, testing::StartsWith("/v1/leadership?timeout="));
  EXPECT_EQ(node.asked()[1].body, "{}");
  EXPECT_EQ(node.asked()[0].body, R"({"to":2})");
}

TEST(Tenazctl, ATransferThatIsRefusedIsOne) {
  ScriptedServer node(always(problem(400, "bad_json", "")));
  const Ended ended = run({"--endpoints", node.url(), "transfer", "9"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.error, testing::Not(HasSubstr("not known")));
}

TEST(Tenazctl, ATransferIsNoWriteWhoseFateIsOpen) {
  ScriptedServer late(always(problem(504, "timeout", "")));
  const Ended ended = run({"--endpoints", late.url(), "transfer", "2"});
  EXPECT_EQ(ended.code, 3);
  EXPECT_THAT(ended.error, testing::Not(HasSubstr("write")));
}

constexpr const char* kMembers = R"({"members":[
  {"id":1,"name":"a","peer":"h1:7490","client":"h1:7480","role":"voter"},
  {"id":4,"name":"d","peer":"h4:7490","client":"h4:7480","role":"learner","promote":true,"replaces":3},
  {"id":5,"name":"e","peer":"h5:7490","client":"h5:7480","role":"learner","promote":false}],
  "configuration_index":9,"joint":true,"retired":[2]})";
constexpr const char* kLearner = R"({"id":4,"name":"d","peer":"h4:1","client":"h4:2","role":"learner","promote":true})";

TEST(Tenazctl, MembersAreATable) {
  ScriptedServer node(always(answer(200, kMembers)));
  const Ended ended = run({"--endpoints", node.url(), "members"});
  EXPECT_EQ(ended.code, 0) << ended.error;
  EXPECT_THAT(ended.out, testing::ContainsRegex("1 +a +h1:7490 +h1:7480 +voter *\n"));
  EXPECT_THAT(ended.out, testing::ContainsRegex("4 +d +h4:7490 +h4:7480 +learner +replaces 3\n"));
  EXPECT_THAT(ended.out, testing::ContainsRegex("5 +e .*learner +stays until promoted\n"));
  EXPECT_THAT(ended.out, testing::EndsWith("under way\n"));
  EXPECT_EQ(run({"members", "-o", "json", "--endpoints", node.url()}).out, std::string(kMembers) + "\n");
  run({"members", "--consistency", "local", "--endpoints", node.url()});
  EXPECT_THAT(node.asked()[2].target, testing::StartsWith("/v1/members?consistency=local&timeout="));
}

TEST(Tenazctl, MemberAddSaysWhatBecomesOfTheNode) {
  ScriptedServer node(always(answer(201, kLearner)));
  const Ended ended = run({"--endpoints", node.url(), "member", "add", "4", "h4:1", "h4:2"});
  EXPECT_EQ(ended.code, 0) << ended.error;
  EXPECT_EQ(ended.out, "node 4 was added as a learner; it becomes a voter once it has caught up\n");
  EXPECT_EQ(run({"member", "add", "4", "h4:1", "h4:2", "--name", "d", "--learner", "--replaces", "3", "-o", "json",
                 "--endpoints", node.url()})
                .out,
            std::string(kLearner) + "\n");
  const auto asked = node.asked();
  ASSERT_THAT(asked, SizeIs(2));
  EXPECT_EQ(asked[0].method, "POST");
  EXPECT_THAT(asked[0].target, testing::StartsWith("/v1/members?timeout="));
  EXPECT_THAT(asked[0].head, HasSubstr("Content-Type: application/json"));
  EXPECT_EQ(asked[0].body, R"({"id":4,"peer":"h4:1","client":"h4:2"})");
  EXPECT_EQ(asked[1].body, R"({"id":4,"peer":"h4:1","client":"h4:2","name":"d","learner":true,"replaces":3})");
}

TEST(Tenazctl, MemberPromoteAndRemove) {
  ScriptedServer node([](const Asked& asked) {
    return answer(200, asked.method == "DELETE" ? kMembers
                                                : R"({"id":4,"name":"d","peer":"a:1","client":"a:2",)"
                                                  R"("role":"voter"})");
  });
  EXPECT_EQ(run({"--endpoints", node.url(), "member", "promote", "4"}).out, "node 4 is a voter\n");
  const Ended removed = run({"--endpoints", node.url(), "member", "remove", "2"});
  EXPECT_EQ(removed.code, 0) << removed.error;
  EXPECT_THAT(removed.out, testing::StartsWith("node 2 was removed; these remain:\nID "));
  EXPECT_THAT(node.asked()[0].target, testing::StartsWith("/v1/members/4/promote?timeout="));
  EXPECT_EQ(node.asked()[0].body, "");
  EXPECT_EQ(node.asked()[1].method, "DELETE");
  EXPECT_THAT(node.asked()[1].target, testing::StartsWith("/v1/members/2?timeout="));
}

TEST(Tenazctl, AChangeOfTheMembersGoesOnOnlyWhereNothingCanHaveHappened) {
  ScriptedServer good(always(answer(201, kLearner)));
  const std::vector<std::string> add = {"member", "add", "4", "h4:1", "h4:2", "--endpoints"};
  const auto run_at = [&](const std::string& first) {
    std::vector<std::string> arguments = add;
    arguments.push_back(first + "," + good.url());
    return run(arguments);
  };
  EXPECT_EQ(run_at(dead_url()).code, 0);
  ScriptedServer leaderless(always(problem(503, "no_leader", "not_applied")));
  EXPECT_EQ(run_at(leaderless.url()).code, 0);
  ASSERT_THAT(good.asked(), SizeIs(2));

  ScriptedServer silent(always(hang_up()));
  const Ended unknown = run_at(silent.url());
  EXPECT_EQ(unknown.code, 3);
  EXPECT_THAT(unknown.error, HasSubstr("it is not known whether the change was done"));
  ScriptedServer late(always(problem(504, "timeout", "unknown")));
  EXPECT_EQ(run_at(late.url()).code, 3);
  ScriptedServer taken(always(problem(409, "member_id_taken", "not_applied")));
  const Ended refused = run_at(taken.url());
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.error, HasSubstr("member_id_taken"));
  EXPECT_THAT(good.asked(), SizeIs(2)) << "none of these may be tried elsewhere";
}

TEST(Tenazctl, AnAnswerToAChangeThatMakesNoSenseLeavesItOpen) {
  ScriptedServer node(always(answer(200, "{}")));
  EXPECT_EQ(run({"--endpoints", node.url(), "member", "remove", "2"}).code, 3);
  EXPECT_EQ(run({"--endpoints", node.url(), "member", "promote", "2"}).code, 3);
  EXPECT_EQ(run({"--endpoints", node.url(), "settings", "--lease-reads", "on"}).code, 3);
  EXPECT_EQ(run({"--endpoints", node.url(), "members"}).code, 1);
}

TEST(Tenazctl, SettingsAreShownAndChanged) {
  ScriptedServer node([](const Asked& asked) {
    return answer(200, asked.body.empty() ? "{\"lease_reads\":false}\n" : asked.body + "\n");
  });
  EXPECT_EQ(run({"--endpoints", node.url(), "settings"}).out, "lease-reads  off\n");
  EXPECT_EQ(run({"--endpoints", node.url(), "settings", "--lease-reads", "on"}).out, "lease-reads  on\n");
  EXPECT_EQ(run({"--endpoints", node.url(), "settings", "--lease-reads", "off", "-o", "json"}).out,
            "{\"lease_reads\":false}\n");
  const auto asked = node.asked();
  EXPECT_EQ(asked[0].method, "GET");
  EXPECT_EQ(asked[1].method, "PUT");
  EXPECT_EQ(asked[1].body, "{\"lease_reads\":true}");
  EXPECT_EQ(asked[2].body, "{\"lease_reads\":false}");
}

TEST(Tenazctl, AFullDiskBehindTheOutputIsNoSuccess) {
  ScriptedServer node(always(answer(200, item(R"("value":"v")"))));
  EXPECT_EQ(run({"--endpoints", node.url(), "get", "k"}, "", {}, "/dev/full").code, 1);
}

}  // namespace
}  // namespace tenaz::client
