#include "server/snapshot_progress.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace tenaz::server {
namespace {

constexpr double kMiB = 1 << 20;

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

double rate(std::uint64_t bytes, std::chrono::nanoseconds took) {
  return static_cast<double>(bytes) / std::max(seconds(took), 1e-3);
}

}  // namespace

SnapshotTransfer::SnapshotTransfer(raft::NodeId peer, Direction direction, raft::Index index, std::uint64_t bytes_total,
                                   Clock::time_point now, std::uint64_t bytes_before)
    : peer_(peer),
      direction_(direction),
      index_(index),
      before_(bytes_before),
      done_(bytes_before),
      total_(bytes_total),
      began_(now),
      last_(now),
      logged_(now) {}

void SnapshotTransfer::reached(std::uint64_t bytes_done, Clock::time_point now) {
  last_ = now;
  done_ = std::min(bytes_done, total_);
  const std::uint64_t tenths = total_ == 0 ? 10 : done_ / (total_ / 10 + 1);
  if (tenths <= tenths_logged_ || whole() || now - logged_ < std::chrono::seconds(1)) return;
  tenths_logged_ = tenths;
  logged_ = now;
  spdlog::info("snapshot: {} % of index {} {} node {}, {}", 100 * done_ / total_, index_.value,
               direction_ == Direction::in ? "are here from" : "went to", peer_.value, moved_text(moved(), took(now)));
}

SnapshotProgress SnapshotTransfer::view(Clock::time_point now) const {
  return {peer_, direction_, index_, done_, total_, seconds(took(now)), rate(moved(), took(now))};
}

std::string moved_text(std::uint64_t bytes, std::chrono::nanoseconds took) {
  return fmt::format("{:.1f} MiB in {:.1f} s, {:.1f} MiB/s", static_cast<double>(bytes) / kMiB, seconds(took),
                     rate(bytes, took) / kMiB);
}

}  // namespace tenaz::server
