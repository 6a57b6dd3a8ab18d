// tenazctl, run to its end.
#pragma once

#include <string>
#include <vector>

#include "tests/integration/harness/process.h"

namespace tenaz::harness {

Finished tenazctl(std::vector<std::string> arguments);

}  // namespace tenaz::harness
