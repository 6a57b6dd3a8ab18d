// A kind of fault: begun, kept up for a while, undone. Kinds are made from the ground and its chance; not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/chaos/ground.h"

namespace tenaz::chaos {

class Fault {
 public:
  virtual ~Fault() = default;
  // What is done, for the log; empty: there is nothing to do it to just now, and heal() will not be called.
  virtual std::string begin() = 0;
  // Now and then while it lasts.
  virtual void go_on() {}
  // All is as before, as far as it lies in the test's hands. The network is mended already: a node that nobody reaches
  // writes nothing, and would not notice what is wrong with its disk.
  virtual void heal() = 0;
};

struct FaultKind {
  const char* name;
  const char* what;  // a line for people
  bool preload;      // needs GroundOptions::preload
  bool small_disks;  // needs GroundOptions::small_disks
  std::unique_ptr<Fault> (*make)(Ground&);
};

// All there are. Membership changes come here when there are any: a kind that adds, removes or replaces a node, and
// takes a lost one's place.
const std::vector<FaultKind>& fault_kinds();
const FaultKind* find_fault_kind(const std::string& name);

// Of the files that they are in.
std::vector<FaultKind> process_faults();  // faults_process.cc
std::vector<FaultKind> network_faults();  // faults_network.cc
std::vector<FaultKind> disk_faults();     // faults_disk.cc

}  // namespace tenaz::chaos
