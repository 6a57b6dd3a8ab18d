#include "tests/integration/harness/client_program.h"

namespace tenaz::harness {

Finished tenazctl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), TENAZCTL_PATH);
  return run(arguments);
}

}  // namespace tenaz::harness
