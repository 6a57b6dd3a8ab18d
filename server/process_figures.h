// The process's own figures, from /proc/self, under the names that Prometheus client libraries give them.
#pragma once

#include <string>
#include <vector>

namespace tenaz::server {

struct ProcessFigure {
  std::string name;
  std::string help;
  bool counter = false;
  double value = 0;
};

// What could not be read is left out.
std::vector<ProcessFigure> process_figures();

}  // namespace tenaz::server
