#include "storage/log_shape.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace tenaz::storage {
namespace {

// The dumb twin: every entry's term and size in a vector.
struct Twin {
  std::uint64_t before = 0;
  std::uint64_t before_term = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> entries;

  std::uint64_t last() const { return before + entries.size(); }
  std::optional<raft::Term> term(std::uint64_t index) const {
    if (index < before || index > last()) return {};
    return raft::Term(index == before ? before_term : entries[index - before - 1].first);
  }
  std::uint64_t bytes_after(std::uint64_t index) const {
    std::uint64_t sum = 0;
    for (std::uint64_t i = index; i < last(); ++i) sum += entries[i - before].second;
    return sum;
  }
  std::uint64_t target(std::uint64_t limit, std::uint64_t retain) const {
    std::uint64_t best = before;
    for (std::uint64_t i = before + 1; i <= std::min(limit, last()); ++i) {
      if (bytes_after(i) >= retain) best = i;
    }
    return best;
  }
};

TEST(LogShape, AgreesWithAVector) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    LogShape shape;
    Twin twin;
    std::uint64_t term = 1;
    for (int step = 0; step < 300; ++step) {
      switch (random() % 6) {
        case 0: {
          if (twin.entries.empty()) break;
          const std::uint64_t from = twin.before + 1 + random() % twin.entries.size();
          shape.truncate(raft::Index(from));
          twin.entries.resize(from - twin.before - 1);
          break;
        }
        case 1: {
          if (twin.entries.empty() || random() % 3 != 0) break;
          const std::uint64_t to = twin.before + 1 + random() % twin.entries.size();
          shape.compact(raft::Index(to));
          twin.before_term = twin.term(to)->value;
          twin.entries.erase(twin.entries.begin(),
                             twin.entries.begin() + static_cast<std::ptrdiff_t>(to - twin.before));
          twin.before = to;
          break;
        }
        case 2:
          if (random() % 20 == 0) {
            twin = {twin.last() + random() % 100, ++term, {}};
            shape = LogShape(raft::Index(twin.before), raft::Term(twin.before_term));
          }
          break;
        default: {
          if (random() % 4 == 0) ++term;
          const std::uint64_t bytes = random() % 100;
          shape.append(raft::Index(twin.last() + 1), raft::Term(term), bytes);
          twin.entries.emplace_back(term, bytes);
        }
      }
      ASSERT_EQ(shape.first().value, twin.before + 1);
      ASSERT_EQ(shape.last().value, twin.last());
      ASSERT_EQ(shape.bytes(), twin.bytes_after(twin.before));
      for (std::uint64_t i = twin.before == 0 ? 0 : twin.before - 1; i <= twin.last() + 1; ++i) {
        ASSERT_EQ(shape.term(raft::Index(i)), twin.term(i)) << "term of " << i;
      }
      const std::uint64_t retain = 1 + random() % 500, limit = twin.before + random() % 40;
      ASSERT_EQ(shape.compaction_target(raft::Index(limit), retain).value, twin.target(limit, retain));
    }
  }
}

}  // namespace
}  // namespace tenaz::storage
