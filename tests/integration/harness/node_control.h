// The wall clock and the disk of one node, as tests/integration/harness/preload makes them. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "tests/integration/harness/preload/control.h"

namespace tenaz::harness {

class NodeControl {
 public:
  static constexpr std::chrono::milliseconds kUntilTold{3'600'000};

  // The page is kept in `file`. Throws std::runtime_error.
  explicit NodeControl(const std::filesystem::path& file);
  ~NodeControl();
  NodeControl(const NodeControl&) = delete;
  NodeControl& operator=(const NodeControl&) = delete;

  // What the node must be started with.
  std::map<std::string, std::string> environment() const;

  // What the clock on the wall shows from now on: the true time and so much.
  void set_wall_clock_off(std::chrono::nanoseconds by) { page_->wall_offset_ns = by.count(); }

  // From now on each fsync and fdatasync waits so long, or until it is told otherwise; or fails with this errno; or
  // neither. With `part` only those of files whose path contains it, for instance "/raft/" (the log) or "/state-".
  void stall_syncs(std::chrono::milliseconds longest = kUntilTold, const std::string& part = {});
  void fail_syncs(int error, const std::string& part = {});
  void free_syncs() { ask_for_nothing({}); }

  // Since the page was made, over all starts of the node.
  std::uint64_t syncs_stalled() const { return page_->syncs_stalled; }
  std::uint64_t syncs_failed() const { return page_->syncs_failed; }
  std::uint64_t wall_reads() const { return page_->wall_reads; }  // of a clock that is off

 private:
  void ask_for_nothing(const std::string& part);

  std::filesystem::path file_;
  Control* page_ = nullptr;
};

}  // namespace tenaz::harness
