// A disk with its file system, in memory, that knows what a power loss leaves of it: the floor under the production
// storage code in the real-storage tier (file_system.h for RocksDB, platform.h for the rest).
//
// What is promised, as POSIX does:
//   - a file's content is what it was at its last sync; of what was written since, in order, any number of writes may
//   be
//     found too, and of the next one any first part (torn)
//   - a directory's entries are what they were at its last sync; of the changes since (created, removed, renamed,
//   linked)
//     any may be found too, but none without the earlier ones of the same names. A rename is found whole or not at all
//   - syncing a file says nothing about its name, and syncing a directory nothing about its files
//
// Not thread-safe: one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/sim/random.h"

namespace tenaz::sim {

class FileTree {
 public:
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  using Names = std::map<std::string, NodePtr, std::less<>>;

  struct Write {
    std::uint64_t offset = 0;
    std::string bytes;
    bool truncates = false;  // to `offset` bytes; nothing is written
  };
  struct Change {
    std::vector<std::pair<std::string, NodePtr>> names;  // null: gone
  };
  struct Node {
    bool directory = false;
    // A file, as it is seen, as it was last synced, and what came in between.
    std::string data;
    std::string durable;
    std::vector<Write> unsynced;
    // A directory, the same.
    Names names;
    Names durable_names;
    std::vector<Change> changes;
  };

  // An empty root.
  FileTree();
  FileTree(FileTree&&) = default;
  FileTree& operator=(FileTree&&) = default;

  // --- files and directories, by absolute path; null and false: there is none, or it is of the other kind -----------
  NodePtr find(std::string_view path) const;
  NodePtr find_file(std::string_view path) const;
  NodePtr find_directory(std::string_view path) const;
  // In place of what has this name.
  NodePtr create_file(std::string_view path);
  // True if it is there already.
  bool create_directory(std::string_view path);
  bool remove(std::string_view path);                       // a file, or a directory with all in it
  bool rename(std::string_view from, std::string_view to);  // within one directory, over what has that name
  bool link(std::string_view from, std::string_view to);

  // --- content ------------------------------------------------------------------------------------------------------
  void write(Node& file, std::uint64_t offset, std::string_view bytes);
  void truncate(Node& file, std::uint64_t size);
  // False: the sync fails (fail_next_sync), and nothing is promised.
  bool sync(Node& node);

  // --- faults -------------------------------------------------------------------------------------------------------
  // The next sync of a file fails.
  void fail_next_sync() { sync_fails_ = true; }
  void recover() { sync_fails_ = false; }
  // From now on syncs promise something and do nothing.
  void lie() { lies_ = true; }
  // A bit of the medium turns.
  static void flip(Node& file, std::uint64_t offset);
  // What is found after a power loss now. This tree goes on as if nothing had happened, for whoever still has files
  // open.
  FileTree after_power_loss(Random& random) const;
  // What is found after the process alone has ended.
  FileTree as_seen() const;
  // All that is promised and no more.
  FileTree durable() const;
  // The power is lost before the step (of those that change something) that comes after `steps` more; whoever makes the
  // steps does not notice.
  void lose_power_after(std::uint64_t steps, Random& random);
  // What is found then; nothing if it has not come to that.
  std::optional<FileTree> found_after_power_loss();

  std::uint64_t steps() const { return steps_; }
  // Of names and sizes.
  std::uint64_t fingerprint() const;

 private:
  // A step is about to be made.
  void step();
  NodePtr parent_of(std::string_view path, std::string& name) const;
  void change(Node& directory, Change change);
  FileTree rebuilt(Random* random, bool all) const;

  NodePtr root_;
  bool sync_fails_ = false;
  bool lies_ = false;
  std::uint64_t steps_ = 0;
  std::optional<std::uint64_t> power_lost_at_;
  Random* loss_random_ = nullptr;
  std::unique_ptr<FileTree> found_;
};

}  // namespace tenaz::sim
