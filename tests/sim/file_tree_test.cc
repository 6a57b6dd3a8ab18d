#include "tests/sim/file_tree.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace tenaz::sim {
namespace {

constexpr std::uint64_t kTries = 400;

// What is found at `path` after power losses with different luck; "-": nothing.
std::set<std::string> outcomes(const FileTree& tree, const std::string& path) {
  std::set<std::string> found;
  for (std::uint64_t seed = 0; seed < kTries; ++seed) {
    Random random(seed, 1);
    const FileTree after = tree.after_power_loss(random);
    const auto file = after.find_file(path);
    found.insert(file ? file->data : "-");
  }
  return found;
}

FileTree::NodePtr durable_file(FileTree& tree, const std::string& path, const std::string& content) {
  const auto file = tree.create_file(path);
  tree.write(*file, 0, content);
  tree.sync(*file);
  tree.sync(*tree.find_directory("/"));
  return file;
}

using Texts = std::set<std::string>;

TEST(FileTree, WhatWasSyncedIsFoundAndWhatWasNotMayBeTornAnywhere) {
  FileTree tree;
  const auto file = durable_file(tree, "/a", "one");
  tree.write(*file, 3, "xyz");
  EXPECT_EQ(outcomes(tree, "/a"), (Texts{"one", "onex", "onexy", "onexyz"}));
  EXPECT_TRUE(tree.sync(*file));
  EXPECT_EQ(outcomes(tree, "/a"), (Texts{"onexyz"}));
}

TEST(FileTree, WritesAreLostInOrder) {
  FileTree tree;
  const auto file = durable_file(tree, "/a", "--");
  tree.write(*file, 0, "1");
  tree.write(*file, 1, "2");
  EXPECT_EQ(outcomes(tree, "/a"), (Texts{"--", "1-", "12"}));
}

TEST(FileTree, ASyncedFileWithoutASyncedNameMayBeGone) {
  FileTree tree;
  const auto file = tree.create_file("/a");
  tree.write(*file, 0, "x");
  tree.sync(*file);
  EXPECT_EQ(outcomes(tree, "/a"), (Texts{"-", "x"}));
  tree.sync(*tree.find_directory("/"));
  EXPECT_EQ(outcomes(tree, "/a"), (Texts{"x"}));
}

TEST(FileTree, ARenameIsFoundWholeOrNotAtAll) {
  FileTree tree;
  durable_file(tree, "/old", "1");
  durable_file(tree, "/new", "0");
  ASSERT_TRUE(tree.rename("/old", "/new"));
  Texts found;
  for (std::uint64_t seed = 0; seed < kTries; ++seed) {
    Random random(seed, 1);
    const FileTree after = tree.after_power_loss(random);
    found.insert((after.find_file("/old") ? "old " : "") + after.find_file("/new")->data);
  }
  EXPECT_EQ(found, (Texts{"old 0", "1"}));
}

TEST(FileTree, ChangesOfOtherNamesAreLostIndependently) {
  FileTree tree;
  durable_file(tree, "/a", "a");
  tree.remove("/a");
  durable_file(tree, "/c", "c");  // syncs the directory
  tree.create_file("/a");
  tree.create_file("/b");
  Texts found;
  for (std::uint64_t seed = 0; seed < kTries; ++seed) {
    Random random(seed, 1);
    const FileTree after = tree.after_power_loss(random);
    found.insert(std::string(after.find_file("/a") ? "a" : "") + (after.find_file("/b") ? "b" : ""));
    EXPECT_TRUE(after.find_file("/c"));
  }
  EXPECT_EQ(found, (Texts{"", "a", "b", "ab"}));
}

TEST(FileTree, ALinkIsTheSameFile) {
  FileTree tree;
  const auto file = durable_file(tree, "/a", "1");
  ASSERT_TRUE(tree.create_directory("/d"));
  ASSERT_TRUE(tree.link("/a", "/d/b"));
  tree.sync(*tree.find_directory("/d"));
  tree.sync(*tree.find_directory("/"));
  Random random(1, 1);
  const FileTree after = tree.after_power_loss(random);
  EXPECT_EQ(after.find("/a"), after.find("/d/b"));
  EXPECT_NE(after.find("/a"), file);  // nothing is shared with who still writes to the old one
}

TEST(FileTree, PowerIsLostBetweenTwoSteps) {
  FileTree tree;
  const auto file = durable_file(tree, "/a", "");
  Random random(1, 1);
  tree.lose_power_after(2, random);
  tree.write(*file, 0, "1");
  tree.sync(*file);
  tree.write(*file, 1, "2");
  tree.sync(*file);
  const auto found = tree.found_after_power_loss();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->find_file("/a")->data, "1");
  EXPECT_EQ(file->data, "12");
  EXPECT_FALSE(tree.found_after_power_loss());
}

TEST(FileTree, AFailedSyncPromisesNothing) {
  FileTree tree;
  const auto file = durable_file(tree, "/a", "1");
  tree.write(*file, 1, "2");
  tree.fail_next_sync();
  EXPECT_FALSE(tree.sync(*file));
  EXPECT_EQ(outcomes(tree, "/a"), (Texts{"1", "12"}));
}

}  // namespace
}  // namespace tenaz::sim
