// Golden scripts: every *.txt in this folder is a story about a few cores (interpreter.h has the language). A line that
// starts with "> " is a command; the lines below it, up to an empty one, are what must come of it; "#" starts a
// comment. TENAZ_REWRITE=1 writes what came of it instead: read the difference before you keep it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/raft_scripts/interpreter.h"

namespace tenaz::raft::test {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// The script as it would read if all that it expects were what happens.
std::string replay(const std::string& script) {
  Interpreter interpreter;
  std::istringstream in(script);
  std::string out;
  bool in_output = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("> ")) {
      out += line + "\n" + interpreter.run(line.substr(2));
      in_output = true;
    } else if (line.empty() || line.starts_with("#")) {
      in_output = false;
      out += line + "\n";
    } else if (!in_output) {
      throw std::runtime_error("neither a command nor a comment: " + line);
    }
  }
  return out;
}

class Scripts : public testing::TestWithParam<std::string> {};

TEST_P(Scripts, HappenAsWritten) {
  const std::filesystem::path path = std::filesystem::path(TENAZ_SCRIPTS) / (GetParam() + ".txt");
  const std::string expected = read(path);
  ASSERT_FALSE(expected.empty());
  const std::string actual = replay(expected);
  if (std::getenv("TENAZ_REWRITE")) {
    std::ofstream(path) << actual;
    return;
  }
  EXPECT_EQ(actual, expected);
}

std::vector<std::string> all_scripts() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(TENAZ_SCRIPTS))
    if (file.path().extension() == ".txt" && file.path().stem() != "CMakeLists")
      names.push_back(file.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Raft, Scripts, testing::ValuesIn(all_scripts()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace tenaz::raft::test
