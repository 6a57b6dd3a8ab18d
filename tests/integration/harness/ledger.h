// Clients that write to a cluster while things go wrong, and remember what was promised to them. Afterwards the cluster
// is held to it:
//   - every acknowledged write is there, with the revision that was answered;
//   - a register is never older than its last acknowledged write, and holds that or one whose outcome stayed unknown;
//   - a write answered "not_applied" is not there;
//   - revisions of one client's writes rise, and no two writes share one.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/harness/cluster.h"

namespace tenaz::harness {

class Ledger {
 public:
  // `writers` threads, each going on to the next node when it gets no acknowledgement within `patience`.
  Ledger(Cluster& cluster, int writers, std::string prefix = "ledger/",
         std::chrono::seconds patience = std::chrono::seconds(3));
  ~Ledger();

  void stop();  // ends the writers; the others need it
  // From now on only to these nodes; by default to those that were there at the beginning.
  void write_to(const std::vector<int>& nodes);
  std::uint64_t acknowledged() const { return acknowledged_; }
  // Writes that were not acknowledged, whatever became of them.
  std::uint64_t failures() const { return failures_; }
  // Until so many more writes than now are acknowledged.
  bool wait_progress(std::uint64_t writes, std::chrono::nanoseconds patience = kPatience) const;

  // Test failures for every promise that node `id` breaks. Only after stop().
  void check(int id) const;

 private:
  struct Writer {
    std::thread thread;
    int number = 0;
    std::map<std::string, std::uint64_t> acknowledged;  // key -> revision; each written once
    std::set<std::string> refused;                      // never applied, said the answer
    std::uint64_t register_value = 0;                   // of the last acknowledged write of the register
    std::uint64_t register_revision = 0;                // of the same
    std::set<std::uint64_t> register_unknown;           // values that may take effect at any time
    std::vector<std::uint64_t> revisions;               // of all acknowledged writes, in order
  };

  void write(Writer& writer);
  Address target(std::uint64_t number) const;
  void check_listed(int id, const std::map<std::string, std::uint64_t>& present) const;
  void check_registers(int id) const;
  void check_revisions() const;
  std::map<std::string, std::uint64_t> list(int id) const;

  Cluster& cluster_;
  std::string prefix_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> acknowledged_{0};
  std::atomic<std::uint64_t> failures_{0};
  const std::chrono::seconds patience_;
  mutable std::mutex targets_mutex_;
  std::vector<Address> targets_;
  std::atomic<std::uint64_t> targets_version_{0};
  std::vector<Writer> writers_;
};

}  // namespace tenaz::harness
