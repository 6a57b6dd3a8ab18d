// The program itself, run to its end.
#pragma once

#include <string>
#include <vector>

namespace tenaz::client {

struct Ended {
  int code;
  std::string out;
  std::string error;
};

// `out`: where stdout goes instead of being returned.
Ended run(std::vector<std::string> arguments, const std::string& input = "", std::vector<std::string> environment = {},
          const char* out = nullptr);

std::string content(const std::string& file);

}  // namespace tenaz::client
