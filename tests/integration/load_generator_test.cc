// tenaz-bench, against a real node.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <csignal>

#include "tests/integration/harness/client_program.h"
#include "tests/integration/harness/cluster.h"

namespace tenaz::harness {
namespace {

TEST(LoadGenerator, PrintsWhatItHasMeasuredWhenItIsInterrupted) {
  Cluster cluster(1);
  cluster.start_all();
  ASSERT_NE(cluster.wait_leader(), 0);
  const Address node = cluster.http_address(1);
  for (const int number : {SIGINT, SIGTERM}) {
    const auto output = cluster.directory() / ("output-" + std::to_string(number));
    const auto before = cluster.number(1, "revision");
    Process generator({tenaz_bench_path(), "--json", "--rate", "100", "-d", "3600", "--endpoints",
                       "http://" + node.host + ":" + std::to_string(node.port)},
                      output);
    ASSERT_TRUE(eventually([&] { return cluster.number(1, "revision") > before + 10; }));
    generator.signal(number);
    const auto exit = generator.wait();
    ASSERT_TRUE(exit);
    EXPECT_EQ(*exit, (Exit{0, 0})) << read_file(output);
    const auto report = boost::json::parse(read_file(output)).as_object();
    EXPECT_GE(report.at("done").to_number<int>(), 10);
    EXPECT_EQ(report.at("failed").to_number<int>(), 0);
    EXPECT_LT(report.at("seconds").to_number<double>(), 3600);
    EXPECT_LT(report.at("never_sent").to_number<int>(), 1000);  // not all that were due in the hour
  }
}

}  // namespace
}  // namespace tenaz::harness
