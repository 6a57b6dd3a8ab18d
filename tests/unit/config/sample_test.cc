// Holds config/tenaz.sample.toml against the code.
#include <gtest/gtest.h>
#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>

#include "config/config.h"
#include "config/keys.h"

namespace tenaz::config {
namespace {

std::string sample() {
  std::ifstream in(TENAZ_SAMPLE);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The sample with every key and table in force, but for cluster.join, which stands instead of the members.
std::string uncommented() {
  std::istringstream in(sample());
  const std::regex commented(R"(#(\[\[[a-z_.]+\]\]|[a-z_]+ = .*))");
  std::string out;
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    const bool is_commented = std::regex_match(line, match, commented) && !line.starts_with("#join = ");
    out += (is_commented ? match[1].str() : line) + "\n";
  }
  return out;
}

std::string text_of(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& value) { out << value; });
  std::string text = out.str();
  if (node.is_string()) {
    std::replace(text.begin(), text.end(), '\'', '"');
  }
  return text;
}

TEST(Sample, LoadsAsItIs) {
  const Loaded loaded = parse(sample(), "sample");
  EXPECT_EQ(loaded.faults, std::vector<std::string>{});
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->node.data_dir, "/var/lib/tenaz");
  EXPECT_EQ(loaded.config->cluster.members.size(), 1U);
}

TEST(Sample, LoadsWithEverythingUncommented) {
  const Loaded loaded = parse(uncommented(), "sample");
  EXPECT_EQ(loaded.faults, std::vector<std::string>{});
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->cluster.members.size(), 3U);
}

// The sample of a node that joins: what it says about founding and its members taken away.
TEST(Sample, LoadsAsThatOfANodeThatJoins) {
  std::istringstream in(uncommented());
  std::string text;
  bool in_member = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("[")) in_member = line == "[[cluster.members]]";
    if (!in_member) text += (line.starts_with("#join = ") ? line.substr(1) : line) + "\n";
  }
  const Loaded loaded = parse(text, "sample");
  EXPECT_EQ(loaded.faults, std::vector<std::string>{});
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->cluster.join.size(), 2U);
}

TEST(Sample, HasEveryKeyWithItsDefault) {
  const toml::table toml = toml::parse(uncommented());
  Config defaults = single_node("/var/lib/tenaz");
  defaults.cluster.name = "tenaz";
  for (const Key& key : keys_of(defaults)) {
    if (std::holds_alternative<Texts>(key.field)) continue;  // there is no default: see the test above
    const auto node = toml.at_path(key.path());
    ASSERT_TRUE(node) << key.path() << " is not in the sample";
    EXPECT_EQ(text_of(*node.node()), format_value(key.field)) << key.path();
  }
}

// Together with the strict reading above: the sample names no key that the code does not know.
TEST(Sample, HasNoOtherKeys) {
  Config config;
  const std::size_t known = keys_of(config).size() - 1;  // without cluster.join
  std::size_t found = 0;
  const toml::table toml = toml::parse(uncommented());
  for (const auto& [name, table] : toml) {
    for (const auto& [key, value] : *table.as_table()) found += value.is_array() ? 0 : 1;
  }
  EXPECT_EQ(found, known);
}

}  // namespace
}  // namespace tenaz::config
