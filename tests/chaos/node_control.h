// The clock and the disk of one node, as tests/chaos/preload makes them. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "tests/chaos/preload/control.h"

namespace tenaz::chaos {

class NodeControl {
 public:
  // The page is kept in `file`. Throws std::runtime_error.
  explicit NodeControl(const std::filesystem::path& file);
  ~NodeControl();
  NodeControl(const NodeControl&) = delete;
  NodeControl& operator=(const NodeControl&) = delete;

  // What the node must be started with.
  std::map<std::string, std::string> environment() const;

  void move_wall_clock(std::chrono::nanoseconds offset) { page_->wall_offset_ns = offset.count(); }
  void stall_syncs(bool on) { page_->syncs_stall = on ? 1 : 0; }
  void fail_syncs(bool on) { page_->syncs_fail = on ? 1 : 0; }
  void delay_syncs(std::chrono::microseconds by) { page_->sync_delay_us = static_cast<std::uint32_t>(by.count()); }

  // Since the page was made, over all starts of the node.
  std::uint64_t syncs_begun() const { return page_->syncs_begun; }
  std::uint64_t syncs_stalled() const { return page_->syncs_stalled; }
  std::uint64_t syncs_failed() const { return page_->syncs_failed; }
  std::uint64_t wall_reads() const { return page_->wall_reads; }  // of a moved clock

 private:
  std::filesystem::path file_;
  Control* page_ = nullptr;
};

}  // namespace tenaz::chaos
