#include "tests/integration/harness/client_program.h"

namespace tenaz::harness {

Finished tenazctl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), TENAZCTL_PATH);
  return run(arguments);
}

std::string tenaz_bench_path() {
  return TENAZ_BENCH_PATH;
}

}  // namespace tenaz::harness
