#include "storage/kv/key_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace tenaz::storage::kv {
namespace {

Version version_at(std::uint64_t mod) {
  return {.mod = mod, .create = 1, .version = 1, .live = true};
}

TEST(KeyCache, AgreesWithAMapOnWhatItHas) {
  for (const std::size_t capacity : {std::size_t{0}, std::size_t{64} << 10, std::size_t{4} << 20}) {
    KeyCache cache(capacity);
    std::map<std::string, std::pair<std::uint64_t, std::optional<std::string>>> twin;
    std::mt19937_64 random(capacity + 1);
    std::size_t hits = 0;
    for (std::uint64_t round = 1; round < 30000; ++round) {
      const std::string key = "key" + std::to_string(random() % 2000);
      if (random() % 2 == 0) {
        std::optional<std::string> value;
        if (random() % 4 != 0) value = std::string(random() % 1500, static_cast<char>('a' + round % 26));
        cache.begin_change();
        cache.put(key, version_at(round), value ? std::optional<std::string_view>(*value) : std::nullopt);
        cache.end_change();
        twin[key] = {round, value};
      }
      std::string value = "untouched";
      if (const auto hit = cache.find(key, &value)) {
        ++hits;
        ASSERT_TRUE(twin.contains(key));
        EXPECT_EQ(hit->version.mod, twin[key].first);
        if (hit->has_value) {
          EXPECT_EQ(value, twin[key].second);
        } else {
          EXPECT_EQ(value, "untouched");
          EXPECT_TRUE(!twin[key].second || twin[key].second->size() > KeyCache::kMaxValueBytes);
        }
        EXPECT_FALSE(cache.find_value(key, round + 1, value));
      }
      EXPECT_LE(cache.bytes(), capacity);
    }
    if (capacity == 0) {
      EXPECT_EQ(hits, 0U);
    } else {
      EXPECT_GT(hits, 100U);
    }
  }
}

TEST(KeyCache, WhatIsUsedStays) {
  KeyCache cache(256 << 10);
  cache.put("hot", version_at(1), "value");
  for (std::uint64_t i = 0; i < 20000; ++i) {
    ASSERT_TRUE(cache.find("hot", nullptr)) << i;
    cache.put("cold" + std::to_string(i), version_at(i + 2), "value");
  }
}

TEST(KeyCache, AnOfferOvertakenByAChangeIsRefused) {
  KeyCache cache(1 << 20);
  const auto before = cache.epoch();
  cache.begin_change();  // the applier writes "k" at 2, but the reader has looked it up at 1
  cache.offer(before, "k", version_at(1), std::nullopt);
  EXPECT_FALSE(cache.find("k", nullptr));
  cache.end_change();
  cache.offer(cache.epoch(), "k", version_at(2), std::nullopt);
  EXPECT_EQ(cache.find("k", nullptr)->version.mod, 2U);
}

// The look-up fell between the applier's begin_change() and its write: it saw the old version, and the change has ended
// with the new one by the time it is offered.
TEST(KeyCache, AnOfferLookedUpWhileAChangeWasUnderWayIsRefused) {
  KeyCache cache(1 << 20);
  cache.begin_change();
  const auto during = cache.epoch();
  cache.put("k", version_at(2), std::nullopt);
  cache.end_change();
  cache.offer(during, "k", version_at(1), std::nullopt);
  EXPECT_EQ(cache.find("k", nullptr)->version.mod, 2U);
}

}  // namespace
}  // namespace tenaz::storage::kv
