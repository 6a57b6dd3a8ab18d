#include <gtest/gtest.h>

#include "config/config.h"

namespace tenaz::config {
namespace {

Cluster orders() {
  return {.name = "orders",
          .token = "",
          .members = {{.id = 1, .name = "a", .peer = "10.0.0.1:7490", .client = "10.0.0.1:7480"},
                      {.id = 2, .name = "b", .peer = "10.0.0.2:7490", .client = "10.0.0.2:7480"}}};
}

// Nodes of different versions must agree on it: computed once by hand from the bytes that config.h describes.
TEST(ClusterId, IsStable) {
  EXPECT_EQ(cluster_id(orders()), "fddf170f265407e279059666b877a7dc");
}

TEST(ClusterId, OrderNamesAndClientAddressesDoNotMatter) {
  Cluster other = orders();
  std::swap(other.members[0], other.members[1]);
  other.members[0].name = "x";
  other.members[0].client = "elsewhere:1";
  EXPECT_EQ(cluster_id(other), cluster_id(orders()));
}

TEST(ClusterId, EverythingElseDoes) {
  std::vector<Cluster> others(6, orders());
  others[0].name = "order";
  others[1].token = "t";
  others[2].members[0].id = 3;
  others[3].members[0].peer = "10.0.0.1:7491";
  others[4].members.pop_back();
  others[5].name = "";
  others[5].token = "orders";
  for (const Cluster& other : others) EXPECT_NE(cluster_id(other), cluster_id(orders()));
}

}  // namespace
}  // namespace tenaz::config
