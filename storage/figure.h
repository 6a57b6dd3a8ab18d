// A number that a database tells about itself, for metrics: shown as tenaz_storage_<name>.
#pragma once

#include <string>

namespace tenaz::storage {

struct Figure {
  std::string name;
  double value = 0;
};

}  // namespace tenaz::storage
