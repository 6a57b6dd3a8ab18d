// Disks: that stall, fail, are full, or were damaged while the node was off.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>

#include "tests/chaos/fault.h"
#include "tests/integration/harness/damage.h"

namespace tenaz::chaos {
namespace {

namespace fs = std::filesystem;
using harness::eventually;

// Exit code of tenazd.
constexpr int kUnusableData = 6;

// fsync does not return for a while.
class Stall final : public Fault {
 public:
  explicit Stall(Ground& ground) : ground_(ground) {}

  std::string begin() override {
    stalled_ = ground_.some_sound(ground_.spare());
    if (stalled_.empty()) return {};
    for (const int id : stalled_) {
      ground_.control(id).stall_syncs();
      ground_.down(id);
    }
    return "stalled the disks of" + names(stalled_);
  }

  void heal() override {
    for (const int id : stalled_) {
      ground_.control(id).free_syncs();
      ground_.up(id);
    }
  }

 private:
  Ground& ground_;
  std::vector<int> stalled_;
};

// fsync fails: the node must stop, and not try again.
class SyncError final : public Fault {
 public:
  explicit SyncError(Ground& ground) : ground_(ground) {}

  std::string begin() override {
    failed_ = ground_.some_sound(ground_.spare());
    if (failed_.empty()) return {};
    for (const int id : failed_) {
      ground_.control(id).fail_syncs(EIO);
      ground_.down(id);
    }
    return "failing fsync on" + names(failed_);
  }

  void heal() override {
    for (const int id : failed_) {
      const auto exit = ground_.cluster().wait_exit(id);
      EXPECT_TRUE(stopped_for_its_disk(exit)) << "node " << id << ":\n" << ground_.cluster().log(id);
      EXPECT_GT(ground_.control(id).syncs_failed(), 0u);
      ground_.control(id).free_syncs();
      ground_.start(id);
    }
  }

 private:
  Ground& ground_;
  std::vector<int> failed_;
};

// Something else has taken all the room. The node refuses puts, or stops when it finds none for its log.
class FullDisk final : public Fault {
 public:
  explicit FullDisk(Ground& ground) : ground_(ground) {}

  std::string begin() override {
    std::vector<int> candidates;
    for (const auto& [id, disk] : ground_.small_disks()) {
      if (!ground_.is_down(id) && !ground_.is_damaged(id)) candidates.push_back(id);
    }
    if (candidates.empty() || ground_.spare() == 0) return {};
    id_ = candidates[ground_.below(candidates.size())];
    ground_.down(id_);
    fill();
    return "filled the disk of" + names({id_});
  }
  void go_on() override { fill(); }  // what the node itself has given back

  void heal() override {
    std::error_code ignored;
    fs::remove(ballast(), ignored);
    // A write in the background may have failed, of which the node stops when it comes to need it: only a new start is
    // sure to go on.
    if (ground_.cluster().running(id_))
      ground_.cluster().kill(id_);
    else
      EXPECT_TRUE(stopped_for_its_disk(ground_.cluster().wait_exit(id_))) << ground_.cluster().log(id_);
    ground_.start(id_);
  }

 private:
  fs::path ballast() const { return ground_.small_disks().at(id_)->path() / "ballast"; }
  void fill() {
    std::ofstream out(ballast(), std::ios::binary | std::ios::app);
    for (const std::size_t piece : {std::size_t{1} << 20, std::size_t{4096}}) {
      const std::string bytes(piece, 'b');
      while (out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush()) {
      }
      out.clear();
    }
  }

  Ground& ground_;
  int id_ = 0;
};

// Files of a stopped node are damaged; then it is started. It may refuse to start, or repair itself; it must not answer
// wrongly, and what was acknowledged must not be lost. Of a node that refuses, a damaged log is put back as from a copy
// of its stopped disk, and a damaged state is taken away, so that it fetches another.
class Corruption final : public Fault {
 public:
  explicit Corruption(Ground& ground) : ground_(ground) {}

  std::string begin() override {
    const std::vector<int> ids = ground_.some_sound(std::min(ground_.spare(), ground_.spare_for_damage()));
    std::string text;
    for (const int id : ids) {
      ground_.cluster().kill(id);
      ground_.down(id);
      const Damage done = damage(id);
      text += std::string(text.empty() ? "damaged" : ";") + " " + std::to_string(id) + ": " + done.name;
      victims_.push_back({id, done.what, ground_.cluster().log(id).size()});
      ground_.cluster().start(id);
    }
    return text;
  }

  void heal() override {
    for (const Victim& victim : victims_) come_back(victim);
  }

