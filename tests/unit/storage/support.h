// Small helpers of the storage tests: a directory that goes away, commands and entries, and a look at errors.
#pragma once

#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "raft/membership.h"
#include "storage/command.h"
#include "storage/options.h"
#include "storage/raft_log.h"
#include "storage/state_machine.h"

namespace tenaz::storage::test {

namespace fs = std::filesystem;

class TempDir {
 public:
  TempDir() {
    static std::atomic<int> next{0};
    path_ = fs::temp_directory_path() /
            ("tenaz-storage-test-" + std::to_string(::getpid()) + "-" + std::to_string(next.fetch_add(1)));
    fs::create_directories(path_);
  }
  ~TempDir() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_file(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// What a kill at this moment would leave. RocksDB may delete files meanwhile: then once more.
inline std::set<fs::path> names_below(const fs::path& directory) {
  std::set<fs::path> names;
  std::error_code gone;
  for (const auto& file : fs::recursive_directory_iterator(directory, gone)) names.insert(file.path());
  return names;
}

inline void copy_tree(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  std::set<fs::path> before;
  const auto is_manifest = [](const fs::path& path) {
    const std::string name = path.filename().string();
    return name == "CURRENT" || name.starts_with("MANIFEST");
  };
  do {
    failed.clear();
    fs::remove_all(to);
    before = names_below(from);
    fs::create_directories(to);
    // Manifests first: the files that they name by then are whole.
    for (const bool manifests : {true, false}) {
      for (const fs::path& path : before) {
        if (failed) break;
        const fs::path target = to / path.lexically_relative(from);
        if (std::error_code gone; fs::is_directory(path, gone))
          fs::create_directories(target);
        else if (is_manifest(path) == manifests)
          fs::copy_file(path, target, failed);
      }
    }
    // Where a file has gone meanwhile, what was copied before may still name it.
  } while (fs::exists(from) &&
           (failed == std::errc::no_such_file_or_directory || (!failed && names_below(from) != before)));
  if (failed) throw fs::filesystem_error("copy_tree", from, to, failed);
}

inline std::vector<fs::path> files_with(const fs::path& directory, const std::string& extension) {
  std::vector<fs::path> found;
  for (const auto& file : fs::directory_iterator(directory)) {
    std::error_code gone;
    if (file.path().extension() == extension && fs::file_size(file.path(), gone) > 0 && !gone) {
      found.push_back(file.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// One bit of the largest table in `directory`, in place: damage that no checksum of the file as it is would show.
inline fs::path damage_table(const fs::path& directory) {
  const auto tables = files_with(directory, ".sst");
  const auto largest = std::max_element(tables.begin(), tables.end(), [](const fs::path& a, const fs::path& b) {
    return fs::file_size(a) < fs::file_size(b);
  });
  if (largest == tables.end()) throw std::runtime_error("there is no table in " + directory.string());
  std::fstream file(*largest, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(100);
  const int byte = file.get();
  file.seekp(100);
  file.put(static_cast<char>(byte ^ 1));
  return *largest;
}

// The value, or a failed test and a stop.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error("unexpected error: " + result.error().message);
  return std::move(*result);
}
inline void must(const Result<void>& result) {
  if (!result) throw std::runtime_error("unexpected error: " + result.error().message);
}

template <class Condition>
bool eventually(const Condition& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

// Keeps RocksDB's threads of this priority busy while it lives: HIGH for flushes, LOW for compactions.
class Busy {
 public:
  explicit Busy(rocksdb::Env::Priority priority) {
    auto* env = rocksdb::Env::Default();
    threads_ = env->GetBackgroundThreads(priority);
    for (int i = 0; i < threads_; ++i) env->Schedule(&Busy::wait, this, priority);
    EXPECT_TRUE(eventually([&] { return held_ == threads_; }));
  }
  ~Busy() {
    over_ = true;
    EXPECT_TRUE(eventually([&] { return held_ == 0; }));
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  static void wait(void* self) {
    auto& me = *static_cast<Busy*>(self);
    ++me.held_;
    EXPECT_TRUE(eventually([&] { return me.over_.load(); }));
    --me.held_;
  }

  int threads_ = 0;
  std::atomic<int> held_{0};
  std::atomic<bool> over_{false};
};

inline Options small_options() {
  Options options;
  options.cache_bytes = 1 << 20;
  options.write_buffer_bytes = 1 << 20;
  options.log_buffer_bytes = 1 << 20;
  options.key_cache_bytes = 256 << 10;
  return options;
}

inline constexpr raft::NodeId kSelf{1};

inline pb::Command command() {
  static std::uint64_t sequence = 0;
  pb::Command c;
  c.set_apply_version(kApplyVersion);
  c.mutable_origin()->set_node(kSelf.value);
  c.mutable_origin()->set_boot(7);
  c.mutable_origin()->set_sequence(++sequence);
  return c;
}

inline pb::Command put(const std::string& key, const std::string& value) {
  auto c = command();
  c.mutable_put()->set_key(key);
  c.mutable_put()->set_value(value);
  return c;
}

inline pb::Command del(const std::string& key) {
  auto c = command();
  c.mutable_delete_()->set_key(key);
  return c;
}

inline pb::Command del_range(const std::string& start, const std::string& end, std::uint64_t max_keys = 100000) {
  auto c = command();
  c.mutable_delete_range()->set_start(start);
  c.mutable_delete_range()->set_end(end);
  c.mutable_delete_range()->set_max_keys(max_keys);
  return c;
}

inline pb::Command compact(std::uint64_t revision) {
  auto c = command();
  c.mutable_compact()->set_revision(revision);
  return c;
}

inline raft::Entry entry(std::uint64_t index, const std::vector<pb::Command>& commands, std::uint64_t term = 1) {
  PayloadBuilder builder;
  for (const auto& c : commands) builder.add(c.SerializeAsString());
  return {raft::Term(term), raft::Index(index), raft::EntryKind::commands, builder.finish(1700000000000)};
}

inline raft::Configuration one_member() {
  return raft::founding_configuration({raft::Member{kSelf, "n1", "127.0.0.1:1", "127.0.0.1:2", ""}});
}

inline const Identity kIdentity{"0123456789abcdef", kSelf};

inline std::unique_ptr<RaftLog> open_log(const fs::path& data_dir, const Options& options = small_options()) {
  return must(RaftLog::open(data_dir, kIdentity, one_member(), options));
}

inline raft::Persist persist(std::optional<raft::HardState> hard, std::vector<raft::Entry> entries) {
  static std::uint64_t id = 0;
  return {raft::WriteId(++id), hard, std::move(entries)};
}

inline raft::Entry noop(std::uint64_t index, std::uint64_t term, std::string payload = {}) {
  return {raft::Term(term), raft::Index(index), raft::EntryKind::commands, raft::make_payload(std::move(payload))};
}

}  // namespace tenaz::storage::test