 private:
  struct Damage {
    const char* name;
    Ground::Damaged what;
    bool (*wanted)(const fs::path&);
    std::function<void(const fs::path&)> harm;
  };
  struct Victim {
    int id;
    Ground::Damaged what;
    std::size_t log_offset;  // where its log was when it was started
  };

  fs::path directory(int id, Ground::Damaged what) const {
    const fs::path data = ground_.cluster().data_dir(id);
    return what == Ground::Damaged::log ? data / "raft" : harness::state_directory(data);
  }
  fs::path copy(int id) const { return ground_.cluster().directory() / ("undamaged-" + std::to_string(id)); }

  Damage damage(int id) {
    const auto flip = [this](const fs::path& file) {
      const std::size_t size = fs::file_size(file);
      harness::flip_bytes(file, ground_.below(size), 1 + ground_.below(64));
    };
    const auto cut = [this](const fs::path& file) { fs::resize_file(file, ground_.below(fs::file_size(file))); };
    const auto remove = [](const fs::path& file) { fs::remove(file); };
    const std::vector<Damage> kinds{
        {"flipped bytes in the log's WAL", Ground::Damaged::log, harness::is_wal, flip},
        {"log's WAL cut short", Ground::Damaged::log, harness::is_wal, cut},
        {"log's WAL gone", Ground::Damaged::log, harness::is_wal, remove},
        {"flipped bytes in a table of the log", Ground::Damaged::log, harness::is_table, flip},
        {"log's manifest cut short", Ground::Damaged::log, harness::is_manifest, cut},
        {"flipped bytes in a table of the state", Ground::Damaged::state, harness::is_table, flip},
        {"a table of the state cut short", Ground::Damaged::state, harness::is_table, cut},
        {"state's manifest cut short", Ground::Damaged::state, harness::is_manifest, cut},
        {"a table of the state gone", Ground::Damaged::state, harness::is_table, remove}};
    std::error_code ignored;
    fs::remove_all(copy(id), ignored);
    fs::copy(ground_.cluster().data_dir(id), copy(id), fs::copy_options::recursive);
    for (;;) {
      const Damage& drawn = kinds[ground_.below(kinds.size())];
      const auto found = harness::files(directory(id, drawn.what), drawn.wanted);
      if (found.empty()) continue;
      drawn.harm(found[ground_.below(found.size())]);
      return drawn;
    }
  }

  void come_back(const Victim& victim) {
    harness::Cluster& cluster = ground_.cluster();
    const int id = victim.id;
    const auto log = [&] { return cluster.log(id).substr(victim.log_offset); };
    EXPECT_TRUE(eventually([&] { return !cluster.running(id) || answers(id); }))
        << "node " << id << " neither stops nor serves:\n"
        << log();
    if (cluster.running(id)) {
      ground_.damaged(id, victim.what);
      return ground_.up(id);
    }
    const auto exit = cluster.wait_exit(id);
    EXPECT_EQ(exit->signal, 0) << "node " << id << " crashed:\n" << log();
    EXPECT_NE(exit->code, 0);
    const bool had_started = log().find("cannot start") == std::string::npos;
    if (had_started || victim.what == Ground::Damaged::state) return ground_.revive(id);
    EXPECT_EQ(exit->code, kUnusableData) << log();
    // No other node has heard of this start.
    fs::remove_all(cluster.data_dir(id));
    fs::copy(copy(id), cluster.data_dir(id), fs::copy_options::recursive);  // perhaps another file system
    ground_.start(id);
  }

  bool answers(int id) {
    const auto answer = ground_.cluster().request(id, "GET", "/v1/kv/chaos/any?timeout=1s");
    return answer && (answer->status == 200 || answer->status == 404);
  }

  Ground& ground_;
  std::vector<Victim> victims_;
};

template <class T>
std::unique_ptr<Fault> make(Ground& ground) {
  return std::make_unique<T>(ground);
}

}  // namespace

std::vector<FaultKind> disk_faults() {
  return {{"stall", "fsync of a minority does not return for a while", true, false, make<Stall>},
          {"eio", "fsync of a minority fails: the nodes stop, and are started again", true, false, make<SyncError>},
          {"full", "a disk without any room", false, true, make<FullDisk>},
          {"corrupt", "files of a minority are damaged while they are off", false, false, make<Corruption>}};
}

const std::vector<FaultKind>& fault_kinds() {
  static const std::vector<FaultKind> all = [] {
    std::vector<FaultKind> kinds = process_faults();
    for (const auto& more : {network_faults(), disk_faults()}) kinds.insert(kinds.end(), more.begin(), more.end());
    return kinds;
  }();
  return all;
}

const FaultKind* find_fault_kind(const std::string& name) {
  const auto& all = fault_kinds();
  const auto found = std::find_if(all.begin(), all.end(), [&](const FaultKind& kind) { return kind.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace tenaz::chaos
